"""For which institution and purpose a person acts: chosen among what their roles allow, kept with the session."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from panorad.access.gate import store
from panorad.access.gate.known import institution_id
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.event import Event
from panorad.model.roles import ADMINISTRATORS, purposes_of


class NotHeld(PanoradError):
    """You hold no role there, or none for this purpose"""

    kind = Kind.FORBIDDEN


class SessionOver(PanoradError):
    """Your session is over; sign in again"""

    kind = Kind.FORBIDDEN


@dataclass(frozen=True, slots=True)
class Place:
    """An institution that somebody may act for."""

    id: int
    code: str
    name: str
    name_zh: str


def places(tx: Transaction, account: int) -> list[Place]:
    """The institutions where an account holds a role; for an administrator those below as well."""
    return [Place(*row) for row in store.ask(tx, "places", {"account": account, "reaching": list(ADMINISTRATORS)})]


def act_for(tx: Transaction, token: str, institution: str, purpose: str = "") -> None:
    """Have a session act for an institution and a purpose, from the next request on; without one, the usual purpose of the roles there.

    Raises SessionOver, InstitutionAbsent, NotHeld.
    """
    digest = sha256(token.encode()).digest()
    row = store.one(tx, "account_of_session", digest)
    if row is None:
        raise SessionOver
    at = institution_id(tx, institution)
    asked = {"account": row[0], "institution": at, "reaching": list(ADMINISTRATORS)}
    roles = {one[0] for one in store.ask(tx, "roles_at", asked)}
    if not roles or (purpose and purpose not in purposes_of(roles)):
        raise NotHeld(f"{institution} {purpose}".strip())
    store.change(tx, "act_for", at, purpose or None, digest)
    tx.emit(Event("account.acting", {"account": row[1], "institution": institution}, {"purpose": purpose}, institution=at))
