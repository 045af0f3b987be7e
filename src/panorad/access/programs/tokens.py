"""Bearer tokens (RFC 6750): random words of which only the SHA-256 is kept, shown once, recognised by their first letters.

A token carries 256 random bits, so that no slow hash is needed: nobody can try them out.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from panorad.access.gate import actor_of_institution, actors
from panorad.access.gate.roles import can
from panorad.access.gate.scopes import SCOPES, parse, within
from panorad.access.programs import store
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor
from panorad.model.event import Event
from panorad.model.purpose import PURPOSES as EVERY_PURPOSE
from panorad.model.roles import purposes_of

API, ACCESS = "pnrd_", "pnra_"
"""How a token of an account or a program begins, and an access token of a client."""
SHOWN = 13
"""Letters of a token that are kept to recognise it by."""
FRESH_S = 1.0
LONGEST_DAYS = 366
MOST_OF_ONE = 50
PURPOSES = tuple(purpose for purpose in EVERY_PURPOSE if purpose != "emergency")
"""Purposes of programs; an emergency is a person's to declare."""
_MOST = 10_000


class TokenInvalid(PanoradError):
    """This token is not known, has expired or was revoked"""

    kind = Kind.FORBIDDEN
    keeps = True


class ScopeMissing(PanoradError):
    """This token was not made for that"""

    kind = Kind.FORBIDDEN


class TokenAbsent(PanoradError):
    """There is no such token in force"""

    kind = Kind.ABSENT


class TokenRefused(PanoradError):
    """A token needs a name of 1 to 80 letters, a scope, and a life of 1 to 366 days"""

    kind = Kind.INVALID


class ScopeTooWide(PanoradError):
    """A token of yours cannot do more than you may"""

    kind = Kind.FORBIDDEN


class PurposeUnknown(PanoradError):
    """There is no such purpose"""

    kind = Kind.INVALID


class TooManyTokens(PanoradError):
    """You have 50 tokens in force; revoke one that is no longer used"""

    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class Token:
    """A token as lists show it; `login` is empty for one of a program."""

    id: int
    prefix: str
    name: str
    institution: str
    login: str | None
    scopes: list[str]
    purpose: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


def digest(token: str) -> bytes:
    """What is kept of a token."""
    return sha256(token.encode()).digest()


def new(kind: str) -> str:
    """A fresh token of 256 bits."""
    return kind + secrets.token_urlsafe(32)


def _checked(name: str, scopes: Iterable[str] | str, days: float, purpose: str, known: Iterable[str]) -> tuple[str, ...]:
    wanted = parse(scopes)
    if not 1 <= len(name) <= 80 or not name.isprintable() or not wanted or not 0 < days <= LONGEST_DAYS:
        raise TokenRefused(name if name.isprintable() and len(name) <= 80 else "")
    if purpose not in known:
        raise PurposeUnknown(purpose[:40])
    return wanted


def add_token(
    tx: Transaction,
    name: str,
    scopes: Iterable[str] | str,
    days: float,
    institution: str = "",
    purpose: str = "treatment",
    owner: Actor | None = None,
) -> tuple[Token, str]:
    """A token of a program at an institution (its code), or of a person (`owner`); the second value is shown once.

    Raises TokenRefused, ScopeUnknown, PurposeUnknown, InstitutionAbsent; for a person ScopeTooWide and TooManyTokens.
    """
    known = PURPOSES if owner is None else (owner.purpose, *purposes_of(owner.roles))
    wanted, word = _checked(name.strip(), scopes, days, purpose, known), new(API)
    if owner is None:
        at = actor_of_institution(tx, institution)
        place, code, login = at.institution, at.institution_code, None
    else:
        if set(within(wanted, lambda resource, action: can(owner, resource, action))) != set(wanted):
            raise ScopeTooWide
        count = store.one(tx, "count_tokens_of", owner.account)
        if count and count[0] >= MOST_OF_ONE:
            raise TooManyTokens
        place, code, login = owner.institution, owner.institution_code, owner.name
    account = owner.account if owner else None
    row = _add(tx, word, name.strip(), place, account, None, wanted, purpose, days * 86400)
    tx.emit(Event("token.added", {"token": word[:SHOWN]}, {"name": name.strip(), "scopes": " ".join(wanted)}, institution=place))
    made = Token(row[0], word[:SHOWN], name.strip(), code, login, list(wanted), purpose, row[1], row[2], None, None)
    return made, word


def _add(tx: Transaction, word: str, *values: object) -> tuple[int, datetime, datetime]:
    row = store.one(tx, "add_token", digest(word), word[:SHOWN], *(list(one) if isinstance(one, tuple) else one for one in values))
    assert row is not None
    return row[0], row[1], row[2]


def add_access_token(tx: Transaction, client: str, institution: int, scopes: tuple[str, ...], purpose: str, seconds: int) -> str:
    """An access token of a client."""
    store.change(tx, "forget_access_tokens", client)
    word = new(ACCESS)
    _add(tx, word, client, institution, None, client, scopes, purpose, seconds)
    tx.emit(Event("token.issued", {"token": word[:SHOWN], "client": client}, {"scopes": " ".join(scopes)}, institution=institution))
    return word


def tokens(tx: Transaction) -> list[Token]:
    """All tokens of accounts and programs, the newest first."""
    return [Token(*row) for row in store.ask(tx, "tokens")]


def tokens_of(tx: Transaction, account: int) -> list[Token]:
    """A person's own tokens, those in force first."""
    return [Token(*row) for row in store.ask(tx, "tokens_of", account)]


def revoke_token(tx: Transaction, prefix: str) -> None:
    """Revoke a token by its first letters. Raises TokenAbsent."""
    found = store.ask(tx, "revoke_by_prefix", prefix[:SHOWN])
    if not found:
        raise TokenAbsent(prefix[:SHOWN])
    for name, institution in found:
        tx.emit(Event("token.revoked", {"token": prefix[:SHOWN]}, {"name": name}, institution=institution))


def revoke_own(tx: Transaction, account: int, token: int) -> None:
    """Revoke one of a person's own tokens. Raises TokenAbsent."""
    row = store.one(tx, "revoke_of_account", token, account)
    if row is None:
        raise TokenAbsent
    tx.emit(Event("token.revoked", {"token": row[0]}, {"name": row[1]}, institution=row[2]))


def offered(owner: Actor) -> dict[str, str]:
    """The scopes that a person may give to a token of its own, with their sentences."""
    names = within(SCOPES, lambda resource, action: can(owner, resource, action))
    return {name: SCOPES[name][0] for name in names}


def bearer(tx: Transaction, word: str) -> Actor:
    """Who a presented token stands for; its first use is an event.

    Raises TokenInvalid for one that is unknown, expired, revoked or of a disabled account; that is recorded although it raises.
    """
    row = store.one(tx, "token", digest(word))
    if row is None:
        tx.emit(Event("token.refused", {"token": word[:SHOWN] if word.startswith((API, ACCESS)) else ""}, {"reason": "unknown"}, "refused"))
        raise TokenInvalid
    token, prefix, name, place, code, issuer, account, login, client, number, scopes, purpose, *state = row
    expired, revoked, disabled, first, stale = state
    if expired or revoked or disabled:
        reason = "revoked" if revoked else "expired" if expired else "account disabled"
        tx.emit(Event("token.refused", {"token": prefix}, {"reason": reason, "name": name}, "refused", institution=place))
        raise TokenInvalid
    if stale and store.change(tx, "touch_token", token) and first and client is None:
        tx.emit(Event("token.used", {"token": prefix}, {"name": name}, institution=place))
    if account is None:
        return actors.program(tx, name, number, place, code, issuer, purpose, frozenset(scopes))
    return actors.narrowed(actors.person(tx, account, login, place, code, issuer, purpose), purpose, frozenset(scopes))


class Held:
    """Actors of presented tokens, remembered by this process for `FRESH_S` seconds: a revocation bites within that time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, Actor]] = {}
        self._lock = threading.Lock()

    def remembered(self, word: str) -> Actor | None:
        """The actor, when it was asked for within the last second."""
        found = self._known.get(word)
        return found[1] if found and self._clock() - found[0] < FRESH_S else None

    def bearer(self, tx: Transaction, word: str) -> Actor:
        """Who a token stands for, asked of the database. Raises TokenInvalid."""
        begun = self._clock()
        try:
            actor = bearer(tx, word)
        except TokenInvalid:
            with self._lock:
                self._known.pop(word, None)
            raise
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[word] = (begun, actor)
        return actor


def allowed(actor: Actor, scope: str) -> bool:
    """Whether an actor's token, if it came with one, has a scope."""
    return actor.scopes is None or scope in actor.scopes
