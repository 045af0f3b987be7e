"""The session cookie: a random token that the gate resolves to an actor; it never reaches scripts or addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from panorad.access.gate.roles import NotAllowed, require
from panorad.access.web.deps import WebDeps
from panorad.kit.errors import Kind, PanoradError
from panorad.model.actor import SYSTEM, Actor
from panorad.model.event import Event

COOKIE = "panorad_session"


class SignInNeeded(PanoradError):
    """Please sign in to see this"""

    kind = Kind.FORBIDDEN


def deps_of(request: Request) -> WebDeps:
    """What the app gave to the web shell (`mount` put it there)."""
    return cast(WebDeps, request.app.state.web)


def session_actor(request: Request) -> Actor:
    """Who makes this request; raises `SignInNeeded`. Asked of the gate once a request."""
    known = getattr(request.state, "actor", None)
    if isinstance(known, Actor):
        return known
    actor = _resolve(request)
    if actor is None:
        raise SignInNeeded
    request.state.actor = actor
    return actor


def visitor(request: Request) -> Actor | None:
    """Who makes this request, None for somebody not signed in."""
    try:
        return session_actor(request)
    except SignInNeeded:
        return None


def allowed(request: Request, resource: str, action: str, *, staff: bool = False) -> Actor:
    """Who makes this request, one of whose roles must have the action; raises `SignInNeeded` or `NotAllowed`, which leaves an event.

    `staff` leaves out what patients may do with what is their own.
    """
    actor = session_actor(request)
    try:
        require(replace(actor, roles=actor.roles - {"patient"}) if staff else actor, resource, action)
    except NotAllowed:
        refused(request, actor, resource, action)
        raise
    return actor


def refused(request: Request, actor: Actor, resource: str, action: str) -> None:
    """Record that the actor may not do this."""
    with deps_of(request).begin(actor) as tx:
        tx.emit(Event("access.refused", {}, {"resource": resource, "action": action}, "refused"))


def _resolve(request: Request) -> Actor | None:
    deps = deps_of(request)
    if token := request.cookies.get(COOKIE):
        with deps.begin(SYSTEM) as tx:
            if actor := deps.gate.session(tx, token):
                return actor
    return deps.open_actor


def secure(request: Request) -> bool:
    """Whether the visitor reached us by https, directly or through a known proxy."""
    origins = deps_of(request).settings.public_origins
    return request.url.scheme == "https" or f"https://{request.headers.get('host', '')}" in origins


def remember(request: Request, response: Response, token: str) -> None:
    """Set the session cookie; it ends with the browser session at the latest."""
    response.set_cookie(COOKIE, token, path="/", httponly=True, samesite="lax", secure=secure(request))


def forget(request: Request, response: Response) -> None:
    """Delete the session cookie."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=secure(request))
