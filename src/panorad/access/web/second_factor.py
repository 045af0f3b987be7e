"""The person's second factor: set up, replaced, new recovery codes, removed; and the page that asks for a code again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote

import segno
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from panorad.access.gate import open_sessions, proof, second_factor
from panorad.access.web.deps import WebDeps
from panorad.access.web.errors import sentence, status_for
from panorad.access.web.forms import form, local, see
from panorad.access.web.session import remember, session_actor, token_of
from panorad.access.web.signin import NoAccount
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


@dataclass(frozen=True, slots=True)
class SecondFactorPage:
    """The page: since when there is one and how many recovery codes are left, or a step on the way there.

    `picture` and `secret` are what an app is set up with, `codes` the recovery codes, both shown once; `needed`: somebody was led here
    because what they want needs a second factor; `next` is where they wanted to go; `password`: the account has one.
    """

    since: datetime | None = None
    recovery_codes: int = 0
    next: str = "/"
    needed: bool = False
    removed: bool = False
    error: str = ""
    picture: str = ""
    secret: str = ""
    password: bool = True
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfirmPage:
    """The page that asks for a code again."""

    next: str = "/"
    error: str = ""


def routes(deps: WebDeps) -> APIRouter:
    """GET and POST of /account/second-factor and /account/confirm."""
    pages = SecondFactorPages(deps)
    router = APIRouter()
    router.add_route("/account/second-factor", pages.page, methods=["GET"])
    router.add_route("/account/second-factor.json", pages.page, methods=["GET"])
    router.add_route("/account/second-factor", pages.change, methods=["POST"])
    router.add_route("/account/confirm", pages.confirm_page, methods=["GET"])
    router.add_route("/account/confirm", pages.confirm, methods=["POST"])
    return router


class SecondFactorPages:
    """The endpoints, with what they stand on."""

    def __init__(self, deps: WebDeps) -> None:
        self.deps = deps
        self.acts: dict[str, Callable[[Transaction, Request, Actor, int, dict[str, str], SecondFactorPage], SecondFactorPage]] = {
            "start": self._start,
            "accept": self._accept,
            "renew": self._renew,
            "remove": self._remove,
        }

    def page(self, request: Request) -> Response:
        """GET /account/second-factor: the person's second factor."""
        actor, account = _person(request)
        asked = request.query_params
        context = SecondFactorPage(
            next=local(asked.get("next", "/")), needed=asked.get("needed") == "1", removed=asked.get("done") == "removed"
        )
        with self.deps.begin(actor) as tx:
            context = self._with_state(tx, account, context)
        return self.deps.shell.page(request, "web/second_factor.html", context, self._title(request), actor)

    def change(self, request: Request) -> Response:
        """POST /account/second-factor: `act` is start, accept, renew or remove; the page with its outcome."""
        fields, (actor, account) = form(request), _person(request)
        context, status = SecondFactorPage(next=local(fields.get("next", "/"))), 200
        act = self.acts.get(fields.get("act", ""), self._start)
        try:
            with self.deps.begin(actor) as tx:
                context = act(tx, request, actor, account, fields, context)
        except PanoradError as error:
            if error.kind not in {Kind.FORBIDDEN, Kind.CONFLICT}:
                raise
            status = status_for(error.kind)
            context = replace(context, error=sentence(self.deps.shell.language(request), error))
            if act == self._accept and isinstance(error, second_factor.CodeRefused):
                with self.deps.begin(actor) as tx:
                    shown = second_factor.proposal(tx, self.deps.vault, account, actor.name)
                context = replace(context, picture=_picture(shown.address), secret=shown.secret)
        if context.removed:
            return see("/account/second-factor?done=removed")
        with self.deps.begin(actor) as tx:
            context = self._with_state(tx, account, context)
            fresh = open_sessions.rotate(tx, token_of(request), second_factor=True) if act == self._accept and context.codes else ""
        response = self.deps.shell.render(request, "web/second_factor.html", context, self._title(request), actor, status=status)
        if fresh:
            remember(request, response, fresh)
        return response

    def confirm_page(self, request: Request) -> Response:
        """GET /account/confirm: asks for a code, unless one was just given or there is no second factor yet."""
        actor, _account = _person(request)
        wanted = local(request.query_params.get("next", "/"))
        with self.deps.begin(actor) as tx:
            standing = self.deps.gate.standing(tx, token_of(request))
        if standing is None or not standing.enrolled:
            return RedirectResponse(f"/account/second-factor?needed=1&next={quote(wanted)}", 303)
        if standing.fresh:
            return see(wanted)
        return self._show_confirm(request, actor, ConfirmPage(wanted))

    def confirm(self, request: Request) -> Response:
        """POST /account/confirm: notes the code on the session, which gets another token, and leads on."""
        fields, (actor, account) = form(request), _person(request)
        wanted = local(fields.get("next", "/"))
        try:
            with self.deps.begin(actor) as tx:
                token = second_factor.confirm(tx, self.deps.vault, account, token_of(request), fields.get("code", ""))
        except PanoradError as error:
            if error.kind not in {Kind.FORBIDDEN, Kind.CONFLICT}:
                raise
            said = sentence(self.deps.shell.language(request), error)
            return self._show_confirm(request, actor, ConfirmPage(wanted, said), status_for(error.kind))
        response = see(wanted)
        remember(request, response, token)
        return response

    # -- the acts: password and, where there is a second factor, a code before anything changes ------------------------------------------

    def _proved(self, tx: Transaction, request: Request, account: int, fields: dict[str, str]) -> None:
        proof.check_person(tx, account, fields.get("password", ""), token_of(request))
        if second_factor.enrolled(tx, account):
            second_factor.check(tx, self.deps.vault, account, fields.get("code", ""))

    def _start(
        self, tx: Transaction, request: Request, actor: Actor, account: int, fields: dict[str, str], context: SecondFactorPage
    ) -> SecondFactorPage:
        self._proved(tx, request, account, fields)
        shown = second_factor.propose(tx, self.deps.vault, account, actor.name)
        return replace(context, picture=_picture(shown.address), secret=shown.secret)

    def _accept(
        self, tx: Transaction, request: Request, actor: Actor, account: int, fields: dict[str, str], context: SecondFactorPage
    ) -> SecondFactorPage:
        return replace(context, codes=tuple(second_factor.accept(tx, self.deps.vault, account, fields.get("code", ""))))

    def _renew(
        self, tx: Transaction, request: Request, actor: Actor, account: int, fields: dict[str, str], context: SecondFactorPage
    ) -> SecondFactorPage:
        if not second_factor.enrolled(tx, account):
            raise second_factor.NotEnrolled
        self._proved(tx, request, account, fields)
        return replace(context, codes=tuple(second_factor.renew_recovery_codes(tx, self.deps.vault, account)))

    def _remove(
        self, tx: Transaction, request: Request, actor: Actor, account: int, fields: dict[str, str], context: SecondFactorPage
    ) -> SecondFactorPage:
        self._proved(tx, request, account, fields)
        second_factor.remove(tx, account)
        return replace(context, removed=True)

    def _with_state(self, tx: Transaction, account: int, context: SecondFactorPage) -> SecondFactorPage:
        state = second_factor.state(tx, account)
        password = proof.has_password(tx, account)
        return replace(context, since=state.since, recovery_codes=state.recovery_codes, password=password)

    def _title(self, request: Request) -> str:
        return self.deps.shell.text(request, _("Second factor"))

    def _show_confirm(self, request: Request, actor: Actor, context: ConfirmPage, status: int = 200) -> Response:
        title = self.deps.shell.text(request, _("Confirm that it is you"))
        return self.deps.shell.render(request, "web/confirm.html", context, title, actor, status=status)


def _person(request: Request) -> tuple[Actor, int]:
    """Who asks, with an account and a session of its own; raises `NoAccount`."""
    actor = session_actor(request)
    if actor.account is None or not token_of(request):
        raise NoAccount
    return actor, actor.account


def _picture(address: str) -> str:
    """The QR code (ISO/IEC 18004) of an address, black on white as readers want it, as a data URI."""
    return str(segno.make(address, error="m", micro=False).svg_data_uri(scale=4, border=4, dark="#000", light="#fff"))
