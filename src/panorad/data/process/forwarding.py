"""The event log on its way to the collector: in order, each event at least once, from where it stopped.

How far it has come is a row of `follower`, moved once a batch is confirmed. What was sent and not confirmed is sent again.
"""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from panorad.data.process import service, store, trail
from panorad.data.process.dicom_audit import AuditSource, message
from panorad.data.process.syslog import PRIORITY, WARNING, Collector, frame
from panorad.kit.errors import PanoradError
from panorad.kit.transaction import Begin, Transaction
from panorad.model.actor import SYSTEM

NAME = "syslog"
BATCH = 500
"""Events of one connection, at most; memory holds no more."""
COUNTED = 100_000
LONGEST_PAUSE_S = 30.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the trail has come: events that wait (at most `COUNTED` are counted), seconds since the first of them happened, the fault."""

    waiting: int
    seconds: float
    fault: str


def forward(begin: Begin, collector: Collector, source: AuditSource) -> int:
    """Hand over the next batch; how many events it had. Raises CollectorAway, CollectorUntrusted, and notes why."""
    try:
        with begin(SYSTEM) as tx:  # it writes nothing before the batch is confirmed, so that it holds no other follower back
            if not store.may_follow(tx, NAME):
                return 0
            last = _last(tx)
            found = service.feed(tx, last, None, BATCH)
            if not found.events:
                return 0
            traces = trail.trail(tx, trail.Wanted(), after=last, limit=len(found.events))
            assert [one.id for one in traces] == [one.id for one in found.events]
            frames = [one for trace in traces if (one := _framed(trace, source))]
            if frames:
                collector.deliver(frames)
            store.follow(tx, NAME, found.after, "")
            return len(found.events)
    except PanoradError as error:
        with begin(SYSTEM) as tx:
            store.follow(tx, NAME, _last(tx), error.message)
        raise


def _framed(trace: trail.Trace, source: AuditSource) -> bytes | None:
    text = message(trace, source)
    if text is None:
        return None
    priority = PRIORITY if trace.outcome == "success" else WARNING
    return frame(trace.at, text, host=socket.gethostname(), process=os.getpid(), priority=priority)


def _last(tx: Transaction) -> int:
    row = store.follower(tx, NAME)
    return int(row[0]) if row else 0


def standing(tx: Transaction) -> Standing:
    """How far the trail has come."""
    row = store.follower(tx, NAME)
    count, first = store.behind(tx, int(row[0]) if row else 0, COUNTED)
    return Standing(int(count), max(0.0, (datetime.now(UTC) - first).total_seconds()) if first else 0.0, row[2] if row else "")


def keep_forwarding(begin: Begin, collector: Collector, source: AuditSource, stopping: threading.Event) -> None:
    """Forward until `stopping` is set; while the collector is away, ask again with growing pauses."""
    pause = 1.0
    while not stopping.is_set():
        try:
            count = forward(begin, collector, source)
            pause = 1.0
            if count == BATCH:
                continue
        except PanoradError as error:
            log.error("the audit trail could not be handed over, will try again", reason=error.message)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        stopping.wait(pause)
