"""Puts the shell on the application: state, middleware, error answers, and the shell's own routes."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from panorad.access.web import preferences, signin
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
    app.add_middleware(Bodies, refuse=answer, origins=deps.settings.public_origins)
    app.add_middleware(SecurityHeaders, origins=deps.settings.public_origins)
    app.add_middleware(Journal, refuse=answer)
    app.include_router(routes(deps, shell))


def around(inner: ASGIApp, deps: WebDeps) -> ASGIApp:
    """The shell's middleware for what is answered beside the framework."""
    origins = deps.settings.public_origins
    return Journal(SecurityHeaders(Bodies(inner, refuse=answer, origins=origins), origins=origins, with_forms=False), refuse=answer)


def routes(deps: WebDeps, shell: Shell) -> APIRouter:
    """Static files, preferences, sign-in."""
    router = APIRouter()
    router.add_route("/static/{version}/{name:path}", shell.assets.serve, methods=["GET"])
    router.include_router(preferences.routes(deps))
    router.include_router(signin.routes(deps))
    return router
