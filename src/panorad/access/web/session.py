"""The session cookie: a random token that the gate resolves to an actor; it never reaches scripts or addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast

from starlette.requests import Request
from starlette.responses import Response

from panorad.access.gate.roles import NotAllowed, require
from panorad.access.web.bearer import bearer_actor
from panorad.access.web.deps import WebDeps
from panorad.kit.errors import Kind, PanoradError
from panorad.model.actor import SYSTEM, Actor
from panorad.model.event import Event

COOKIE = "panorad_session"
PENDING_COOKIE = "panorad_sign_in"
READING = ("/viewer/", "/dicom-web/", "/wado")
"""Addresses that stay open while somebody reads, past the time when pages ask for the password again."""
UNATTENDED = "panorad-unattended"
"""Header of requests that a script makes by itself; they keep no session alive."""


class SignInNeeded(PanoradError):
    """Please sign in to see this"""

    kind = Kind.FORBIDDEN


class StepUpNeeded(PanoradError):
    """This needs a code of your second factor, given in the last quarter of an hour"""

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
    request.state.actor = found = at(request, actor)
    return found


def at(request: Request, actor: Actor) -> Actor:
    """The actor with the network address that the request came from."""
    return actor if actor.source or request.client is None else replace(actor, source=request.client.host)


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


def strong(request: Request) -> Actor:
    """Who makes this request, who must have given a code in the last 15 minutes; raises `SignInNeeded` or `StepUpNeeded`.

    For what administrators do, export, and changes of policy. A person is led to give the code, and comes back to the page asked for; a
    form's page must ask too, so that nothing typed is lost. Programs cannot give a code. A center without sign-in asks for none.
    """
    actor, deps = session_actor(request), deps_of(request)
    if deps.open_actor is not None and actor.account is None and actor.scopes is None:
        return actor
    if actor.scopes is not None:
        raise StepUpNeeded
    standing = None
    if token := token_of(request):
        with deps.begin(SYSTEM) as tx:
            standing = deps.gate.standing(tx, token)
    if standing is None or not standing.fresh or standing.account != actor.account:
        raise StepUpNeeded
    return actor


def refused(request: Request, actor: Actor, resource: str, action: str) -> None:
    """Record that the actor may not do this."""
    with deps_of(request).begin(actor) as tx:
        tx.emit(Event("access.refused", {}, {"resource": resource, "action": action}, "refused"))


def _resolve(request: Request) -> Actor | None:
    deps = deps_of(request)
    if "authorization" in request.headers and deps.held:
        return bearer_actor(request, deps.begin, deps.held)
    if token := token_of(request):
        reading, unattended = request.scope["path"].startswith(READING), UNATTENDED in request.headers
        with deps.begin(SYSTEM) as tx:
            if actor := deps.gate.session(tx, token, reading=reading, unattended=unattended):
                return actor
    return deps.open_actor


def secure(request: Request) -> bool:
    """Whether the visitor reached us by https, directly or through a known proxy."""
    if request.scope["scheme"] == "https":  # `SecurityHeaders` writes it so behind a known proxy
        return True
    origins = deps_of(request).settings.public_origins
    return bool(origins) and f"https://{request.headers.get('host', '')}" in origins


def named(request: Request, cookie: str) -> str:
    """A cookie's name: over https one that only this host can have set (RFC 6265bis section 4.1.3.2)."""
    return f"__Host-{cookie}" if secure(request) else cookie


def token_of(request: Request) -> str:
    """The session token that a request brings, empty for none."""
    return request.cookies.get(named(request, COOKIE), "")


def remember(request: Request, response: Response, token: str, cookie: str = COOKIE, seconds: int | None = None) -> None:
    """Set the session cookie; it ends with the browser session at the latest."""
    same_site: Literal["lax", "strict"] = "lax" if cookie == COOKIE else "strict"
    response.set_cookie(
        named(request, cookie), token, max_age=seconds, path="/", httponly=True, samesite=same_site, secure=secure(request)
    )


def forget(request: Request, response: Response, cookie: str = COOKIE) -> None:
    """Delete the session cookie."""
    response.delete_cookie(named(request, cookie), path="/", httponly=True, samesite="lax", secure=secure(request))
