"""Retrievals are many and small: the first of an actor in a series is an event before a byte leaves, the following ones are added up.

An actor who goes on reading a series within `WINDOW_S` is counted in memory, and the counts are written as one event a second or so
later. What a process that dies takes with it is then a count; that the actor has read the series stands in the log.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from panorad.kit.errors import PanoradError
from panorad.kit.transaction import Begin
from panorad.model.actor import Actor
from panorad.model.event import Event

log = structlog.get_logger()
WINDOW_S = 30.0
"""How long, in seconds, the event of a first retrieval speaks for the ones that follow."""
_Key = tuple[Actor, str, str]


class Retrieval(NamedTuple):
    """What is about to leave of one series; the series is empty where a study is retrieved as a whole."""

    study: str
    series: str
    instances: int
    frames: int

    def event(self) -> Event:
        """The event that tells of it."""
        objects = {"study": self.study, "series": self.series} if self.series else {"study": self.study}
        return Event("instances.retrieved", objects, {"instances": self.instances, "frames": self.frames})


@dataclass(slots=True)
class _Reading:
    """One actor in one series: until when the first event speaks for what follows, and what has been counted since."""

    until: float
    instances: int = 0
    frames: int = 0


class Recorder:
    """Writes first retrievals at once and adds up the others in one process; `flush` writes those."""

    def __init__(self, begin: Begin, clock: Callable[[], float] = time.monotonic) -> None:
        self._begin = begin
        self._clock = clock
        self._lock = threading.Lock()
        self._readings: dict[_Key, _Reading] = {}

    def retrieved(self, actor: Actor, retrievals: Sequence[Retrieval]) -> None:
        """Record what is about to leave; call it before the bytes do.

        Raises NotRecorded or DatabaseDown when the event of a first retrieval cannot be written: then nothing may leave.
        """
        now = self._clock()
        first = []
        with self._lock:
            for one in retrievals:
                reading = self._readings.get((actor, one.study, one.series))
                if reading is None or reading.until <= now:
                    first.append(one)
                else:
                    reading.instances += one.instances
                    reading.frames += one.frames
        if not first:
            return
        with self._begin(actor) as tx:
            for one in first:
                tx.emit(one.event())
        with self._lock:
            for one in first:
                self._readings.setdefault((actor, one.study, one.series), _Reading(now)).until = now + WINDOW_S

    def flush(self) -> None:
        """Write what was counted; kept for the next time when the database is away."""
        now = self._clock()
        by_actor: dict[Actor, list[tuple[_Reading, Retrieval]]] = defaultdict(list)
        with self._lock:
            self._readings = {key: one for key, one in self._readings.items() if one.until > now or one.instances or one.frames}
            for (actor, study, series), one in self._readings.items():
                if one.instances or one.frames:
                    by_actor[actor].append((one, Retrieval(study, series, one.instances, one.frames)))
                    one.instances = one.frames = 0
        for actor, counted in by_actor.items():
            try:
                with self._begin(actor) as tx:
                    for _, retrieval in counted:
                        tx.emit(retrieval.event())
            except PanoradError as error:
                log.error("retrievals could not be recorded, will try again", reason=error.message)
                with self._lock:
                    for reading, retrieval in counted:
                        reading.instances += retrieval.instances
                        reading.frames += retrieval.frames
