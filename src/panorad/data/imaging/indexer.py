"""Writing the index in batches: one thread of each receiving process turns landed instances into rows and events.

Received images wait here for at most a fifth of a second, so that hundreds share one transaction. The transaction may reach the disk
late: the landing segment is the truth, and recovery reads it again. An instance that the index cannot hold is quarantined, so that it
never stops the others.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import structlog

from panorad.data.imaging import quarantine, store
from panorad.data.imaging.blobs import Blobs, ObjectAbsent
from panorad.data.imaging.describe import describe
from panorad.data.imaging.memory import Memory
from panorad.data.imaging.segment import Segment
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Begin, Transaction
from panorad.model.actor import SYSTEM, Actor
from panorad.model.event import Event
from panorad.model.instance import Fate, Header, Place, Receipt

_WINDOW_S = 0.2
_BATCH = 400
log = structlog.get_logger()


class Sender(Protocol):
    """Whose instances they are: an intake."""

    @property
    def actor(self) -> Actor: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def receipts(self) -> list[Receipt]: ...  # noqa: D102


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
SeriesKey = tuple[int, str, str, str, str]
"""Institution, issuer, Patient ID, Study and Series Instance UID: what tells a series from every other one."""


def series_key(actor: Actor, header: Header) -> SeriesKey:
    """The series of an instance that an actor sends."""
    return (actor.institution or 0, header.issuer or actor.issuer, header.patient_id, header.study_uid, header.series_uid)


def _by_intake(batch: list[Item]) -> list[list[Item]]:
    """The items of each intake, in order."""
    found: dict[int, list[Item]] = defaultdict(list)
    for item in batch:
        found[id(item.intake)].append(item)
    return list(found.values())


class Indexer:
    """The index writer of one process. `relaxed` opens transactions whose commit may reach the disk late, `durable` those that may not."""

    def __init__(self, relaxed: Begin, durable: Begin, blobs: Blobs, quarantine_folder: Path) -> None:
        self._relaxed = relaxed
        self._durable = durable
        self._blobs = blobs
        self._quarantine = quarantine_folder
        self._items: list[Item] = []
        self._sealed: list[Segment] = []
        self._owed: dict[int, int] = defaultdict(int)
        self._memory = Memory()
        self._losses = 0
        self._doubted = float("-inf")  # what was committed before may be lost
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
                for items in _by_intake(batch):
                    self._write(items)
                    self._done(items)
                if everything:
                    self._seal_all(sealed)
            except Exception as error:
                reason = error.message if isinstance(error, PanoradError) else type(error).__name__
                log.error("index write failed, will try again", reason=reason, items=len(batch))
                self._memory.clear()
                if self._stopping:
                    return
                time.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            delay = 0.1

    def _done(self, items: list[Item]) -> None:
        """These items of one intake need no more work."""
        gone = set(map(id, items))
        with self._wake:
            self._items = [item for item in self._items if id(item) not in gone]
            owner = id(items[0].intake)
            self._owed[owner] -= len(items)
            if not self._owed[owner]:
                del self._owed[owner]
            if not self._items:
                self._urgent = False
            self._wake.notify_all()

    def _write(self, items: list[Item], again: bool = True) -> None:
        """Write items of one intake. Raises what is to be tried again; an item that the index cannot hold is quarantined."""
        intake = items[0].intake
        try:
            receipts = store.retry(partial(self._write_for, intake.actor, items))
        except Exception as error:
            if isinstance(error, PanoradError) and error.kind is Kind.UNAVAILABLE:
                raise
            self._memory.clear()
            if again:  # the index may have been rebuilt under the series that were known
                self._write(items, again=False)
            elif len(items) > 1:
                for half in (items[: len(items) // 2], items[len(items) // 2 :]):
                    self._write(half, again=False)
            else:
                self._set_aside(items[0], error)
            return
        intake.receipts.extend(receipts)
        self._memory.keep()

    def _set_aside(self, item: Item, error: Exception) -> None:
        """Quarantine what the index cannot hold."""
        reason = error.message if isinstance(error, PanoradError) else f"the index cannot hold it: {type(error).__name__}"
        log.error("an instance cannot be indexed", reason=reason, object=item.key)
        if isinstance(item, Quarantined):
            return
        key = quarantine.key_of(item.intake.actor.institution_code, item.digest)
        note = {"source": item.intake.source, "kind": "not-indexed", "reason": reason, "sop_uid": item.header.sop_uid, "bytes": item.length}
        try:
            with self._blobs.view(Place(item.key, item.at, item.length, item.data_at)) as part10:
                quarantine.keep(self._quarantine, key, part10, note)
        except ObjectAbsent:
            log.error("its bytes are gone too", object=item.key, sop=item.header.sop_uid)
        aside = Quarantined(item.intake, key, "not-indexed", reason, item.header.sop_uid, item.length)
        store.retry(partial(self._write_for, item.intake.actor, [aside]))

    def _write_for(self, actor: Actor, items: list[Item]) -> list[Receipt]:
        receipts: dict[int, Receipt] = {}
        self._memory.drop()
        with self._relaxed(actor) as tx:
            self._heed_losses(tx)
            for item in items:
                if isinstance(item, Quarantined):
                    store.add_quarantined(tx, item.key, item.intake.source, item.kind, item.reason, item.sop_uid, item.bytes)
                    tx.emit(Event("instances.refused", {"sop": item.sop_uid}, {"reason": item.reason, "kind": item.kind}, "refused"))
            groups: dict[tuple[SeriesKey, str], list[tuple[int, Landed]]] = defaultdict(list)
            for n, item in enumerate(items):
                if isinstance(item, Landed):
                    groups[series_key(actor, item.header), item.key].append((n, item))
            for (series, key), members in sorted(groups.items(), key=lambda group: group[0]):
                fates = self._write_series(tx, actor, series, key, [landed for _, landed in members])
                for (n, landed), fate in zip(members, fates, strict=True):
                    h = landed.header
                    receipts[n] = Receipt(h.sop_class, h.sop_uid, h.study_uid, h.series_uid, fate)
        return [receipts[n] for n in sorted(receipts)]

    def _heed_losses(self, tx: Transaction) -> None:
        """After a death of the server, ids may be given anew, and rows committed without waiting for the disk may be gone.

        So nothing is remembered, and the segments of that time are left to recovery, which reads the marks that stay.
        """
        if tx.losses != self._losses:
            self._losses, self._doubted = tx.losses, time.monotonic()
            self._memory.clear()

    def _write_series(self, tx: Transaction, actor: Actor, series: SeriesKey, key: str, landed: list[Landed]) -> list[Fate]:
        known = self._memory.get("series", *series)
        objects: dict[str, Any] = {"study": series[3], "series": series[4], "patient": series[2], "issuer": series[1]}
        if known is None:
            first = landed[0]
            place = Place(key, first.at, first.length, first.data_at)
            head = self._blobs.read(place, first.data_at, first.header.pixel_at if first.header.pixel_at is not None else None)
            description = describe(head, first.header.transfer_syntax)
            known, new_study = store.ensure_series(tx, actor, series[1], first.header, description)
            if new_study:
                tx.emit(Event("study.stored", objects))
            self._memory.learn("series", *series, id=known)
        fates = store.add_instances(tx, actor, self._memory, known, key, landed)
        counts: dict[str, int] = {fate: fates.count(fate) for fate in ("stored", "duplicate", "conflict") if fate in fates}
        tx.emit(
            Event("instances.received", objects, {**counts, "bytes": sum(item.length for item in landed), "via": landed[0].intake.source})
        )
        if "conflict" in counts:
            uids = [item.header.sop_uid for item, fate in zip(landed, fates, strict=True) if fate == "conflict"]
            tx.emit(Event("instances.conflict", {**objects, "sops": uids[:20]}, {"count": len(uids)}))
        return fates

    def _seal_all(self, sealed: list[Segment]) -> None:
        if not sealed:
            return
        with self._durable(SYSTEM) as tx:
            self._heed_losses(tx)
            sure = [segment for segment in sealed if segment.made_at > self._doubted]
            store.seal_objects(tx, [segment.key for segment in sure])
        for segment in sure:
            segment.unmark()
        for segment in sealed:
            if segment not in sure:
                log.warning("a segment will be read again: the database may have lost some of it", object=segment.key)
        with self._wake:
            self._sealed = [segment for segment in self._sealed if segment not in sealed]
