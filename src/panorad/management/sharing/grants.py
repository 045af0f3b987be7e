"""Grants: an institution lets somebody see something of what it holds, for purposes and a time, until it revokes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from panorad.access.gate.roles import entitled
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.management.sharing import store
from panorad.model.event import Event
from panorad.model.party import KINDS, party
from panorad.model.purpose import PURPOSES
from panorad.model.roles import ROLES

ScopeKind = Literal["institution", "patient", "study", "series"]
ORIGINS = ("referral", "remote-reading", "consultation", "consent", "recognition", "break-glass", "share-link", "patient", "manual")
"""Because of what a grant is given; `tree` grants are kept by the database."""
PAGE = 50


class GrantInvalid(PanoradError):
    """This grant cannot be given as asked"""

    kind = Kind.INVALID


class GrantAbsent(PanoradError):
    """There is no such grant in force that you may revoke"""

    kind = Kind.ABSENT


@dataclass(frozen=True, slots=True)
class Scope:
    """What is granted: all that an institution (its code) holds, or of it one patient, study or series."""

    kind: ScopeKind
    institution: str
    issuer: str | None = None
    patient: str | None = None
    study: str | None = None
    series: str | None = None


@dataclass(frozen=True, slots=True)
class Grantee:
    """To whom: `name` is an institution's code (also for a role), a login, an AE title, a client id, or the number of a link."""

    kind: str
    name: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as lists show it. Times are in UTC; `valid_to` and `revoked_at` may be open."""

    id: int
    institution: str
    scope: str
    issuer: str
    patient: str
    study: str
    series: str
    grantee_kind: str
    grantee: str
    role: str
    purposes: tuple[str, ...]
    valid_from: datetime
    valid_to: datetime | None
    origin: str
    reason: str
    given_by: str
    given_at: datetime
    revoked_at: datetime | None
    revoked_by: str


def institution_number(tx: Transaction, code: str) -> int:
    """The id of an institution. Raises GrantInvalid."""
    row = store.one(tx, "institution", (code,))
    if row is None:
        raise GrantInvalid(f"there is no institution {code}")
    return int(row[0])


def _number(tx: Transaction, grantee: Grantee) -> int:
    if grantee.kind not in KINDS or (grantee.kind == "role") != (grantee.role is not None):
        raise GrantInvalid(f"{grantee.kind} is not one of {', '.join(KINDS)}, or its role is missing or too much")
    if grantee.role is not None and grantee.role not in ROLES:
        raise GrantInvalid(f"there is no role {grantee.role}")
    if grantee.kind in ("institution", "role"):
        return institution_number(tx, grantee.name)
    if query := {"person": "account", "device": "node", "program": "client"}.get(grantee.kind):
        row = store.one(tx, query, (grantee.name,))
        if row is None:
            raise GrantInvalid(f"there is no {grantee.kind} {grantee.name}")
        return int(row[0])
    return int(grantee.name)


def give(
    tx: Transaction,
    scope: Scope,
    grantee: Grantee,
    purposes: Sequence[str],
    origin: str = "manual",
    *,
    start: datetime | None = None,
    until: datetime | None = None,
    reason: str = "",
) -> int:
    """Give a grant of what the actor's institution holds; its number. Raises NotAllowed, GrantInvalid."""
    actor = entitled(tx, "grant", "give")
    if actor.sees is not None and scope.institution != actor.institution_code:
        raise GrantInvalid("an institution gives grants of what it holds itself")
    return write(tx, scope, grantee, purposes, origin, start=start, until=until, reason=reason)


def write(
    tx: Transaction,
    scope: Scope,
    grantee: Grantee,
    purposes: Sequence[str],
    origin: str,
    *,
    start: datetime | None = None,
    until: datetime | None = None,
    reason: str = "",
) -> int:
    """Write a grant that something else has allowed (a link, an emergency). Raises GrantInvalid."""
    unknown = [purpose for purpose in purposes if purpose not in PURPOSES]
    if unknown or not purposes or origin not in ORIGINS:
        raise GrantInvalid(f"purposes are {', '.join(PURPOSES)}; origins are {', '.join(ORIGINS)}")
    if until is not None and start is not None and until <= start:
        raise GrantInvalid("it would end before it begins")
    wanted = {"institution": (), "patient": ("issuer", "patient"), "study": ("study",), "series": ("study", "series")}.get(scope.kind)
    named = tuple(name for name in ("issuer", "patient", "study", "series") if getattr(scope, name))
    if wanted is None or named != wanted:
        raise GrantInvalid(f"a scope of {scope.kind} names {', '.join(wanted or ()) or 'nothing else'}")
    number, holder = _number(tx, grantee), institution_number(tx, scope.institution)
    row = store.one(tx, "give", {
        "institution": holder, "scope": scope.kind, "issuer": scope.issuer, "patient": scope.patient, "study": scope.study,
        "series": scope.series, "kind": grantee.kind, "grantee": number, "role": grantee.role,
        "party": party(grantee.kind, number, grantee.role or ""), "purposes": list(purposes), "start": start, "until": until,
        "origin": origin, "reason": reason[:500], "by": tx.actor.name,
    })  # fmt: skip
    if row is None:
        raise AssertionError("insert returns a row")
    objects = {"grant": row[0], **{name: getattr(scope, name) for name in named}, "grantee": f"{grantee.kind} {grantee.name}"}
    tx.emit(Event("grant.given", objects, {"purposes": list(purposes), "origin": origin, "scope": scope.kind}, institution=holder))
    return int(row[0])


def revoke(tx: Transaction, grant: int) -> None:
    """End a grant at once. Raises NotAllowed, GrantAbsent."""
    actor = entitled(tx, "grant", "revoke")
    row = store.one(tx, "revoke", {"id": grant, "by": actor.name})
    if row is None:
        raise GrantAbsent(str(grant))
    objects = {"grant": grant, **({"study": row[2]} if row[2] else {}), **({"patient": row[3], "issuer": row[4]} if row[3] else {})}
    tx.emit(Event("grant.revoked", objects, {"scope": row[1]}, institution=row[0]))


def grants(
    tx: Transaction, *, text: str = "", institution: str | None = None, current: bool = False, before: int | None = None, limit: int = PAGE
) -> list[Grant]:
    """Grants that the actor may know of, newest first: those of its institution and those to it. `text` is a UID or Patient ID."""
    asked = {"text": text.strip(), "institution": institution, "current": current, "before": before, "limit": limit, "id": None}
    return [_grant(list(row)) for row in store.ask(tx, "grants", asked)]


def _grant(values: list[Any]) -> Grant:
    values[10] = tuple(values[10])
    return Grant(*values)
