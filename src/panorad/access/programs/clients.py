"""Clients: programs that prove who they are and get an access token for it (RFC 6749 section 4.4).

They prove it with a secret, or with an assertion that they sign (RFC 7523, as SMART Backend Services asks: ES384 or RS384).
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from panorad.access.gate import InstitutionAbsent, jose
from panorad.access.gate.scopes import ScopeUnknown, parse
from panorad.access.programs import store
from panorad.access.programs.tokens import PURPOSES, PurposeUnknown, add_access_token, digest
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.event import Event

LIFETIME_S = 600
LONGEST_ASSERTION_S = 300
SKEW_S = 30
ALGORITHMS = ("ES384", "RS384")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}", re.ASCII)


class ClientExists(PanoradError):
    """There is already a client of this name; a name is never given twice"""

    kind = Kind.CONFLICT


class ClientInvalid(PanoradError):
    """A client has a name of 2 to 64 small letters, digits, dots and dashes, a scope, and tokens that live 60 to 3600 seconds"""

    kind = Kind.INVALID


class ClientAbsent(PanoradError):
    """There is no such client in force"""

    kind = Kind.ABSENT


class ClientRefused(PanoradError):
    """The client is not known, or has not proved who it is"""

    kind = Kind.FORBIDDEN
    keeps = True


class ScopeRefused(PanoradError):
    """The client may not have this scope"""

    kind = Kind.INVALID
    keeps = True


@dataclass(frozen=True, slots=True)
class Client:
    """A client as lists show it; `signs` tells that it proves itself by assertions."""

    id: str
    institution: str
    scopes: list[str]
    purpose: str
    lifetime_s: int
    signs: bool
    created_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Proof:
    """What a request brings to prove which client it comes from: a secret or an assertion."""

    client: str = ""
    secret: str = ""
    assertion: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """An access token with its life in seconds and its scopes."""

    token: str
    seconds: int
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proved:
    """A client that has proved who it is."""

    id: str
    institution: int
    scopes: tuple[str, ...]
    purpose: str
    lifetime_s: int


def add_client(
    tx: Transaction,
    name: str,
    institution: str,
    scopes: Iterable[str] | str,
    keys: Mapping[str, Any] | None = None,
    lifetime_s: int = LIFETIME_S,
    purpose: str = "treatment",
) -> str:
    """Add a client; gives its secret, which is shown once, or "" where `keys` (a JWK or JWK Set) were given.

    Raises ClientInvalid, ClientExists, ScopeUnknown, KeysInvalid, PurposeUnknown, InstitutionAbsent.
    """
    wanted = parse(scopes)
    if not _ID.fullmatch(name) or not wanted or not 60 <= lifetime_s <= 3600:
        raise ClientInvalid
    if purpose not in PURPOSES:
        raise PurposeUnknown(purpose[:40])
    secret = "" if keys is not None else "pnrs_" + secrets.token_urlsafe(32)
    kept = None if keys is None else store.as_json(jose.public_keys(keys))
    if store.one(tx, "institution_known", institution) is None:
        raise InstitutionAbsent(institution)
    row = store.one(tx, "add_client", name, list(wanted), purpose, lifetime_s, digest(secret) if secret else None, kept, institution)
    if row is None:
        raise ClientExists(name)
    detail = {"scopes": " ".join(wanted), "signs": keys is not None}
    tx.emit(Event("client.added", {"client": name, "institution": institution}, detail, institution=row[0]))
    return secret


def clients(tx: Transaction) -> list[Client]:
    """All clients by name."""
    return [Client(*row) for row in store.ask(tx, "clients")]


def revoke_client(tx: Transaction, name: str) -> None:
    """Revoke a client and with it every access token that it has. Raises ClientAbsent."""
    row = store.one(tx, "revoke_client", name)
    if row is None:
        raise ClientAbsent(name[:64])
    tx.emit(Event("client.revoked", {"client": name}, institution=row[0]))


def prove(tx: Transaction, proof: Proof, audiences: Collection[str], now: float | None = None) -> Proved:
    """The client that a request comes from; its first success is an event.

    `audiences` are the names of this server that an assertion may be meant for. Raises ClientRefused, which is recorded.
    """
    name = proof.client
    try:
        row, reason = _proved(tx, proof, audiences, time.time() if now is None else now), ""
    except jose.SignatureRefused as error:
        row, reason, name = None, error.detail, name or _claimed(proof.assertion)
    if row is None:
        known = name if _ID.fullmatch(name) else ""
        tx.emit(Event("client.refused", {"client": known}, {"reason": reason or "not known, or another secret"}, "refused"))
        raise ClientRefused
    if row[8]:
        store.change(tx, "touch_client", row[0])
        tx.emit(Event("client.used", {"client": row[0]}, institution=row[2]))
    return Proved(row[0], row[2], tuple(row[3]), row[4], row[5])


def _claimed(assertion: str) -> str:
    """Whom an assertion says that it comes from, unchecked."""
    try:
        found = jose.unchecked_claims(assertion).get("sub", "")
    except jose.SignatureRefused:
        return ""
    return found if isinstance(found, str) else ""


def _proved(tx: Transaction, proof: Proof, audiences: Collection[str], now: float) -> tuple[Any, ...] | None:
    if not proof.assertion:
        row = store.one(tx, "client", proof.client)
        kept = row[6] if row and row[6] is not None else b"\0" * 32
        right = compare_digest(digest(proof.secret), bytes(kept))
        return row if right else None
    name = _claimed(proof.assertion)
    if proof.client and proof.client != name:
        raise jose.SignatureRefused("client_id and assertion differ")
    row = store.one(tx, "client", name)
    if row is None or row[7] is None:
        raise jose.SignatureRefused("no such client signs")
    claims = jose.claims_of(proof.assertion, row[7], ALGORITHMS)
    if claims.get("iss") != name or claims.get("sub") != name:
        raise jose.SignatureRefused("its issuer and subject are not the client")
    if not set(jose.audiences(claims)) & set(audiences):
        raise jose.SignatureRefused("it is meant for another server")
    expires = jose.moment(claims, "exp")
    if expires <= now - SKEW_S:
        raise jose.SignatureRefused("it has expired")
    if expires > now + LONGEST_ASSERTION_S + SKEW_S:
        raise jose.SignatureRefused("it lives longer than five minutes")
    if any(name in claims and jose.moment(claims, name) > now + SKEW_S for name in ("nbf", "iat")):
        raise jose.SignatureRefused("it is not yet valid")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= 256:
        raise jose.SignatureRefused("it has no jti")
    store.change(tx, "forget_assertions")
    if not store.change(tx, "add_assertion", name, sha256(jti.encode()).digest(), expires + SKEW_S):
        raise jose.SignatureRefused("it was used before")
    return row


def grant(tx: Transaction, client: Proved, scope: str) -> Grant:
    """A new access token; `scope` narrows the client's own ones, empty takes them all. Raises ScopeRefused."""
    try:
        wanted = parse(scope) or client.scopes
    except ScopeUnknown as error:
        raise ScopeRefused from error
    if not set(wanted) <= set(client.scopes):
        raise ScopeRefused
    token = add_access_token(tx, client.id, client.institution, wanted, client.purpose, client.lifetime_s)
    return Grant(token, client.lifetime_s, wanted)


def introspect(tx: Transaction, client: Proved, token: str) -> dict[str, Any]:
    """What RFC 7662 section 2.2 tells of a token: of the client's own alone."""
    row = store.one(tx, "introspect", digest(token), client.id)
    if row is None:
        return {"active": False}
    return {"active": True, "scope": " ".join(row[0]), "client_id": client.id, "token_type": "Bearer", "iat": row[1], "exp": row[2]}


def revoke_access_token(tx: Transaction, client: Proved, token: str) -> None:
    """Revoke one of the client's own tokens; an unknown one is no error (RFC 7009 section 2.2)."""
    if row := store.one(tx, "revoke_of_client", digest(token), client.id):
        tx.emit(Event("token.revoked", {"token": row[0], "client": client.id}, {}, institution=row[2]))
