"""Sessions as rows: how long one is good, its token and the change of it, the list of an account's, and their ends.

A session ends when nobody has done anything for `idle_s`, and `longest_s` after the password was given. Somebody who reads is not
interrupted: the viewer and its images stay open past `longest_s` while a hand moves there, for `grace_s` at most (decision 16).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from panorad.access.gate import store
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.event import Event

FRESH_S = 15 * 60
"""Seconds for which a code counts as just given."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long sessions are good, in seconds."""

    idle_s: float = 30 * 60
    longest_s: float = 12 * 3600
    grace_s: float = 4 * 3600

    @property
    def beat_s(self) -> float:
        """Seconds between two notes of the same session that somebody is there."""
        return min(60.0, self.idle_s / 6)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a session begins: address, browser, and the token of the session that it takes the place of."""

    source: str = ""
    browser: str = ""
    after: str = ""


USUAL = Limits()
NOWHERE = Origin()


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session of an account as pages list it; `current` is the one that asks."""

    number: int
    since: datetime
    seen: datetime
    source: str
    browser: str
    second_factor: bool
    current: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How a session stands: whose it is, whether the account has a second factor, whether a code was just given, and the seconds left.

    `left_s` until it ends if nobody does anything, `over` when the password is due again and only reading goes on.
    """

    account: int
    enrolled: bool
    fresh: bool
    left_s: float
    over: bool


class SessionAbsent(PanoradError):
    """This session has ended already"""

    kind = Kind.ABSENT


def digest(token: str) -> bytes:
    """What is kept of a token."""
    return sha256(token.encode()).digest()


def start(
    tx: Transaction, account_id: int, origin: Origin = NOWHERE, *, second_factor: bool = False, institution: int | None = None
) -> str:
    """Begin a session for a person who has been recognised; its token.

    `second_factor`: a code, or an identity provider that vouches for one, came with it. The session before it on this browser ends;
    what its viewer has under way is still answered for ten seconds. `institution`: the one that the person acts for at first, if it is
    not the account's own.
    """
    token = secrets.token_urlsafe(32)
    before = store.one(tx, "end_session", digest(origin.after)) if origin.after else None
    previous = digest(origin.after) if before and before[0] == account_id else None
    place = (digest(token), account_id, institution, origin.source[:64], origin.browser[:64], second_factor, previous)
    store.change(tx, "start_session", *place)
    return token


def rotate(tx: Transaction, token: str, *, second_factor: bool) -> str:
    """Give a session another token, noting a code that was just given. Raises SessionAbsent."""
    fresh = secrets.token_urlsafe(32)
    if not store.change(tx, "rotate_session", digest(fresh), second_factor, digest(token)):
        raise SessionAbsent
    return fresh


def standing(tx: Transaction, token: str, limits: Limits, *, reading: bool = False) -> Standing | None:
    """How the session of a token stands; None when it has ended."""
    row = store.one(tx, "standing", FRESH_S, limits.idle_s, limits.longest_s, digest(token), reading, *_ends(limits))
    return Standing(*row) if row else None


def awake(tx: Transaction, token: str, limits: Limits, *, reading: bool) -> bool:
    """Note that somebody is there (`reading`: in the viewer); False when the session has ended."""
    return bool(store.change(tx, "awake", reading, digest(token), reading, *_ends(limits)))


def sessions_of(tx: Transaction, account_id: int, limits: Limits, token: str = "") -> list[OpenSession]:
    """The open sessions of an account, the one seen last first."""
    return [OpenSession(*row) for row in store.ask(tx, "sessions_of", digest(token), account_id, *_ends(limits))]


def end_one(tx: Transaction, account_id: int, number: int) -> None:
    """End one session of an account. Raises SessionAbsent."""
    if not store.change(tx, "end_one_session", account_id, number):
        raise SessionAbsent
    _ended(tx, account_id, 1)


def end_others(tx: Transaction, account_id: int, token: str = "") -> int:
    """End all sessions of an account but the one with this token; how many there were."""
    count = store.change(tx, "end_other_sessions", account_id, digest(token))
    if count:
        _ended(tx, account_id, count)
    return count


def _ended(tx: Transaction, account_id: int, count: int) -> None:
    row = store.one(tx, "account_by_id", account_id)
    tx.emit(Event("account.session_ended", {"account": row[1] if row else ""}, {"sessions": count}))


def _ends(limits: Limits) -> tuple[float, float, float]:
    return limits.idle_s, limits.longest_s, limits.grace_s
