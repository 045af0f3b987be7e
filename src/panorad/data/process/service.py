"""Append events, follow them, and list what happened to a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from panorad.data.process import store
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Statement, Transaction
from panorad.model.event import Event
from panorad.model.study_list import EventRow


class CursorInvalid(PanoradError):
    """The cursor of the event feed is not one that the feed gave"""

    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One event as followers read it; `id` is what to ask `after` next."""

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
    """A stretch of the feed. `after` is where to go on from, also when there is nothing new."""

    events: tuple[FeedItem, ...]
    after: int


def appending(tx: Transaction, events: Sequence[Event]) -> list[Statement]:
    """The statements that write events under the transaction's actor, so that they stand or fall with the transaction."""
    return [store.appending(_row(tx, event)) for event in events]


def telling(tx: Transaction, event: Event, statement: str, parameters: Mapping[str, Any]) -> Statement:
    """The statement of a search that also writes the event which tells of it, with how many `matches` there were."""
    return store.telling(_row(tx, event), statement, parameters)


def _row(tx: Transaction, event: Event) -> dict[str, Any]:
    actor = tx.actor
    tx.written += 1
    return {
        "event": tx.written - 1,
        "event_kind": event.kind,
        "event_outcome": event.outcome,
        "event_institution": actor.institution if event.institution is None else event.institution,
        "event_objects": event.objects,
        "event_detail": event.detail,
        "actor_kind": actor.kind,
        "actor": actor.name,
        "actor_account": actor.account,
        "actor_purpose": actor.purpose,
        "actor_source": actor.source,
    }


def feed(tx: Transaction, after: int = 0, kind: str | None = None, limit: int = 500) -> Feed:
    """Events with numbers above `after`, in the order of their transactions; 0 starts at the beginning.

    An event is given once no older transaction is still open, so that nothing ever appears behind a follower. Raises CursorInvalid.
    """
    if not 0 <= after < 2**63:
        raise CursorInvalid(str(after)[:40])
    items = tuple(FeedItem(*row) for row in store.feed(tx, after, kind, limit))
    return Feed(items, items[-1].id if items else after)


def about(tx: Transaction, study_uid: str, limit: int = 100) -> list[EventRow]:
    """What happened to a study, newest first, as far as the actor may see."""
    return [EventRow(*row) for row in store.about_study(tx, study_uid, limit)]


def ensure_partitions(tx: Transaction) -> None:
    """Have the event table's partitions of the coming months ready."""
    store.ensure_partitions(tx, 3)


def wind_clock(tx: Transaction) -> None:
    """Let new events come after all that there are, also in a database restored from another cluster; called at start."""
    store.wind_clock(tx)
