"""Accounts as administrators see and keep them: listed, made, disabled and enabled, at their institution and below."""

from __future__ import annotations

from dataclasses import dataclass

from panorad.access.gate import store
from panorad.access.gate.known import AccountAbsent
from panorad.access.gate.roles import NotAllowed, OutOfReach, OwnRoles, require, require_reach
from panorad.access.gate.service import Account, Institution, add_account, institutions
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor
from panorad.model.event import Event
from panorad.model.roles import may


@dataclass(frozen=True, slots=True)
class Person:
    """An account in the list; `ours` tells whether its institution is in reach, `roles` are pairs of institution and role there."""

    login: str
    name: str
    institution: str
    disabled: bool
    locked: bool
    ours: bool
    roles: tuple[tuple[str, str], ...]


def people(tx: Transaction, text: str = "", after: str = "", limit: int = 50) -> list[Person]:
    """Accounts in the actor's reach by login, beginning behind one. `text` is found in login, name and institution."""
    actor = tx.actor
    asked = {"institution": actor.institution, "everything": actor.sees is None, "after": after, "text": text.strip(), "limit": limit}
    return [
        Person(login, name, code, disabled, locked, ours, tuple((at, role) for at, role in held))
        for login, name, code, disabled, locked, ours, held in store.ask(tx, "people", asked)
    ]


def in_reach(tx: Transaction) -> list[Institution]:
    """The institution acted for and those below it, by code."""
    below = {row[0] for row in store.ask(tx, "below", tx.actor.institution)}
    return [one for one in institutions(tx) if tx.actor.sees is None or one.id in below]


def enroll(tx: Transaction, login: str, name: str, password: str, institution: str) -> Account:
    """Make an account without roles, as a system administrator. Raises NotAllowed, OutOfReach, and what `add_account` raises."""
    actor = tx.actor
    assert isinstance(actor, Actor)
    require(actor, "account", "change")
    require_reach(tx, institution)
    return add_account(tx, login.strip(), name, password, institution)


def disable(tx: Transaction, login: str, disabled: bool = True) -> None:
    """Keep an account from coming in, and end its sessions, or let it in again. Doing it twice changes nothing.

    Raises NotAllowed, OwnRoles, OutOfReach, AccountAbsent.
    """
    actor = tx.actor
    assert isinstance(actor, Actor)
    if not (may(actor.roles, "account", "change") or may(actor.roles, "account", "lock")):
        raise NotAllowed("account: lock")
    row = store.one(tx, "account_by_login", login.strip())
    if row is None:
        raise AccountAbsent(login)
    if row[0] == actor.account:
        raise OwnRoles(login)
    if actor.sees is not None and (row[3],) not in store.ask(tx, "below", actor.institution):
        raise OutOfReach(login)
    if store.change(tx, "set_disabled", disabled, row[0], disabled):
        if disabled:
            store.change(tx, "end_sessions", row[0])
        tx.emit(Event("account.disabled" if disabled else "account.enabled", {"account": row[1]}, institution=row[3]))
