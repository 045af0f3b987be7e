"""Institutions by code and accounts by login."""

from __future__ import annotations

from panorad.access.gate import store
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction


class AccountAbsent(PanoradError):
    """There is no account with this login"""

    kind = Kind.ABSENT


class InstitutionAbsent(PanoradError):
    """There is no institution with this code"""

    kind = Kind.ABSENT


def institution(tx: Transaction, code: str) -> tuple[int, str, str]:
    """The id, code and issuer of an institution. Raises InstitutionAbsent."""
    row = store.one(tx, "institution_by_code", code)
    if row is None:
        raise InstitutionAbsent(code)
    return int(row[0]), str(row[1]), str(row[2])


def institution_id(tx: Transaction, code: str) -> int:
    """The id of an institution. Raises InstitutionAbsent."""
    return institution(tx, code)[0]


def below(tx: Transaction, institution: int) -> tuple[int, ...]:
    """The ids of an institution and of those below it."""
    return tuple(row[0] for row in store.ask(tx, "below", institution))


def account_id(tx: Transaction, login: str) -> int:
    """The id of an account. Raises AccountAbsent."""
    row = store.one(tx, "account_by_login", login.strip())
    if row is None:
        raise AccountAbsent(login)
    return int(row[0])
