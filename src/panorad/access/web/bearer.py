"""Bearer tokens in a request (RFC 6750): which scope each address needs, and how a refusal is told.

A request with an Authorization header is judged by it alone: its cookies are not looked at.
"""

from __future__ import annotations

import re

from starlette.requests import Request

from panorad.access.gate.roles import can
from panorad.access.gate.scopes import interactions, pairs
from panorad.access.programs import Held, ScopeMissing, TokenInvalid, allowed
from panorad.kit.errors import PanoradError
from panorad.kit.transaction import Begin
from panorad.model.actor import SYSTEM, Actor
from panorad.model.event import Event

READS = ("GET", "HEAD", "OPTIONS")
NEEDS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (READS, r"/dicom-web(/.*)?|/wado", "studies.read"),
    (("POST",), r"/dicom-web/studies(/[^/]+)?", "studies.write"),
    (READS, r"/api/events(/kinds)?", "events.read"),
    (READS, r"/studies\.json|/studies/[^/]+\.json|/studies/[^/]+/.*", "studies.read"),
    (READS, r"/intake\.json", "intake.read"),
)
"""Methods, addresses, and the scope that they need. What is not here and not FHIR is closed to tokens."""

FHIR = re.compile(r"/fhir(?:/R4)?/([A-Z][A-Za-z]*)(?:/(_search|[^/]+))?(?:/.*)?")
_COMPILED = tuple((methods, re.compile(pattern), scope) for methods, pattern, scope in NEEDS)


def needed(method: str, path: str) -> str | None:
    """The scope that an address needs, in SMART's words for FHIR (`system/Patient.r`); None for what is closed to tokens."""
    for methods, pattern, scope in _COMPILED:
        if method in methods and pattern.fullmatch(path):
            return scope
    if path in ("/fhir/metadata", "/fhir/R4/metadata"):
        return ""
    if found := FHIR.fullmatch(path):
        search = (found[2] in (None, "", "_search") and method in ("GET", "HEAD")) or found[2] == "_search"
        letter = "s" if search else {"GET": "r", "HEAD": "r", "POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}.get(method)
        return f"system/{found[1]}.{letter}" if letter else None
    return None


def permits(actor: Actor, scope: str) -> bool:
    """Whether an actor's token has a needed scope, and its person a role for it; a SMART one may stand in a wider one (`system/*.rs`)."""
    if scope == "":
        return True
    if scope.startswith("system/"):
        name, _, letter = scope.removeprefix("system/").partition(".")
        held = any((name, letter) in interactions(one) for one in actor.scopes or ())
    else:
        held = allowed(actor, scope)
    return held and all(can(actor, *pair) for pair in pairs(scope))


def bearer_actor(request: Request, begin: Begin, held: Held) -> Actor:
    """Who a request with an Authorization header comes from. Raises TokenInvalid, ScopeMissing."""
    scheme, _, word = request.headers.get("authorization", "").partition(" ")
    word = word.strip()
    if scheme.lower() != "bearer" or not word or len(word) > 512:
        raise TokenInvalid
    actor = held.remembered(word)
    if actor is None:
        with begin(SYSTEM) as tx:
            actor = held.bearer(tx, word)
    scope = needed(request.method, request.scope["path"])
    if scope is None or not permits(actor, scope):
        with begin(actor) as tx:
            tx.emit(Event("token.refused", {"token": word[:13]}, {"reason": "scope", "name": actor.name}, "refused"))
        raise ScopeMissing(scope or "")
    return actor


def challenge(error: PanoradError) -> tuple[int, dict[str, str]] | None:
    """Status and headers that RFC 6750 section 3 asks for; None for other errors."""
    if isinstance(error, TokenInvalid):
        return 401, {"www-authenticate": 'Bearer realm="panorad", error="invalid_token"', "cache-control": "no-store"}
    if isinstance(error, ScopeMissing):
        named = f', scope="{error.detail}"' if error.detail else ""
        return 403, {"www-authenticate": f'Bearer realm="panorad", error="insufficient_scope"{named}', "cache-control": "no-store"}
    return None
