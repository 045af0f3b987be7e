"""Consent: what a patient, or who speaks for them, permits or refuses. A refusal outranks every grant.

Where a patient said nothing the institution's policy holds (`consent_policy`); without one, research and education need consent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from panorad.access.gate.roles import entitled
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.management.sharing import store
from panorad.management.sharing.grants import PAGE, institution_number
from panorad.model.event import Event
from panorad.model.purpose import PURPOSES

DECISIONS = ("permit", "refuse")
AUDIENCES = ("everyone", "others", "institution")
"""Whom a consent is about: everyone, everyone but the institution that holds the record, or one named institution."""
RULES = ("permit", "consent", "refuse")
SHARING = tuple(purpose for purpose in PURPOSES if purpose not in ("patient-request", "emergency"))
"""The purposes of a consent that names none."""


class ConsentInvalid(PanoradError):
    """This consent cannot be recorded as asked"""

    kind = Kind.INVALID


class ConsentAbsent(PanoradError):
    """There is no such consent in force at your institution"""

    kind = Kind.ABSENT


class PolicyInvalid(PanoradError):
    """This policy cannot be set as asked"""

    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient as an institution (its code) knows them: Issuer of Patient ID and Patient ID."""

    institution: str
    issuer: str
    patient: str


@dataclass(frozen=True, slots=True)
class Proxy:
    """Who speaks for a patient who cannot: a parent of a minor, a guardian."""

    name: str
    relationship: str


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent as lists show it."""

    id: int
    institution: str
    issuer: str
    patient: str
    decision: str
    purposes: tuple[str, ...]
    audience: str
    audience_institution: str
    valid_from: datetime
    valid_to: datetime | None
    given_by: str
    proxy_name: str
    proxy_relationship: str
    note: str
    recorded_by: str
    recorded_at: datetime
    withdrawn_at: datetime | None


def record_consent(
    tx: Transaction,
    patient: Patient,
    decision: str,
    purposes: Sequence[str] = SHARING,
    *,
    audience: str = "others",
    to: str | None = None,
    start: datetime | None = None,
    until: datetime | None = None,
    proxy: Proxy | None = None,
    note: str = "",
) -> int:
    """Record what a patient says, at the institution that holds their record; its number. Raises NotAllowed, ConsentInvalid."""
    actor = entitled(tx, "consent", "record")
    if actor.sees is not None and patient.institution != actor.institution_code:
        raise ConsentInvalid("consents are recorded at the institution that holds the record")
    if decision not in DECISIONS or audience not in AUDIENCES or (audience == "institution") != (to is not None):
        raise ConsentInvalid("decision or audience")
    if not purposes or any(purpose not in PURPOSES for purpose in purposes):
        raise ConsentInvalid(f"purposes are {', '.join(PURPOSES)}")
    if not patient.patient or (until is not None and start is not None and until <= start) or (proxy and not proxy.name.strip()):
        raise ConsentInvalid("a patient, a period and a proxy have to be told")
    holder = institution_number(tx, patient.institution)
    row = store.one(tx, "record_consent", {
        "institution": holder, "issuer": patient.issuer, "patient": patient.patient, "decision": decision, "purposes": list(purposes),
        "audience": audience, "audience_id": institution_number(tx, to) if to else None, "start": start, "until": until,
        "given_by": "proxy" if proxy else "patient", "proxy_name": proxy.name if proxy else "",
        "proxy_relationship": proxy.relationship if proxy else "", "note": note[:500], "by": actor.name,
    })  # fmt: skip
    if row is None:
        raise AssertionError("insert returns a row")
    objects = {"consent": row[0], "patient": patient.patient, "issuer": patient.issuer}
    said = {"decision": decision, "purposes": list(purposes), "audience": audience}
    tx.emit(Event("consent.recorded", objects, said, institution=holder))
    return int(row[0])


def withdraw_consent(tx: Transaction, consent: int) -> None:
    """End a consent at once, as if it had not been said. Raises NotAllowed, ConsentAbsent."""
    actor = entitled(tx, "consent", "record")
    row = store.one(tx, "withdraw_consent", {"id": consent, "by": actor.name})
    if row is None:
        raise ConsentAbsent(str(consent))
    objects = {"consent": consent, "patient": row[2], "issuer": row[1]}
    tx.emit(Event("consent.withdrawn", objects, {"decision": row[3]}, institution=row[0]))


def consents(
    tx: Transaction, *, patient: str = "", issuer: str | None = None, current: bool = False, before: int | None = None, limit: int = PAGE
) -> list[Consent]:
    """Consents recorded at the actor's institution, newest first."""
    asked = {"patient": patient.strip(), "issuer": issuer, "current": current, "before": before, "limit": limit, "id": None}
    return [_consent(row) for row in store.ask(tx, "consents", asked)]


def consent(tx: Transaction, number: int) -> Consent:
    """One consent of the actor's institution. Raises ConsentAbsent."""
    asked = {"patient": "", "issuer": None, "current": False, "before": None, "limit": 1, "id": number}
    rows = store.ask(tx, "consents", asked)
    if not rows:
        raise ConsentAbsent(str(number))
    return _consent(rows[0])


def _consent(row: tuple[object, ...]) -> Consent:
    values = list(row)
    values[5] = tuple(values[5])  # type: ignore[arg-type]
    return Consent(*values)  # type: ignore[arg-type]


def policies(tx: Transaction, institution: str) -> dict[tuple[str, str], str]:
    """What an institution's policy says, by (purpose, `own` or `others`); what is not named has the rule that holds without one."""
    usual = {
        (purpose, audience): "consent" if purpose in ("research", "education") else "permit"
        for purpose in PURPOSES
        for audience in ("own", "others")
    }
    return usual | {(purpose, audience): rule for _, purpose, audience, rule in store.ask(tx, "policies", (institution,))}


def set_policy(tx: Transaction, institution: str, purpose: str, audience: str, rule: str) -> None:
    """Say what holds for patients who said nothing. Raises NotAllowed, PolicyInvalid."""
    entitled(tx, "policy", "change")
    if purpose not in PURPOSES or audience not in ("own", "others") or rule not in RULES:
        raise PolicyInvalid(f"{purpose} {audience} {rule}")
    holder = institution_number(tx, institution)
    store.change(tx, "set_policy", (holder, purpose, audience, rule))
    tx.emit(Event("policy.set", {"institution": institution}, {"purpose": purpose, "audience": audience, "rule": rule}, institution=holder))
