"""How pages and the viewer keep a session alive while somebody is there, and learn how long it is still good."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from panorad.access.gate import open_sessions
from panorad.access.web.deps import WebDeps
from panorad.access.web.session import SignInNeeded, session_actor, token_of
from panorad.model.actor import SYSTEM


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


@dataclass(frozen=True, slots=True)
class Back:
    """The page to which a second tab comes back after signing in again."""


def routes(deps: WebDeps) -> APIRouter:
    """POST /account/awake, GET /account/session.json and /account/back."""
    router = APIRouter()

    def awake(request: Request) -> Response:
        """Somebody is there; in the viewer with `reading=1`."""
        return standing(request, note=True)

    def session(request: Request) -> Response:
        """How long the session is good if nobody does anything."""
        return standing(request, note=False)

    def standing(request: Request, note: bool) -> Response:
        token, reading = token_of(request), request.query_params.get("reading") == "1"
        with deps.begin(SYSTEM) as tx:
            noted = not note or open_sessions.awake(tx, token, deps.limits, reading=reading)
            found = deps.gate.standing(tx, token, reading=reading) if token and noted else None
        if found is None:
            raise SignInNeeded
        body = {"left_s": round(max(0.0, found.left_s), 1), "over": found.over, "account": found.account}
        return JSONResponse(body, headers={"cache-control": "no-store"})

    def back(request: Request) -> Response:
        """Signed in again: the tab may be closed."""
        return deps.shell.render(request, "web/back.html", Back(), deps.shell.text(request, _("Signed in")), session_actor(request))

    router.add_route("/account/awake", awake, methods=["POST"])
    router.add_route("/account/session.json", session, methods=["GET"])
    router.add_route("/account/back", back, methods=["GET"])
    return router
