"""From whoever comes to an actor: what it sees as a whole, under which numbers something may be granted to it, what it may audit.

Worked out from roles, standing grants and consent policies whenever a session, node or token is looked up, at the latest a second after
they changed. Row by row the database decides (migration 00003).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from panorad.access.gate import store
from panorad.access.gate.scopes import Pair, opened
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor, ActorKind
from panorad.model.party import party
from panorad.model.purpose import OPERATION
from panorad.model.roles import ADMINISTRATORS, may, purposes_of


def acting(
    tx: Transaction, actor: Actor, own: Iterable[int] = (), *, reads: bool = True, audits: bool = False, whole: bool = True
) -> Actor:
    """The actor with what the database has to know of it; `own` are parties beside those of its institution and its roles.

    `reads` tells whether it may look at patients at all, `audits` whether at the event log of its institution and those below,
    `whole` whether it sees its own institution as a whole.
    """
    institution = actor.institution
    parties: tuple[int, ...] = ()
    if reads:
        here = [party("institution", institution)] if institution else []
        parties = (*here, *(party("role", institution or 0, role) for role in sorted(actor.roles)), *own)
    asked = {"institution": institution, "purpose": actor.purpose, "parties": list(parties), "whole": whole and reads, "audits": audits}
    row = store.one(tx, "reach_of", asked)
    sees, strict, audited = row or ((), (), ())
    return replace(actor, parties=parties, sees=tuple(sees), strict=tuple(strict), audits=tuple(audited))


def person(
    tx: Transaction, account: int, login: str, institution: int, code: str, issuer: str, purpose: str | None = None, source: str = ""
) -> Actor:
    """A person of an account, acting for an institution; an impossible purpose gives way to the usual one of the roles held there."""
    asked = {"account": account, "institution": institution, "reaching": list(ADMINISTRATORS)}
    roles = frozenset(row[0] for row in store.ask(tx, "roles_at", asked))
    purposes = purposes_of(roles)
    chosen = purpose if purpose in purposes else next(iter(purposes), OPERATION)
    patient = roles == {"patient"}
    actor = Actor("person", login, institution, (), code, issuer, account, chosen, source, roles)
    return acting(
        tx, actor, [party("person", account)], reads=may(roles, "study", "read"), audits=may(roles, "event", "read"), whole=not patient
    )


def program(
    tx: Transaction, name: str, number: int | None, institution: int, code: str, issuer: str, purpose: str, scopes: frozenset[str]
) -> Actor:
    """A program with a token: sees what its scopes open of its institution. `number` is its client's; to None nothing can be granted."""
    opens = opened(scopes)
    actor = Actor("program", name, institution, (), code, issuer, purpose=purpose, scopes=scopes)
    return acting(tx, actor, [party("program", number)] if number else [], reads=_reading(opens), audits=("event", "read") in opens)


def narrowed(actor: Actor, purpose: str, scopes: frozenset[str]) -> Actor:
    """A person as the person's own token shows it; a purpose that none of the person's roles has any more shows nothing."""
    opens = opened(scopes)
    reads = _reading(opens) and actor.purpose == purpose
    return replace(
        actor,
        purpose=purpose,
        scopes=scopes,
        sees=actor.sees if reads else (),
        parties=actor.parties if reads else (),
        audits=actor.audits if ("event", "read") in opens else (),
    )


def _reading(opens: frozenset[Pair]) -> bool:
    """Whether something of patients is opened, so that the database has to show it."""
    return bool(opens & {("study", "read"), ("intake", "read")})


def node(tx: Transaction, ae_title: str, number: int, institution: int, code: str, issuer: str, source: str = "") -> Actor:
    """A DICOM node: sees what its institution sees for treatment, and what was granted to the device."""
    return acting(tx, Actor("node", ae_title, institution, (), code, issuer, source=source), [party("device", number)])


def everyone(name: str, kind: ActorKind, institution: int, code: str, issuer: str, source: str = "") -> Actor:
    """Whoever comes to a center that runs without sign-in: sees everything, sends for the default institution."""
    roles = frozenset({"radiologist", "department-head", "system-administrator", "audit-administrator"})
    return Actor(kind, name, institution, None, code, issuer, source=source, roles=roles)


def center_for(institution: int, code: str, issuer: str, name: str = "panorad") -> Actor:
    """The center itself, acting for an institution: import and recovery."""
    return Actor("system", name, institution, (institution,), code, issuer, purpose=OPERATION)
