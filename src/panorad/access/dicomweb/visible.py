"""Which stored instances an actor may see, remembered for a second so that frames do not each ask the database."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from panorad.access.dicomweb.deps import DicomWebDeps, SeriesVersion
from panorad.access.dicomweb.errors import NotFound
from panorad.data.imaging.frames import FrameIndex, frame_index
from panorad.model.actor import Actor
from panorad.model.instance import Stored

FRESH_S = 1.0
"""How long an answer of the gate is taken for true, in seconds."""
MOST_INSTANCES = 100_000
"""How many instances one process remembers at most."""
MOST_SERIES = 512
"""How many series one process remembers at most."""

Scope = tuple[object, ...]


@dataclass(slots=True)
class _Series:
    """One series as one scope sees it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    good_until: float = 0.0
    version: object = None
    instances: dict[str, Stored] = field(default_factory=dict)
    indexes: dict[str, FrameIndex] = field(default_factory=dict)


def scope_of(actor: Actor) -> Scope:
    """Everything of an actor that what it sees may depend on."""
    return (actor.kind, actor.name, actor.institution, actor.sees, actor.account, actor.purpose, actor.strict, actor.parties)


class Visible:
    """The series that readers of this process are looking at, by scope. Used from many threads."""

    def __init__(self, deps: DicomWebDeps, clock: Callable[[], float] = time.monotonic) -> None:
        self._deps = deps
        self._clock = clock
        self._lock = threading.Lock()
        self._series: OrderedDict[tuple[Scope, str, str], _Series] = OrderedDict()

    def instance(self, actor: Actor, study_uid: str, series_uid: str, sop_uid: str) -> Stored:
        """One instance of a series. Raises NotFound when it is not there or not for this actor."""
        return self._find(actor, study_uid, series_uid, sop_uid)[1]

    def frame_span(
        self, actor: Actor, study_uid: str, series_uid: str, sop_uid: str, number: int
    ) -> tuple[Stored, tuple[int, int] | None]:
        """One instance, and where a frame lies in its file if in one run. Raises NotFound, FrameAbsent, PixelsAbsent."""
        series, stored = self._find(actor, study_uid, series_uid, sop_uid)
        index = series.indexes.get(sop_uid)
        if index is None:
            with self._deps.blobs.view(stored.place) as view:
                index = series.indexes[sop_uid] = frame_index(view, stored)
        span = index.span(number)
        return stored, None if index.inflated else span

    def _find(self, actor: Actor, study_uid: str, series_uid: str, sop_uid: str) -> tuple[_Series, Stored]:
        key = (scope_of(actor), study_uid, series_uid)
        with self._lock:
            series = self._series.get(key)
            if series is None:
                series = self._series[key] = _Series()
            else:
                self._series.move_to_end(key)
        now = self._clock()
        stored = series.instances.get(sop_uid)
        if now >= series.good_until or stored is None:
            with series.lock:
                if now >= series.good_until or sop_uid not in series.instances:
                    self._renew(series, actor, study_uid, series_uid)
                    self._forget(key, series)
            stored = series.instances.get(sop_uid)
        if stored is None:
            raise NotFound(f"instance {sop_uid[:64]}")
        return series, stored

    def _renew(self, series: _Series, actor: Actor, study_uid: str, series_uid: str) -> None:
        now = self._clock()
        with self._deps.begin(actor) as tx:
            version = version_of(self._deps.imaging.series_versions(tx, study_uid), series_uid)
            if not version:
                found: dict[str, Stored] = {}
            elif version == series.version:
                found = series.instances
            else:
                found = {stored.header.sop_uid: stored for stored in self._deps.imaging.stored(tx, study_uid, series_uid)}
        if version != series.version:
            series.indexes = {}
        series.instances, series.version, series.good_until = found, version, now + FRESH_S

    def _forget(self, key: tuple[Scope, str, str], series: _Series) -> None:
        with self._lock:
            if not series.instances and self._series.get(key) is series:
                del self._series[key]
            held = sum(len(other.instances) for other in self._series.values())
            while len(self._series) > 1 and (held > MOST_INSTANCES or len(self._series) > MOST_SERIES):
                held -= len(self._series.popitem(last=False)[1].instances)


def version_of(versions: Iterable[SeriesVersion], series_uid: str) -> tuple[tuple[int, int], ...]:
    """What identifies the content of a series as an actor sees it: its rows with their versions; empty when there are none."""
    return tuple(sorted((v.id, v.version) for v in versions if v.series_uid == series_uid))
