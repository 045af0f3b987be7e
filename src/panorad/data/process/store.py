"""The event table: appended to and read, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panorad.kit import db
from panorad.kit.sql import Queries
from panorad.kit.transaction import Statement, Transaction

Q = Queries(__file__)
_SEALING = 0x7365616C


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
