"""The event log as an auditor asks it: who, what, when, from where, for whom, why, with what result; and who has looked at a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

from panorad.data.process import store
from panorad.kit.transaction import Begin, Transaction
from panorad.model.actor import Actor
from panorad.model.event import Outcome

STUDIES = 2000
"""Studies of one patient that a search looks for, at most."""
CHUNK = 500


class PatientNumber(NamedTuple):
    """A patient ID and its issuer."""

    id: str
    issuer: str


@dataclass(frozen=True, slots=True)
class Trace:
    """One event as auditors read it. `patients` are those of its study as far as the reader may see them: numbers, never names."""

    id: int
    at: datetime
    kind: str
    outcome: Outcome
    actor_kind: str
    actor: str
    institution: str
    institution_name: str
    purpose: str
    source: str
    objects: Mapping[str, Any]
    detail: Mapping[str, Any]
    patients: tuple[PatientNumber, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events: each field that is set narrows. `since` is the first moment, `until` the first one after; `kinds` empty for all."""

    actor: str = ""
    kinds: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    institution: str = ""
    study: str = ""
    patient: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Looker:
    """One person, node or program of one institution, and how it has looked at what was asked about."""

    actor_kind: str
    actor: str
    institution: str
    first: datetime
    last: datetime
    times: int
    purposes: tuple[str, ...]
    kinds: tuple[str, ...]


def trail(tx: Transaction, wanted: Wanted, *, before: int | None = None, after: int | None = None, limit: int = 50) -> list[Trace]:
    """Events as far as the actor may see: newest first below the number `before`, or with `after` oldest first above it."""
    asked = {one.name: value for one in fields(wanted) if (value := getattr(wanted, one.name))}
    for name in ("kinds", "outcomes"):
        if name in asked:
            asked[name] = list(asked[name])
    if wanted.patient:
        asked["studies"] = studies_of(tx, wanted.patient)
    edge = {"after": after} if after is not None else {"before": before} if before is not None else {}
    return [_trace(row) for row in store.trail(tx, {**asked, **edge, "limit": limit}, oldest_first=after is not None)]


def walk(begin: Begin, actor: Actor, wanted: Wanted, most: int | None = None) -> Iterator[Trace]:
    """All events that are wanted, oldest first, in transactions of their own, so that memory holds a few hundred."""
    after, left = -1, most
    while left is None or left > 0:
        with begin(actor) as tx:
            found = trail(tx, wanted, after=after, limit=CHUNK if left is None else min(CHUNK, left))
        yield from found
        if len(found) < CHUNK:
            return
        after, left = found[-1].id, None if left is None else left - len(found)


def one(tx: Transaction, number: int) -> Trace | None:
    """The event of a number; None when there is none or the actor may not see it."""
    row = store.trace(tx, number)
    return _trace(row) if row else None


def studies_of(tx: Transaction, patient_id: str) -> list[str]:
    """Study Instance UIDs of a patient ID, as far as the actor may see."""
    return [row[0] for row in store.studies_of(tx, patient_id, STUDIES)]


def looked(tx: Transaction, studies: Sequence[str]) -> list[Looker]:
    """Who has looked at these studies, whichever institution they acted for; of studies that the actor's own institutions hold."""
    return [Looker(*(*row[:6], tuple(row[6]), tuple(row[7]))) for row in store.who_looked(tx, list(studies))]


def _trace(row: Sequence[Any]) -> Trace:
    return Trace(*(*row[:12], tuple(PatientNumber(*pair) for pair in row[12] or ())))
