"""Language and theme: chosen in the shell's menu, kept in cookies for a year."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from panorad.access.web.deps import WebDeps
from panorad.access.web.forms import form, see
from panorad.access.web.language import LANGUAGE_COOKIE, THEME_COOKIE, THEMES
from panorad.access.web.session import secure
from panorad.kit.i18n import LANGUAGES

YEAR = 365 * 86400

CHOICES = {"language": (LANGUAGE_COOKIE, tuple(LANGUAGES)), "theme": (THEME_COOKIE, THEMES)}
"""Form field to its cookie and the values it may take."""


def routes(deps: WebDeps) -> APIRouter:
    """POST /preferences."""
    router = APIRouter()

    def choose(request: Request) -> Response:
        fields = form(request)
        response = see(fields.get("next", "/"))
        for field, (cookie, allowed) in CHOICES.items():
            if fields.get(field) in allowed:
                response.set_cookie(
                    cookie, fields[field], max_age=YEAR, path="/", httponly=True, samesite="lax", secure=secure(request)
                )
        return response

    router.add_route("/preferences", choose, methods=["POST"])
    return router
