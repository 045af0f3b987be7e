"""The event table: appended to and read, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from panorad.kit import db
from panorad.kit.sql import Queries
from panorad.kit.transaction import Transaction

Q = Queries(__file__)


def append(tx: Transaction, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write event rows; the last two columns are mappings."""
    written = [(*row[:-2], db.as_json(row[-2]), db.as_json(row[-1])) for row in rows]
    if len(written) == 1:
        db.run(tx, Q["append"], written[0])
    else:
        db.run_many(tx, Q["append"], written)


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
