"""For which institution and purpose a person acts, chosen in the shell's menu."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from panorad.access.web.deps import WebDeps
from panorad.access.web.forms import form, see
from panorad.access.web.session import COOKIE, refused, session_actor
from panorad.kit.errors import Kind, PanoradError


def routes(deps: WebDeps) -> APIRouter:
    """POST /account/acting."""
    router = APIRouter()

    def choose(request: Request) -> Response:
        """POST /account/acting: act for an institution and a purpose from now on; what is not held is refused and leaves an event."""
        fields, actor = form(request), session_actor(request)
        institution = fields.get("institution") or actor.institution_code
        try:
            with deps.begin(actor) as tx:
                deps.gate.act_for(tx, request.cookies.get(COOKIE, ""), institution, fields.get("purpose", ""))
        except PanoradError as error:
            if error.kind is Kind.FORBIDDEN:
                refused(request, actor, "acting", institution[:64])
            raise
        return see("/" if institution != actor.institution_code else fields.get("next", "/"))

    router.add_route("/account/acting", choose, methods=["POST"])
    return router
