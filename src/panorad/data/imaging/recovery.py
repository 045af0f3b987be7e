"""Reading objects again: after a crash what a segment holds and the index does not, from nothing to rebuild it, and to prove every byte."""

from __future__ import annotations

import shutil
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from blake3 import blake3

from panorad.data.imaging import store
from panorad.data.imaging.blobs import Blobs
from panorad.data.imaging.header import DatasetInvalid, HeaderIncomplete, check_extent, scan
from panorad.data.imaging.indexer import Indexer, Landed, Sender, SeriesKey, series_key
from panorad.data.imaging.part10 import split
from panorad.data.imaging.quarantine import kept
from panorad.data.imaging.segment import Member, Segment, abandoned, members, trim
from panorad.kit.errors import PanoradError
from panorad.kit.transaction import Begin
from panorad.model.actor import SYSTEM, Actor
from panorad.model.event import Event
from panorad.model.instance import Place, Receipt, Stored

log = structlog.get_logger()
_CHUNK = 1 << 22
_BEING_MADE_S = 60.0
Progress = Callable[[int, int], None]
ActorOf = Callable[[str], Actor]
"""The actor under which the objects of an institution's code are indexed; makes the institution when there is none."""


@dataclass
class Reader:
    """The sender of instances that are read from storage again."""

    actor: Actor
    source: str
    receipts: list[Receipt] = field(default_factory=list)


def _code_of(key: str) -> str:
    return key.split("/")[1]


def read_object(blobs: Blobs, reader: Reader, key: str, known: set[int]) -> Iterator[tuple[Landed, Member, bool]]:
    """The complete members of an object that the index does not know, checked as they were when they arrived.

    The flag tells whether the bytes are those that were received: after a loss of power a member's header may have reached the disk
    and its bytes not.
    """
    for member in members(blobs.path(key)):
        if member.at in known:
            continue
        with blobs.view(Place(key, member.at, member.length, 0)) as view:
            try:
                parts = split(view)
                data = view[parts.data_at :]
                header = scan(data, parts.transfer_syntax)
                check_extent(data, header)
            except (DatasetInvalid, HeaderIncomplete) as error:
                log.error("a stored member cannot be read", object=key, member=member.name, reason=error.message)
                continue
            digest = _digest(data)
            data.release()
        landed = Landed(reader, key, member.at, member.length, parts.data_at, header, member.digest or digest)
        yield landed, member, digest == landed.digest


def _digest(data: memoryview) -> bytes:
    hasher = blake3()
    for start in range(0, len(data), _CHUNK):
        hasher.update(data[start : start + _CHUNK])
    return hasher.digest()


def recover(begin: Begin, indexer: Indexer, blobs: Blobs, marks: Path, actor_of: ActorOf) -> int:
    """Index what the segments that were open at a crash hold and the index does not, then remove their marks. Returns how many instances.

    Runs at start and now and then: what a process that still lives is writing is left to it.
    """
    found = 0
    finished = []
    with ExitStack() as held:
        for mark in sorted(marks.iterdir()) if marks.is_dir() else []:
            key = Segment.key_of_mark(mark.name)
            path = blobs.path(key)
            if path.exists():
                if not held.enter_context(abandoned(path)):
                    log.info("a segment is still being written by another process", object=key)
                    continue
                found += _recover_one(begin, indexer, blobs, key, Reader(actor_of(_code_of(key)), "recovery"))
            elif time.time() - mark.stat().st_mtime < _BEING_MADE_S:
                continue  # the mark comes before its segment
            finished.append((mark, key))
        if finished:
            with begin(SYSTEM) as tx:
                store.seal_objects(tx, [key for _, key in finished])
            for mark, _ in finished:
                mark.unlink(missing_ok=True)
    return found


def _recover_one(begin: Begin, indexer: Indexer, blobs: Blobs, key: str, reader: Reader) -> int:
    with begin(reader.actor) as tx:
        known = store.indexed_offsets(tx, key)
    landed = []
    for item, _, whole in read_object(blobs, reader, key, known):
        if whole:
            landed.append(item)
        else:  # it was never acknowledged, and its sender will send it again
            log.error("a member did not reach the disk whole", object=key, sop=item.header.sop_uid)
    if landed:
        indexer.submit(landed)
        if not indexer.wait(reader, 600):
            raise PanoradError(f"recovery of {key} did not finish")
    trim(blobs.path(key))
    return len(landed)


def forget_derived(cache: Path) -> None:
    """Empty the cache: its documents and pictures go by ids of the index that is about to be rebuilt."""
    for folder in [entry for entry in cache.iterdir() if entry.is_dir()] if cache.is_dir() else []:
        shutil.rmtree(folder, ignore_errors=True)


def reindex(owner: Begin, begin: Begin, indexer: Indexer, blobs: Blobs, quarantine: Path, actor_of: ActorOf, progress: Progress) -> int:
    """Rebuild the index from the objects alone, and the list of quarantined input from its notes.

    `owner` opens transactions that may clear tables. Returns how many instances were read.
    """
    paths = sorted(blobs.folder.rglob("*.tar"))
    with owner(SYSTEM) as tx:
        began = store.clock(tx)
        store.clear_index(tx)
    count = 0
    damaged: list[tuple[Landed, Member]] = []  # come last, so that a whole copy under the same UIDs is found first

    def index(reader: Sender, batch: list[tuple[Landed, Member]]) -> None:
        indexer.submit([landed for landed, _ in batch])
        indexer.wait(reader, 600)
        with owner(SYSTEM) as tx:
            store.set_received(tx, _times(reader, batch), began)
        reader.receipts.clear()

    for n, path in enumerate(paths, 1):
        key = path.relative_to(blobs.folder).as_posix()
        reader = Reader(actor_of(_code_of(key)), "reindex")
        batch: list[tuple[Landed, Member]] = []
        for landed, member, whole in read_object(blobs, reader, key, set()):
            (batch if whole else damaged).append((landed, member))
            count += 1
            if len(batch) == 500:
                index(reader, batch)
                batch = []
        index(reader, batch)
        progress(n, len(paths))
    for landed, member in damaged:
        log.error("stored bytes have changed", object=landed.key, sop=landed.header.sop_uid)
        index(landed.intake, [(landed, member)])
    with begin(SYSTEM) as tx:
        store.seal_objects(tx, [path.relative_to(blobs.folder).as_posix() for path in paths])
        tx.emit(Event("archive.reindexed", {}, {"objects": len(paths), "instances": count}))
    for key, note, kept_at in kept(quarantine):
        with owner(actor_of(key.split("/")[0])) as tx:
            store.restore_quarantined(tx, key, note, kept_at)
    return count


def _times(reader: Sender, batch: list[tuple[Landed, Member]]) -> dict[SeriesKey, tuple[int, int]]:
    """Of each series: when the first and the last of its instances came that are in the index now, and not as a copy of another one."""
    fates: defaultdict[str, deque[str]] = defaultdict(deque)
    for receipt in reader.receipts:
        fates[receipt.sop_uid].append(receipt.fate)
    times: dict[SeriesKey, tuple[int, int]] = {}
    for landed, member in batch:
        known = fates[landed.header.sop_uid]
        if known and known.popleft() != "duplicate":
            series = series_key(reader.actor, landed.header)
            first, last = times.get(series, (member.received, member.received))
            times[series] = min(first, member.received), max(last, member.received)
    return times


@dataclass(frozen=True, slots=True)
class Damage:
    """One instance whose stored bytes are not those that were received."""

    stored: Stored
    reason: str


def walk(begin: Begin) -> Iterator[list[Stored]]:
    """Everything the index holds, other contents and other institutions' copies too, as it came in, some hundreds at a time."""
    after = 0
    while True:
        with begin(SYSTEM) as tx:
            chunk = store.stored_after(tx, after, 500)
        if not chunk:
            return
        yield chunk
        after = chunk[-1].id


def verify(begin: Begin, blobs: Blobs, progress: Progress) -> tuple[int, list[Damage]]:
    """Read every stored byte back against its digest. Returns how many instances were read and which are damaged."""
    damaged: list[Damage] = []
    count = 0
    with begin(SYSTEM) as tx:
        total = store.statistics(tx)["instances"]
    for chunk in walk(begin):
        for stored in chunk:
            count += 1
            try:
                with blobs.view(stored.place) as view, view[stored.place.data_at :] as data:
                    if _digest(data) != stored.digest:
                        damaged.append(Damage(stored, "its bytes have changed"))
            except PanoradError as error:
                damaged.append(Damage(stored, error.message))
        progress(count, max(total, count))
    with begin(SYSTEM) as tx:
        objects = {"damaged": [damage.stored.header.sop_uid for damage in damaged[:50]]}
        tx.emit(Event("archive.verified", objects, {"instances": count, "damaged": len(damaged)}, "failure" if damaged else "success"))
    return count, damaged
