"""Who is what where: roles given and taken, and the check whether an actor may try an action."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from panorad.access.gate import store
from panorad.access.gate.known import account_id, institution_id
from panorad.access.gate.scopes import opened
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor
from panorad.model.event import Event
from panorad.model.roles import ADMINISTRATORS, ROLES, may


class NotAllowed(PanoradError):
    """None of your roles here may do this"""

    kind = Kind.FORBIDDEN


class RoleUnknown(PanoradError):
    """There is no such role"""

    kind = Kind.INVALID


class RoleConflict(PanoradError):
    """An account is at most one of system, security and audit administrator"""

    kind = Kind.CONFLICT


class RoleAbsent(PanoradError):
    """The account does not hold this role there"""

    kind = Kind.ABSENT


class OwnRoles(PanoradError):
    """Nobody changes their own roles"""

    kind = Kind.FORBIDDEN


class OutOfReach(PanoradError):
    """This institution is neither the one that you act for nor below it"""

    kind = Kind.FORBIDDEN


FIRST_APPOINTED = ("security-administrator", "audit-administrator")
"""Roles of which a system administrator appoints the first holder, since nobody else can."""


@dataclass(frozen=True, slots=True)
class Held:
    """A role that somebody holds at an institution."""

    login: str
    institution: str
    role: str
    origin: str
    given_at: datetime


def can(actor: Actor, resource: str, action: str) -> bool:
    """Whether one of the actor's roles has the action on the resource and its token, where it came with one, is made for it.

    A program has no roles: the scopes that were given to it say it all.
    """
    if actor.scopes is not None and (resource, action) not in opened(actor.scopes):
        return False
    return (actor.kind == "program" and actor.scopes is not None) or may(actor.roles, resource, action)


def require(actor: Actor, resource: str, action: str) -> None:
    """Raise NotAllowed unless the actor `can`."""
    if not can(actor, resource, action):
        raise NotAllowed(f"{resource}: {action}")


def require_reach(tx: Transaction, institution: str) -> int:
    """The id of an institution that the actor acts for, or that stands below it. Raises OutOfReach, InstitutionAbsent."""
    actor, found = tx.actor, institution_id(tx, institution)
    if actor.sees is not None and (found,) not in store.ask(tx, "below", actor.institution):
        raise OutOfReach(institution)
    return found


def appoint(tx: Transaction, login: str, institution: str, role: str) -> None:
    """Give a role as the actor may: a security administrator at its institution and below, to others than itself.

    While nobody anywhere is security administrator, or audit administrator, a system administrator may appoint the first one.
    Raises NotAllowed, OwnRoles, OutOfReach, and what `give_role` raises.
    """
    _hold_own(tx, login)
    actor = tx.actor
    assert isinstance(actor, Actor)
    if not (role in missing_administrators(tx) and may(actor.roles, "account", "change")):
        require(actor, "role", "change")
    require_reach(tx, institution)
    give_role(tx, login, institution, role)


def dismiss(tx: Transaction, login: str, institution: str, role: str) -> None:
    """Take a role away as the actor may. Raises NotAllowed, OwnRoles, OutOfReach, and what `take_role` raises."""
    actor = tx.actor
    assert isinstance(actor, Actor)
    _hold_own(tx, login)
    require(actor, "role", "change")
    require_reach(tx, institution)
    take_role(tx, login, institution, role)


def _hold_own(tx: Transaction, login: str) -> None:
    if tx.actor.account is not None and tx.actor.account == account_id(tx, login):
        raise OwnRoles(login)


def missing_administrators(tx: Transaction) -> tuple[str, ...]:
    """Roles whose first holder a system administrator has yet to appoint."""
    return tuple(role for role in FIRST_APPOINTED if store.one(tx, "holder_of", role) is None)


def entitled(tx: Transaction, resource: str, action: str) -> Actor:
    """The transaction's actor, which has the action on the resource, or is bound by no role since it sees everything. Raises NotAllowed."""
    actor = tx.actor
    assert isinstance(actor, Actor)
    if actor.sees is not None:
        require(actor, resource, action)
    return actor


def held(tx: Transaction, login: str | None = None) -> list[Held]:
    """Roles by account and institution; of one account when its login is given."""
    return [Held(*row) for row in store.ask(tx, "roles_held", {"login": login})]


def give_role(tx: Transaction, login: str, institution: str, role: str, origin: str = "manual") -> None:
    """Give an account a role at an institution; giving it again changes nothing.

    Raises RoleUnknown, RoleConflict (a second kind of administrator), AccountAbsent, InstitutionAbsent.
    """
    if role not in ROLES:
        raise RoleUnknown(role)
    account, at = account_id(tx, login), institution_id(tx, institution)
    others = {row[0] for row in store.ask(tx, "administrations", account, at, role)}
    if role in ADMINISTRATORS and others:
        raise RoleConflict(f"{login} is {', '.join(sorted(others))}")
    if store.change(tx, "give_role", account, at, role, origin):
        tx.emit(Event("role.given", {"account": login, "institution": institution}, {"role": role}, institution=at))


def take_role(tx: Transaction, login: str, institution: str, role: str) -> None:
    """Take a role away. Raises RoleAbsent, AccountAbsent, InstitutionAbsent."""
    account, at = account_id(tx, login), institution_id(tx, institution)
    if not store.change(tx, "take_role", account, at, role):
        raise RoleAbsent(f"{login}: {role} at {institution}")
    tx.emit(Event("role.taken", {"account": login, "institution": institution}, {"role": role}, institution=at))


def replace_roles(tx: Transaction, login: str, roles: Collection[tuple[str, str]], origin: str) -> None:
    """Give an account these roles (institution code, role) and no others of an origin; what it holds by other origins stays.

    Raises what `give_role` raises.
    """
    before = {(one.institution, one.role) for one in held(tx, login) if one.origin == origin}
    for institution, role in sorted(before.difference(roles)):
        take_role(tx, login, institution, role)
    for institution, role in roles:
        give_role(tx, login, institution, role, origin)
