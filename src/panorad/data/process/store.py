"""The event table: appended to and read, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panorad.kit import db
from panorad.kit.sql import Queries
from panorad.kit.transaction import Statement, Transaction

Q = Queries(__file__)
_SEALING = 0x7365616C
_FOLLOWING = 0x666F6C6C


def appending(row: Mapping[str, Any]) -> Statement:
    """The statement that writes an event row."""
    return Q["append"], _written(row)


def telling(row: Mapping[str, Any], statement: str, parameters: Mapping[str, Any]) -> Statement:
    """The statement of a search that also writes the event row which tells of it, completed by the number of `matches`."""
    return Q["tell"].replace("/*found*/", statement), {**parameters, **_written(row)}


def _written(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "event_objects": db.as_json(row["event_objects"]), "event_detail": db.as_json(row["event_detail"])}


def feed(tx: Transaction, after: int, kind: str | None, limit: int) -> list[tuple[Any, ...]]:
    """Final events with numbers above `after`, in order."""
    return db.rows(tx, Q["feed"], {"after": after, "kind": kind, "limit": limit})


def about_study(tx: Transaction, study_uid: str, limit: int) -> list[tuple[Any, ...]]:
    """Events about a study, newest first."""
    return db.rows(tx, Q["about_study"], (study_uid, limit))


def ensure_partitions(tx: Transaction, months: int) -> None:
    """Have this month's partition and the next ones ready."""
    db.rows(tx, Q["ensure_partitions"], (months,))


def wind_clock(tx: Transaction) -> None:
    """Let new events come after all that there are."""
    db.rows(tx, Q["wind_clock"])


def may_seal(tx: Transaction) -> bool:
    """Whether this transaction is the only one that seals."""
    row = db.one(tx, Q["may_seal"], (_SEALING,))
    return bool(row and row[0])


def last_seal(tx: Transaction) -> tuple[Any, ...] | None:
    """The newest seal: number, first and last id, rows, chain."""
    return db.one(tx, Q["last_seal"])


def seals(tx: Transaction, after: int, limit: int) -> list[tuple[Any, ...]]:
    """Seals with higher numbers, in order."""
    return db.rows(tx, Q["seals"], (after, limit))


def add_seal(tx: Transaction, number: int, first_id: int, last_id: int, rows: bytes, chain: bytes) -> None:
    """Write a seal."""
    db.run(tx, Q["add_seal"], (number, first_id, last_id, rows, chain))


def digests(tx: Transaction, after: int, upto: int | None, limit: int) -> list[tuple[int, bytes]]:
    """Ids and digests of events above `after`, in order: up to `upto`, else as far as events are final."""
    return [(row[0], bytes(row[1])) for row in db.rows(tx, Q["digests"], {"after": after, "upto": upto, "limit": limit})]


CONDITIONS: Mapping[str, str] = {
    "actor": "e.actor = %(actor)s",
    "kinds": "e.kind = any(%(kinds)s)",
    "outcomes": "e.outcome = any(%(outcomes)s)",
    "institution": "e.institution_id = (select i.id from institution i where i.code = %(institution)s)",
    "study": "e.study = %(study)s",
    "studies": "(e.patient = %(patient)s or e.study = any(%(studies)s))",
    "since": "e.at >= %(since)s",
    "until": "e.at < %(until)s",
    "before": "e.id < %(before)s",
    "after": "e.id > %(after)s",
    "id": "e.id = %(id)s",
}
"""What each field of a search of the trail narrows to."""


def trail(tx: Transaction, asked: Mapping[str, Any], *, oldest_first: bool) -> list[tuple[Any, ...]]:
    """Events that meet every condition that has a value."""
    where = " and ".join(sql for name, sql in CONDITIONS.items() if name in asked) or "true"
    statement = Q["trail"].replace("/*where*/", where).replace("/*order*/", "asc" if oldest_first else "desc")
    return db.rows(tx, statement, asked)


def trace(tx: Transaction, number: int) -> tuple[Any, ...] | None:
    """The event of a number."""
    return next(iter(trail(tx, {"id": number, "limit": 1}, oldest_first=True)), None)


def studies_of(tx: Transaction, patient_id: str, limit: int) -> list[tuple[Any, ...]]:
    """Study Instance UIDs of a patient ID."""
    return db.rows(tx, Q["studies_of"], (patient_id, limit))


def who_looked(tx: Transaction, studies: list[str]) -> list[tuple[Any, ...]]:
    """Who has looked at studies."""
    return db.rows(tx, Q["who_looked"], (studies,))


def may_follow(tx: Transaction, name: str) -> bool:
    """Whether this transaction is the only one that follows under a name."""
    row = db.one(tx, Q["may_follow"], (_FOLLOWING, name))
    return bool(row and row[0])


def follower(tx: Transaction, name: str) -> tuple[Any, ...] | None:
    """How far a follower has come, when it last moved, and what keeps it."""
    return db.one(tx, Q["follower"], (name,))


def follow(tx: Transaction, name: str, last_id: int, fault: str) -> None:
    """Note how far a follower has come, and what keeps it."""
    db.run(tx, Q["follow"], {"name": name, "last_id": last_id, "fault": fault})


def behind(tx: Transaction, last_id: int, most: int) -> tuple[Any, ...]:
    """How many final events there are above a number, at most `most`, and the moment of the first."""
    return db.one(tx, Q["behind"], (last_id, most)) or (0, None)


def last_verified(tx: Transaction) -> tuple[Any, ...] | None:
    """When the log was last read against its seals, with what outcome and detail."""
    return db.one(tx, Q["last_verified"])
