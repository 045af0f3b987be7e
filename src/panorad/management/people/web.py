"""The pages of people: accounts with their roles, what is done with them, and the table of roles; each with a JSON twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from panorad.access import gate
from panorad.access.gate import passwords
from panorad.access.web.deps import InstitutionLike, WebDeps
from panorad.access.web.errors import sentence, status_for
from panorad.access.web.forms import Draft, see, submitted
from panorad.access.web.session import allowed, refused, session_actor
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor
from panorad.model.roles import ACTIONS, RESOURCES, ROLES, may

PAGE = 50
LONGEST = 64


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Accounts in reach by login; `after` and `more` are the logins behind which this page and the next begin."""

    text: str
    rows: tuple[gate.Person, ...]
    after: str
    more: str
    me: str
    institutions: tuple[InstitutionLike, ...]
    institution: str
    enrolls: bool
    locks: bool
    dismisses: bool
    gives: tuple[str, ...]
    done: str
    form: str
    draft: Draft


@dataclass(frozen=True, slots=True)
class RolesPage:
    """What each role reads for and may do, in words."""

    roles: tuple[tuple[str, tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]], ...]


def routes(deps: WebDeps) -> APIRouter:
    """The pages of this slice with their JSON twins, and what their forms send."""
    pages = PeoplePages(deps)
    router = APIRouter()
    for path, endpoint in (("/people", pages.people), ("/people/roles", pages.roles)):
        router.add_route(path, endpoint, methods=["GET"])
        router.add_route(f"{path}.json", endpoint, methods=["GET"])
    for path, endpoint in (
        ("/people", pages.enroll),
        ("/people/roles", pages.appoint),
        ("/people/roles/take", pages.dismiss),
        ("/people/disable", pages.disable),
        ("/people/enable", pages.enable),
    ):
        router.add_route(path, endpoint, methods=["POST"])
    return router


class PeoplePages:
    """The endpoints, with what they stand on."""

    def __init__(self, deps: WebDeps) -> None:
        self.deps = deps

    def people(self, request: Request) -> Response:
        """GET /people?q=&after=&give=LOGIN: accounts of the institution acted for and those below, with their roles."""
        actor = allowed(request, "account", "read")
        give = request.query_params.get("give", "")[:LONGEST]
        return self._people(request, actor, "role" if give else "", Draft(typed={"login": give}) if give else Draft())

    def _people(self, request: Request, actor: Actor, form: str = "", draft: Draft | None = None, status: int = 200) -> Response:
        text, after = (request.query_params.get(name, "").strip()[:LONGEST] for name in ("q", "after"))
        with self.deps.begin(actor) as tx:
            rows = gate.people(tx, text, after, PAGE + 1)
            institutions = tuple(gate.in_reach(tx))
            missing = gate.missing_administrators(tx)
        changes = may(actor.roles, "role", "change")
        context = PeoplePage(
            text=text, rows=tuple(rows[:PAGE]), after=after, more=rows[PAGE - 1].login if len(rows) > PAGE else "", me=actor.name,
            institutions=institutions, institution=actor.institution_code, enrolls=may(actor.roles, "account", "change"),
            locks=may(actor.roles, "account", "change") or may(actor.roles, "account", "lock"), dismisses=changes,
            gives=tuple(ROLES) if changes else missing if may(actor.roles, "account", "change") else (),
            done=request.query_params.get("done", ""), form=form, draft=draft or Draft(),
        )  # fmt: skip
        return self.deps.shell.page(
            request, "people/people.html", context, self.deps.shell.text(request, _("People")), actor, status=status
        )

    def enroll(self, request: Request) -> Response:
        """POST /people: make an account, without roles."""
        actor, fields = submitted(request, "account", "change")

        def change(tx: Transaction) -> None:
            login, password = fields.get("login", "").strip(), fields.get("password", "")
            passwords.check(password, login, fields.get("password-again", ""))
            gate.enroll(tx, login, fields.get("name", "").strip()[:200], password, fields.get("institution", ""))

        return self._changed(request, actor, fields, change, "added", "account")

    def appoint(self, request: Request) -> Response:
        """POST /people/roles: give an account a role at an institution."""
        first = may(session_actor(request).roles, "account", "change")
        actor, fields = submitted(request, "account" if first else "role", "change")
        login, at, role = (fields.get(name, "").strip() for name in ("login", "institution", "role"))
        return self._changed(request, actor, fields, lambda tx: gate.appoint(tx, login, at, role), "given", "role")

    def dismiss(self, request: Request) -> Response:
        """POST /people/roles/take: take a role away."""
        actor, fields = submitted(request, "role", "change")
        login, at, role = (fields.get(name, "") for name in ("login", "institution", "role"))
        return self._changed(request, actor, fields, lambda tx: gate.dismiss(tx, login, at, role), "taken")

    def disable(self, request: Request) -> Response:
        """POST /people/disable: end an account's sessions and keep it from coming in."""
        return self._lock(request, True)

    def enable(self, request: Request) -> Response:
        """POST /people/enable: let an account come in again."""
        return self._lock(request, False)

    def _lock(self, request: Request, disabled: bool) -> Response:
        locks = may(session_actor(request).roles, "account", "lock")
        actor, fields = submitted(request, "account", "lock" if locks else "change")
        login = fields.get("login", "")
        return self._changed(request, actor, fields, lambda tx: gate.disable(tx, login, disabled), "disabled" if disabled else "enabled")

    def roles(self, request: Request) -> Response:
        """GET /people/roles: what each role reads for and may do."""
        actor = allowed(request, "role", "read")
        say = self.deps.shell.text
        rows = tuple(
            (
                name,
                role.purposes,
                tuple((say(request, label), tuple(say(request, ACTIONS[one]) for one in role.may[resource]))
                      for resource, label in RESOURCES.items() if resource in role.may),
            )
            for name, role in ROLES.items()
        )  # fmt: skip
        return self.deps.shell.page(request, "people/roles.html", RolesPage(rows), say(request, _("Roles")), actor)

    def _changed(
        self, request: Request, actor: Actor, fields: Mapping[str, str], change: Callable[[Transaction], None], done: str, form: str = ""
    ) -> Response:
        """Make a change and go on, or show the form again with the reason; a refusal leaves an event."""
        try:
            with self.deps.begin(actor) as tx:
                change(tx)
        except PanoradError as error:
            if error.kind is Kind.FORBIDDEN:
                refused(request, actor, "account" if form == "account" else "role", "change")
            elif error.kind not in {Kind.INVALID, Kind.CONFLICT, Kind.ABSENT}:
                raise
            draft = Draft.of(fields, sentence(self.deps.shell.language(request), error))
            return self._people(request, actor, form, draft, status_for(error.kind))
        return see(f"/people?done={done}")
