"""Retrievals are many and small: the first of an actor in a series is an event before a byte leaves, the following ones are added up.

An actor who goes on reading a series within `WINDOW_S` is counted in memory, and the counts are written as one event a second or so
later. What a process that dies takes with it is then a count; that the actor has read the series stands in the log.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
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


class Recorder:
    """Writes first retrievals at once and adds up the others in one process; `flush` writes those."""

    def __init__(self, begin: Begin, clock: Callable[[], float] = time.monotonic) -> None:
        self._begin = begin
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[_Key, list[int]] = defaultdict(lambda: [0, 0])
        self._told: dict[_Key, float] = {}

    def retrieved(self, actor: Actor, retrievals: Sequence[Retrieval]) -> None:
        """Record what is about to leave; call it before the bytes do.

        Raises NotRecorded or DatabaseDown when the event of a first retrieval cannot be written: then nothing may leave.
        """
        now = self._clock()
        first: list[Retrieval] = []
        more: list[Retrieval] = []
        for one in retrievals:
            (more if self._told.get((actor, one.study, one.series), now) > now else first).append(one)
        if first:
            with self._begin(actor) as tx:
                for one in first:
                    tx.emit(one.event())
        with self._lock:
            for one in first:
                self._told[actor, one.study, one.series] = now + WINDOW_S
            for one in more:
                self._add((actor, one.study, one.series), one.instances, one.frames)

    def _add(self, key: _Key, instances: int, frames: int) -> None:
        counts = self._counts[key]
        counts[0] += instances
        counts[1] += frames

    def flush(self) -> None:
        """Write what was counted; kept for the next time when the database is away."""
        now = self._clock()
        with self._lock:
            taken, self._counts = self._counts, defaultdict(lambda: [0, 0])
            self._told = {key: until for key, until in self._told.items() if until > now}
        by_actor: dict[Actor, list[_Key]] = defaultdict(list)
        for key in taken:
            by_actor[key[0]].append(key)
        for actor, keys in by_actor.items():
            try:
                with self._begin(actor) as tx:
                    for key in keys:
                        tx.emit(Retrieval(key[1], key[2], *taken[key]).event())
            except PanoradError as error:
                log.error("retrievals could not be recorded, will try again", reason=error.message)
                with self._lock:
                    for key in keys:
                        self._add(key, *taken[key])
