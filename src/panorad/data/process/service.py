"""Append events, follow them, and list what happened to a study."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from panorad.data.process import store
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.event import Event
from panorad.model.study_list import EventRow


class CursorInvalid(PanoradError):
    """The cursor of the event feed is not one that the feed gave"""

    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One event as followers read it; `cursor` is what to ask `after` next."""

    cursor: str
    id: int
    at: datetime
    kind: str
    outcome: str
    actor_kind: str
    actor: str
    institution: int | None
    purpose: str
    source: str
    objects: Mapping[str, Any]
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Feed:
    """A stretch of the feed. `after` is the cursor to go on from, also when there is nothing new."""

    events: tuple[FeedItem, ...]
    after: str


def append(tx: Transaction, events: Sequence[Event]) -> None:
    """Write events under the transaction's actor; they stand or fall with the transaction."""
    actor = tx.actor
    store.append(
        tx,
        [
            (
                e.kind,
                e.outcome,
                actor.kind,
                actor.name,
                actor.account,
                actor.institution if e.institution is None else e.institution,
                actor.purpose,
                actor.source,
                e.objects,
                e.detail,
            )
            for e in events
        ],
    )


def feed(tx: Transaction, after: str = "0", kind: str | None = None, limit: int = 500) -> Feed:
    """Events after a cursor in the order in which they became final; `0` starts at the beginning. Raises CursorInvalid."""
    match = re.fullmatch(r"([0-9]{1,19})(?:\.([0-9]{1,19}))?", after or "0")
    if match is None or int(match[1]) >= 2**63 or int(match[2] or 0) >= 2**63:
        raise CursorInvalid(after[:40])
    rows = store.feed(tx, int(match[1]), int(match[2] or 0), kind, limit)
    items = tuple(FeedItem(f"{row[0]}.{row[1]}", *row[1:]) for row in rows)
    return Feed(items, items[-1].cursor if items else after or "0")


def about(tx: Transaction, study_uid: str, limit: int = 100) -> list[EventRow]:
    """What happened to a study, newest first, as far as the actor may see."""
    return [EventRow(*row) for row in store.about_study(tx, study_uid, limit)]


def ensure_partitions(tx: Transaction) -> None:
    """Have the event table's partitions of the coming months ready."""
    store.ensure_partitions(tx, 3)
