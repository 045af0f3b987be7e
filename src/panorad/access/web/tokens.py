"""A person's own tokens: made, shown once, listed, revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from panorad.access.programs import Token, add_token, revoke_own, tokens_of
from panorad.access.programs.tokens import offered
from panorad.access.web.deps import WebDeps
from panorad.access.web.errors import sentence, status_for
from panorad.access.web.forms import form, see
from panorad.access.web.session import session_actor
from panorad.access.web.signin import NoAccount
from panorad.kit.errors import Kind, PanoradError
from panorad.model.actor import Actor

DAYS = (7, 30, 90, 366)
PATH = "/account/tokens"


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


@dataclass(frozen=True, slots=True)
class Shown:
    """One token of the list; `state` is its English word."""

    token: Token
    state: str


@dataclass(frozen=True, slots=True)
class TokensPage:
    """The page of one's own tokens. `fresh` is a token just made, which is shown this once."""

    tokens: list[Shown]
    scopes: dict[str, str]
    days: tuple[int, ...] = DAYS
    fresh: str = ""
    error: str = ""
    name: str = ""
    chosen: tuple[str, ...] = ()


def routes(deps: WebDeps) -> APIRouter:
    """GET and POST of /account/tokens, POST /account/tokens/revoke."""
    pages = TokenPages(deps)
    router = APIRouter()
    router.add_route(PATH, pages.show, methods=["GET"])
    router.add_route(PATH + ".json", pages.show, methods=["GET"])
    router.add_route(PATH, pages.add, methods=["POST"])
    router.add_route(PATH + "/revoke", pages.revoke, methods=["POST"])
    return router


def state(token: Token, now: datetime) -> str:
    """The state of a token in one word."""
    if token.revoked_at:
        return _("revoked")
    return _("expired") if token.expires_at <= now else _("in force")


class TokenPages:
    """The endpoints, with what they stand on."""

    def __init__(self, deps: WebDeps) -> None:
        self.deps = deps

    def show(self, request: Request) -> Response:
        """GET /account/tokens: one's own tokens for programs."""
        return self._show(request, self._owner(request))

    def add(self, request: Request) -> Response:
        """POST /account/tokens: make a token and show it once."""
        fields, owner = form(request), self._owner(request)
        chosen = tuple(name for name in offered(owner) if fields.get(f"scope {name}"))
        name, days = fields.get("name", "").strip(), fields.get("days", "")
        try:
            with self.deps.begin(owner) as tx:
                word = add_token(tx, name, chosen, int(days) if days in map(str, DAYS) else 0, purpose=owner.purpose, owner=owner)[1]
        except PanoradError as error:
            if error.kind not in {Kind.INVALID, Kind.CONFLICT, Kind.FORBIDDEN}:
                raise
            said = sentence(self.deps.shell.language(request), error)
            return self._show(request, owner, status_for(error.kind), error=said, name=name, chosen=chosen)
        return self._show(request, owner, fresh=word)

    def revoke(self, request: Request) -> Response:
        """POST /account/tokens/revoke: end one of one's own tokens."""
        fields, owner = form(request), self._owner(request)
        number = fields.get("token", "")
        with self.deps.begin(owner) as tx:
            revoke_own(tx, owner.account or 0, int(number) if number.isascii() and number.isdigit() and len(number) < 18 else 0)
        return see(PATH)

    def _owner(self, request: Request) -> Actor:
        owner = session_actor(request)
        if owner.account is None:
            raise NoAccount
        return owner

    def _show(self, request: Request, owner: Actor, status: int = 200, **more: object) -> Response:
        now = datetime.now(UTC)
        with self.deps.begin(owner) as tx:
            shown = [Shown(one, state(one, now)) for one in tokens_of(tx, owner.account or 0)]
        context = TokensPage(shown, offered(owner), **more)  # type: ignore[arg-type]
        title = self.deps.shell.text(request, _("Tokens for programs"))
        response = self.deps.shell.page(request, "web/tokens.html", context, title, owner)
        response.status_code = status
        response.headers["cache-control"] = "no-store"
        return response
