"""Retrievals are many and small: they are added up and written as one event for each actor and series every second or so."""

from __future__ import annotations

import threading
from collections import defaultdict

import structlog

from panorad.kit.errors import PanoradError
from panorad.kit.transaction import Begin
from panorad.model.actor import Actor
from panorad.model.event import Event

log = structlog.get_logger()
_Key = tuple[Actor, str, str]


class Recorder:
    """Adds up retrievals in one process; `flush` writes them."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._lock = threading.Lock()
        self._counts: dict[_Key, list[int]] = defaultdict(lambda: [0, 0])

    def retrieved(self, actor: Actor, study_uid: str, series_uid: str, instances: int, frames: int) -> None:
        """Count a retrieval; at the latest a second or so later it is an event."""
        with self._lock:
            counts = self._counts[actor, study_uid, series_uid]
            counts[0] += instances
            counts[1] += frames

    def flush(self) -> None:
        """Write what was counted; kept for the next time when the database is away."""
        with self._lock:
            taken, self._counts = self._counts, defaultdict(lambda: [0, 0])
        by_actor: dict[Actor, list[Event]] = defaultdict(list)
        for (actor, study, series), (instances, frames) in taken.items():
            objects = {"study": study, "series": series} if series else {"study": study}
            by_actor[actor].append(Event("instances.retrieved", objects, {"instances": instances, "frames": frames}))
        for actor, events in by_actor.items():
            try:
                with self._begin(actor) as tx:
                    for event in events:
                        tx.emit(event)
            except PanoradError as error:
                log.error("retrievals could not be recorded, will try again", reason=error.message)
                with self._lock:
                    for key, counts in taken.items():
                        if key[0] == actor:
                            self._counts[key][0] += counts[0]
                            self._counts[key][1] += counts[1]
