"""Puts the shell on the application: state, middleware, error answers, and the shell's own routes."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from panorad.access.web import acting, awake, oauth, preferences, provider, second_factor, session_list, signin, tokens
from panorad.access.web.deps import WebDeps
from panorad.access.web.errors import answer, answer_http, answer_panorad
from panorad.access.web.middleware import Bodies, Journal, SecurityHeaders
from panorad.access.web.shell import Shell
from panorad.kit.errors import PanoradError


def mount(app: FastAPI, deps: WebDeps, shell: Shell) -> None:
    """Install the shell. Call once, before the slices' routers are included; the outermost middleware is added last."""
    app.state.web = deps
    app.add_exception_handler(PanoradError, answer_panorad)
    app.add_exception_handler(HTTPException, answer_http)
    for guard, options in _guards(deps):
        app.add_middleware(guard, **options)
    app.include_router(routes(deps, shell))


def around(inner: ASGIApp, deps: WebDeps) -> ASGIApp:
    """The shell's middleware for what is answered beside the framework."""
    for guard, options in _guards(deps, with_forms=False):
        inner = guard(inner, **options)
    return inner


def _guards(deps: WebDeps, *, with_forms: bool = True) -> tuple[tuple[Any, dict[str, Any]], ...]:
    """What stands around every endpoint, the innermost first."""
    origins = deps.settings.public_origins
    return (
        (Bodies, {"refuse": answer, "origins": origins}),
        (SecurityHeaders, {"origins": origins, "with_forms": with_forms}),
        (Journal, {"refuse": answer}),
    )


def routes(deps: WebDeps, shell: Shell) -> APIRouter:
    """Static files, preferences, sign-in, and what a person does with the own account."""
    router = APIRouter()
    router.add_route("/static/{version}/{name:path}", shell.assets.serve, methods=["GET"])
    router.include_router(preferences.routes(deps))
    router.include_router(signin.routes(deps))
    for pages in (acting, second_factor, session_list, awake, provider, tokens, oauth):
        router.include_router(pages.routes(deps))
    return router
