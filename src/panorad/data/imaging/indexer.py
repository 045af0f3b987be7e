"""Writing the index in batches: one thread of each receiving process turns landed instances into rows and events.

Received images wait here for at most a fifth of a second, so that hundreds share one transaction. The transaction may reach the disk
late: the landing segment is the truth, and recovery reads it again.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import structlog

from panorad.data.imaging import store
from panorad.data.imaging.blobs import Blobs
from panorad.data.imaging.describe import describe
from panorad.data.imaging.segment import Segment
from panorad.kit.errors import PanoradError
from panorad.kit.transaction import Begin, Transaction
from panorad.model.actor import SYSTEM, Actor
from panorad.model.event import Event
from panorad.model.instance import Fate, Header, Place, Receipt

_WINDOW_S = 0.2
_BATCH = 400
_KNOWN_SERIES = 4096
log = structlog.get_logger()


class Sender(Protocol):
    """Whose instances they are: an intake."""

    @property
    def actor(self) -> Actor: ...
    @property
    def source(self) -> str: ...
    @property
    def receipts(self) -> list[Receipt]: ...


@dataclass(frozen=True, slots=True)
class Landed:
    """An instance that is durable in a segment and not yet in the index."""

    intake: Sender
    key: str
    at: int
    length: int
    data_at: int
    header: Header
    digest: bytes


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Bytes that were kept aside, to be told to the operator."""

    intake: Sender
    key: str
    kind: str
    reason: str
    sop_uid: str
    bytes: int


Item = Landed | Quarantined
_SeriesKey = tuple[int, str, str, str, str]


class Indexer:
    """The index writer of one process. `relaxed` opens transactions whose commit may reach the disk late, `durable` those that may not."""

    def __init__(self, relaxed: Begin, durable: Begin, blobs: Blobs) -> None:
        self._relaxed = relaxed
        self._durable = durable
        self._blobs = blobs
        self._items: list[Item] = []
        self._sealed: list[Segment] = []
        self._owed: dict[int, int] = defaultdict(int)
        self._known: OrderedDict[_SeriesKey, tuple[int, int]] = OrderedDict()
        self._wake = threading.Condition()
        self._urgent = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="indexer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many items are not yet indexed."""
        return len(self._items)

    def submit(self, items: list[Landed] | list[Quarantined]) -> None:
        """Take items over; they are durable already."""
        with self._wake:
            self._items += items
            for item in items:
                self._owed[id(item.intake)] += 1
            if len(self._items) >= _BATCH or len(self._items) == len(items):
                self._wake.notify_all()

    def seal(self, segment: Segment) -> None:
        """The segment is closed: when all it holds is in the index for good, remove its open mark."""
        with self._wake:
            self._sealed.append(segment)
            self._wake.notify_all()

    def wait(self, intake: Sender, timeout_s: float) -> bool:
        """Wait until everything of this intake is indexed; False when it took too long."""
        with self._wake:
            self._urgent = True
            self._wake.notify_all()
            return self._wake.wait_for(lambda: not self._owed.get(id(intake)), timeout_s)

    def stop(self) -> None:
        """Write what is left, and end."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join(30)

    # -- the thread ----------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        delay = 0.1
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._items or self._sealed or self._stopping, 5)
                if not self._urgent and not self._stopping:
                    self._wake.wait_for(lambda: self._urgent or self._stopping or len(self._items) >= _BATCH, _WINDOW_S)
                batch, sealed = self._items[:_BATCH], list(self._sealed)
                everything = len(batch) == len(self._items)
                if not batch and not sealed:
                    self._urgent = False
                    if self._stopping:
                        return
                    continue
            try:
                self._write(batch)
                if everything:
                    self._seal_all(sealed)
            except Exception as error:
                reason = error.message if isinstance(error, PanoradError) else type(error).__name__
                log.error("index write failed, will try again", reason=reason, items=len(batch), exc_info=not isinstance(error, PanoradError))
                self._known.clear()
                if self._stopping:
                    return
                time.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            delay = 0.1
            with self._wake:
                del self._items[: len(batch)]
                for item in batch:
                    self._owed[id(item.intake)] -= 1
                    if not self._owed[id(item.intake)]:
                        del self._owed[id(item.intake)]
                if not self._items:
                    self._urgent = False
                self._wake.notify_all()

    def _write(self, batch: list[Item]) -> None:
        by_intake: dict[int, list[Item]] = defaultdict(list)
        for item in batch:
            by_intake[id(item.intake)].append(item)
        for items in by_intake.values():
            receipts, learned = store.retry(partial(self._write_for, items[0].intake.actor, items))
            items[0].intake.receipts.extend(receipts)
            self._known.update(learned)
            while len(self._known) > _KNOWN_SERIES:
                self._known.popitem(last=False)

    def _write_for(self, actor: Actor, items: list[Item]) -> tuple[list[Receipt], dict[_SeriesKey, tuple[int, int]]]:
        receipts: dict[int, Receipt] = {}
        learned: dict[_SeriesKey, tuple[int, int]] = {}
        with self._relaxed(actor) as tx:
            for item in items:
                if isinstance(item, Quarantined):
                    store.add_quarantined(tx, item.key, item.intake.source, item.kind, item.reason, item.sop_uid, item.bytes)
                    tx.emit(Event("instances.refused", {"sop": item.sop_uid}, {"reason": item.reason, "kind": item.kind}, "refused"))
            groups: dict[tuple[_SeriesKey, str], list[tuple[int, Landed]]] = defaultdict(list)
            for n, item in enumerate(items):
                if isinstance(item, Landed):
                    groups[self._series_key(actor, item.header), item.key].append((n, item))
            for (series, key), members in sorted(groups.items(), key=lambda group: group[0]):
                fates = self._write_series(tx, actor, series, key, [landed for _, landed in members], learned)
                for (n, landed), fate in zip(members, fates, strict=True):
                    h = landed.header
                    receipts[n] = Receipt(h.sop_class, h.sop_uid, h.study_uid, h.series_uid, fate)
        return [receipts[n] for n in sorted(receipts)], learned

    def _series_key(self, actor: Actor, header: Header) -> _SeriesKey:
        return (actor.institution or 0, header.issuer or actor.issuer, header.patient_id, header.study_uid, header.series_uid)

    def _write_series(
        self, tx: Transaction, actor: Actor, series: _SeriesKey, key: str, landed: list[Landed], learned: dict[_SeriesKey, tuple[int, int]]
    ) -> list[Fate]:
        known = learned.get(series) or self._known.get(series)
        objects: dict[str, Any] = {"study": series[3], "series": series[4], "patient": series[2], "issuer": series[1]}
        if known is None:
            first = landed[0]
            place = Place(key, first.at, first.length, first.data_at)
            head = self._blobs.read(place, first.data_at, first.header.pixel_at if first.header.pixel_at is not None else None)
            description = describe(head, first.header.transfer_syntax)
            known, new_study = store.ensure_series(tx, actor, series[1], first.header, description)
            if new_study:
                tx.emit(Event("study.stored", objects))
            learned[series] = known
        fates = store.add_instances(tx, actor, known, key, landed)
        counts = {fate: fates.count(fate) for fate in ("stored", "duplicate", "conflict") if fate in fates}
        tx.emit(Event("instances.received", objects, {**counts, "bytes": sum(item.length for item in landed), "via": landed[0].intake.source}))
        if "conflict" in counts:
            uids = [item.header.sop_uid for item, fate in zip(landed, fates, strict=True) if fate == "conflict"]
            tx.emit(Event("instances.conflict", {**objects, "sops": uids[:20]}, {"count": len(uids)}))
        return fates

    def _seal_all(self, sealed: list[Segment]) -> None:
        if not sealed:
            return
        with self._durable(SYSTEM) as tx:
            store.seal_objects(tx, [segment.key for segment in sealed])
        for segment in sealed:
            segment.unmark()
        with self._wake:
            self._sealed = [segment for segment in self._sealed if segment not in sealed]
