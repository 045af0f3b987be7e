"""The event table: appended to and read, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panorad.kit import db
from panorad.kit.sql import Queries
from panorad.kit.transaction import Statement, Transaction

Q = Queries(__file__)


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
