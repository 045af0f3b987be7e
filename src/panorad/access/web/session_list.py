"""The open sessions of an account: where and since when; end one, or all others; an administrator those of somebody else."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from panorad.access.gate import open_sessions, service
from panorad.access.gate.known import AccountAbsent, below
from panorad.access.gate.open_sessions import OpenSession
from panorad.access.gate.roles import can
from panorad.access.web.deps import WebDeps
from panorad.access.web.forms import form, see
from panorad.access.web.session import allowed, session_actor, strong, token_of
from panorad.access.web.signin import NoAccount
from panorad.model.actor import Actor


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


@dataclass(frozen=True, slots=True)
class SessionsPage:
    """The sessions of an account, the one seen last first; `of` is its login when it is somebody else's."""

    sessions: tuple[OpenSession, ...]
    of: str = ""


def routes(deps: WebDeps) -> APIRouter:
    """GET and POST of /account/sessions, and its JSON twin."""
    pages = SessionPages(deps)
    router = APIRouter()
    router.add_route("/account/sessions", pages.page, methods=["GET"])
    router.add_route("/account/sessions.json", pages.page, methods=["GET"])
    router.add_route("/account/sessions", pages.end, methods=["POST"])
    return router


class SessionPages:
    """The endpoints, with what they stand on."""

    def __init__(self, deps: WebDeps) -> None:
        self.deps = deps

    def page(self, request: Request) -> Response:
        """GET /account/sessions: the person's open sessions; `of` names another account, for those who may read accounts."""
        actor, account, of = self._whose(request, request.query_params.get("of", ""))
        with self.deps.begin(actor) as tx:
            found = open_sessions.sessions_of(tx, account, self.deps.limits, token_of(request))
        context = SessionsPage(tuple(found), of)
        return self.deps.shell.page(request, "web/sessions.html", context, self.deps.shell.text(request, _("Sessions")), actor)

    def end(self, request: Request) -> Response:
        """POST /account/sessions: ends the session `number`, or all but this one."""
        fields = form(request)
        actor, account, of = self._whose(request, fields.get("of", ""), ending=True)
        number = fields.get("number", "")
        with self.deps.begin(actor) as tx:
            if number.isascii() and number.isdigit() and len(number) < 19:
                open_sessions.end_one(tx, account, int(number))
            else:
                open_sessions.end_others(tx, account, token_of(request))
        return RedirectResponse(f"/account/sessions?of={quote(of)}", 303) if of else see("/account/sessions")

    def _whose(self, request: Request, of: str, *, ending: bool = False) -> tuple[Actor, int, str]:
        """Who asks, and the account meant. Raises `NoAccount`, for another's `NotAllowed`, `StepUpNeeded`, or `AccountAbsent`.

        Another's account must be at home in the institution that the actor acts for or in one below it.
        """
        actor = session_actor(request)
        if of and of != actor.name:
            allowed(request, "account", "read")
            if ending:
                allowed(request, "account", "change" if can(actor, "account", "change") else "lock")
            strong(request)
            with self.deps.begin(actor) as tx:
                found = service.account(tx, of)
                if actor.institution is None or found.institution not in below(tx, actor.institution):
                    raise AccountAbsent(of)
            return actor, found.id, found.login
        if actor.account is None:
            raise NoAccount
        return actor, actor.account, ""
