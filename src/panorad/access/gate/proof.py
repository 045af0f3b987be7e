"""What a person proves by: the password, its failures counted into one lockout with those of codes, and added up by source address."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from panorad.access.gate import passwords, store
from panorad.access.gate.open_sessions import digest
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.event import Event

FAILURES = 5
LOCK_S = 15 * 60
WINDOW_S = 15 * 60
"""Seconds over which refused sign-ins of one source address are added up."""


class SignInRefused(PanoradError):
    """The login or the password is not right, or the account is locked for a while"""

    kind = Kind.FORBIDDEN
    keeps = True


class SourceRefused(PanoradError):
    """Too many sign-ins from this address were refused; wait a quarter of an hour"""

    kind = Kind.FORBIDDEN
    keeps = True


class SignInAnew(PanoradError):
    """You have no password here: sign in at your provider again, then do this within a quarter of an hour"""

    kind = Kind.FORBIDDEN


def failed(tx: Transaction, account_id: int) -> None:
    """Count a failure against an account; the fifth locks it for a quarter of an hour, and so does each one after it until a success."""
    store.change(tx, "note_failure", FAILURES, LOCK_S, account_id)


def locked(tx: Transaction, account_id: int) -> bool:
    """Whether an account is locked or disabled now; holds its row, so that attempts follow each other."""
    row = store.one(tx, "account_lock", account_id)
    return row is None or bool(row[0])


def check_password(tx: Transaction, account_id: int, password: str) -> None:
    """Raise SignInRefused unless it is the account's password and the account is not locked; a failure counts."""
    barred = locked(tx, account_id)
    row = store.one(tx, "account_by_id", account_id)
    if not passwords.matches(row[4] if row else None, password) or barred:
        if row is not None and not barred:
            failed(tx, account_id)
        tx.emit(Event("account.refused", {"account": row[1] if row else ""}, {"step": "password", "locked": barred}, "refused"))
        raise SignInRefused


def has_password(tx: Transaction, account_id: int) -> bool:
    """Whether an account has a password; one that comes in through a provider alone has none."""
    row = store.one(tx, "account_by_id", account_id)
    return row is not None and row[4] is not None


def check_person(tx: Transaction, account_id: int, password: str, token: str) -> None:
    """Raise SignInRefused as `check_password` does; of an account without a password raise SignInAnew unless its session has just begun."""
    if has_password(tx, account_id):
        check_password(tx, account_id, password)
    elif store.one(tx, "just_begun", digest(token), account_id, WINDOW_S) is None:
        raise SignInAnew


def network(source: str) -> str:
    """What failures are counted under: an IPv4 address, the /64 of an IPv6 address, empty for no address.

    >>> network("192.0.2.7"), network("2001:db8:1:2:3::4"), network("::ffff:192.0.2.7"), network("testclient")
    ('192.0.2.7', '2001:db8:1:2::', '192.0.2.7', '')
    """
    try:
        found = ip_address(source.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))
    return str(found)


def check_source(tx: Transaction, source: str, most: int) -> None:
    """Raise SourceRefused when `most` sign-ins from this address were refused within the window."""
    place = network(source)
    if place and (row := store.one(tx, "source_failures", place, WINDOW_S)) and row[0] >= most:
        tx.emit(Event("account.refused", {}, {"step": "source", "from": place}, "refused"))
        raise SourceRefused


def source_failed(tx: Transaction, source: str) -> None:
    """Count a refused sign-in against its address, and delete what is older than the window, so that the table stays small."""
    if place := network(source):
        store.change(tx, "forget_sources", WINDOW_S)
        store.change(tx, "note_source", place, WINDOW_S, WINDOW_S)
