"""The one way in: C-STORE, STOW-RS and import all hand their bytes to an Intake, which lands, checks, makes durable and indexes them.

Bytes go to a landing segment as they arrive and are never decoded. `Incoming.finish` reads the header, checks the extent, writes the
member's commit mark and syncs: from then on the instance survives a crash, since recovery indexes what a segment holds and the index
does not. The index itself is written in batches by the Indexer, and `Intake.flush` waits for it.
"""

from __future__ import annotations

import mmap
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from blake3 import blake3

from panorad.data.imaging import quarantine
from panorad.data.imaging.header import DatasetInvalid, HeaderIncomplete, check_extent, scan
from panorad.data.imaging.indexer import Indexer, Landed, Quarantined
from panorad.data.imaging.part10 import file_meta, split
from panorad.data.imaging.segment import BLOCK, Blanks, Buffer, Segment
from panorad.kit.errors import DatabaseDown, Kind, PanoradError
from panorad.model.actor import Actor
from panorad.model.instance import Header, Receipt

_HEAD = 1 << 14
"""Bytes from the start of a Part 10 file, and of a data set, that are kept at hand; headers that are longer are read from the disk."""
_LONGEST_META = 1 << 22
_ELEMENT = 12
"""Bytes from which `split` tells how a data set is written."""
_SYNC_AHEAD = 1 << 24
"""Bytes of instances that nobody waits for yet after which a sync is begun behind the sender's back."""
_IDLE_S = 20.0
_MOST_WAITING = 20_000


class Refused(PanoradError):
    """The data set cannot be taken"""

    kind = Kind.INVALID

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Intakes:
    """All intakes of one process: they share the indexer and reuse each other's segments."""

    def __init__(self, home: Path, indexer: Indexer, blanks: Blanks | None = None) -> None:
        self.objects = home / "objects"
        self.marks = home / "open"
        self.quarantine = home / "quarantine"
        self.indexer = indexer
        self._blanks = blanks
        self.syncer = ThreadPoolExecutor(2, "sync")
        self._idle: list[tuple[str, Segment]] = []
        self._lock = threading.Lock()

    def open(self, actor: Actor, source: str) -> Intake:
        """Begin to receive from one sender. `source` tells the door and the peer, such as `dimse CT_YUNLING@10.0.0.7`."""
        if actor.institution is None:
            raise Refused("no-institution", f"{actor.name} belongs to no institution")
        return Intake(self, actor, source)

    def segment(self, code: str) -> Segment:
        """A segment of this institution for the caller alone: an idle one, or a new one."""
        with self._lock:
            for index, (owner, segment) in enumerate(self._idle):
                if owner == code:
                    del self._idle[index]
                    return segment
        return Segment(self.objects, self.marks, code, self._blanks)

    def release(self, code: str, segment: Segment) -> None:
        """Give a segment back: to be reused, or sealed when it is long enough."""
        if segment.end >= segment.room:
            self.seal(segment)
        else:
            with self._lock:
                self._idle.append((code, segment))

    def seal(self, segment: Segment) -> None:
        """Close a segment; the indexer removes its open mark once the index holds it for good."""
        segment.close()
        self.indexer.seal(segment)

    def tidy(self, idle_s: float = _IDLE_S) -> None:
        """Seal the segments that nobody has used for a while; called now and then, and with 0 on the way out."""
        limit = time.monotonic() - idle_s
        with self._lock:
            old = [pair for pair in self._idle if pair[1].used_at <= limit]
            self._idle = [pair for pair in self._idle if pair not in old]
        for _, segment in old:
            self.seal(segment)

    def close(self) -> None:
        """Seal every idle segment and stop the indexer once it has written everything."""
        self.tidy(0)
        self.syncer.shutdown()
        self.indexer.stop()


class Intake:
    """One sender's stream of instances: one association, one STOW-RS request, one run of an import. Used by one thread at a time."""

    def __init__(self, intakes: Intakes, actor: Actor, source: str) -> None:
        self.actor = actor
        self.source = source
        self.receipts: list[Receipt] = []
        self._intakes = intakes
        self._segment: Segment | None = None
        self._unsynced: list[Landed] = []
        self._unsynced_bytes = 0
        self._ahead: Future[None] | None = None
        self._current: Incoming | None = None

    def __enter__(self) -> Intake:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def begin(self, sop_uid: str, sop_class: str, transfer_syntax: str) -> Incoming:
        """Begin to receive a data set (C-STORE): the File Meta Information is ours, the data set the sender's.

        Raises StorageFull, StorageLost, DatabaseDown.
        """
        self._check_room()
        meta = file_meta(sop_class, sop_uid, transfer_syntax, source_ae=self.actor.name if self.actor.kind == "node" else "")
        return self._begin(lambda incoming: incoming.start(meta, transfer_syntax, sop_uid))

    def begin_part10(self) -> Incoming:
        """Begin to receive a Part 10 file, kept as it is. One without preamble or File Meta Information is given ours.

        Raises as `begin`.
        """
        self._check_room()
        return self._begin(lambda incoming: None)

    def flush(self, timeout_s: float = 60.0) -> None:
        """Return when everything finished so far is on disk and indexed. Raises DatabaseDown when the index does not come back in time."""
        self._sync()
        if not self._intakes.indexer.wait(self, timeout_s):
            raise DatabaseDown("images are safe on disk and will be indexed when it returns")

    def close(self) -> None:
        """Flush, and give the segment back. What was not finished is dropped."""
        if self._current is not None:
            self._current.abort()
        try:
            self.flush()
        finally:
            if self._segment is not None:
                segment, self._segment = self._segment, None
                self._intakes.release(self.actor.institution_code, segment)

    # -- for Incoming --------------------------------------------------------------------------------------------------------------

    def _begin(self, start: Callable[[Incoming], None]) -> Incoming:
        if self._segment is not None and self._segment.end >= self._segment.room:
            self._sync()
            segment, self._segment = self._segment, None
            self._intakes.seal(segment)
        if self._segment is None:
            self._segment = self._intakes.segment(self.actor.institution_code)
        incoming = Incoming(self, self._segment)
        start(incoming)
        self._current = incoming
        return incoming

    def _check_room(self) -> None:
        if self._current is not None:
            self._current.abort()
        if self._intakes.indexer.waiting > _MOST_WAITING:
            raise DatabaseDown("too many received images wait to be indexed")

    def _landed(self, landed: Landed, sync: bool) -> None:
        self._current = None
        self._unsynced.append(landed)
        self._unsynced_bytes += landed.length
        if sync:
            self._sync()
        elif self._unsynced_bytes > _SYNC_AHEAD and (self._ahead is None or self._ahead.done()):
            self._settle_ahead()
            batch, self._unsynced, self._unsynced_bytes = self._unsynced, [], 0
            self._ahead = self._intakes.syncer.submit(self._make_durable, self._owned(), batch)

    def _sync(self) -> None:
        self._settle_ahead()
        if self._unsynced:
            batch, self._unsynced, self._unsynced_bytes = self._unsynced, [], 0
            self._make_durable(self._owned(), batch)

    def _settle_ahead(self) -> None:
        """Wait for the sync under way; raises what it met."""
        if self._ahead is not None:
            ahead, self._ahead = self._ahead, None
            ahead.result()

    def _make_durable(self, segment: Segment, batch: list[Landed]) -> None:
        segment.sync()
        self._intakes.indexer.submit(batch)

    def _owned(self) -> Segment:
        if self._segment is None:
            raise AssertionError("what landed lies in a segment")
        return self._segment

    def _quarantine(self, part10: memoryview, digest: bytes, code: str, reason: str, sop_uid: str) -> None:
        """Keep bytes that cannot be indexed."""
        key = quarantine.key_of(self.actor.institution_code, digest)
        note = {"source": self.source, "kind": code, "reason": reason, "sop_uid": sop_uid, "bytes": len(part10)}
        quarantine.keep(self._intakes.quarantine, key, part10, note)
        self._intakes.indexer.submit([Quarantined(self, key, code, reason, sop_uid, len(part10))])


class Incoming:
    """One instance on its way in."""

    def __init__(self, intake: Intake, segment: Segment) -> None:
        self._intake = intake
        self._segment = segment
        self._start = segment.end + BLOCK
        self._position = self._start
        self._head = bytearray()
        self._look_at = _HEAD
        self._hash = blake3()
        self._meta: bytes | None = None  # ours, to be written before the data set when the instance is committed
        self._syntax = ""
        self._sop_uid = ""
        self._data_at = (
            -1
        )  # where the data set begins, in bytes from the start of the Part 10 file; -1 while a Part 10 file is being sniffed
        self._problem: DatasetInvalid | None = None
        self._header: Header | None = None

    def start(self, meta: bytes, transfer_syntax: str, sop_uid: str) -> None:
        """A bare data set follows; `meta` is what goes before it."""
        self._meta, self._syntax, self._sop_uid = meta, transfer_syntax, sop_uid
        self._data_at = len(meta)
        self._position = self._start + len(meta)

    def write(self, chunk: Buffer) -> None:
        """Take the next bytes, straight to disk. Raises StorageFull, StorageLost; the instance is then to be aborted."""
        data = memoryview(chunk)
        while self._data_at < 0:
            room = self._look_at - len(self._head)
            self._head += data[:room]
            if len(self._head) < self._look_at:
                return
            data = data[room:]
            self._sniff(complete=False)
        if len(self._head) < _HEAD:
            self._head += data[: _HEAD - len(self._head)]
        self._hash.update(data)
        self._position = self._segment.write(self._position, data)

    def check(self) -> Header:
        """All bytes came: look at what they are. Raises Refused when that cannot be understood (they are then in quarantine)."""
        if self._header is not None:
            return self._header
        if self._data_at < 0:
            self._sniff(complete=True)
        try:
            if self._problem is not None:
                raise self._problem
            header = self._checked_header()
        except DatasetInvalid as error:
            self._refuse("data-set-invalid", error.detail)
        if self._sop_uid and header.sop_uid != self._sop_uid:
            self._refuse("uid-mismatch", f"the command names SOP Instance {self._sop_uid}, the data set {header.sop_uid}")
        self._header = header
        return header

    def finish(self, sync: bool = True) -> Header:
        """Make what came durable (with `sync=False`, at the latest when the intake is flushed).

        Raises as `check`, and StorageFull, StorageLost.
        """
        header = self.check()
        length = self._position - self._start
        if self._meta is not None:
            self._segment.write(self._start, self._meta)
        at = self._start
        self._segment.commit(f"{header.study_uid}/{header.series_uid}/{header.sop_uid}.dcm", length, digest := self._hash.digest())
        self._intake._landed(Landed(self._intake, self._segment.key, at, length, self._data_at, header, digest), sync)
        return header

    def abort(self) -> None:
        """The sender went away: forget the bytes."""
        self._intake._current = None
        self._segment.drop_tail(self._position)

    def _sniff(self, complete: bool) -> None:
        """Find where the data set of a Part 10 file begins; give File Meta Information to a file that has none.

        Where it goes on beyond what is at hand, ask for more.
        """
        first = bytes(self._head)
        try:
            parts = split(first)
            if parts.data_at + _ELEMENT > len(first) and not complete and self._look_further():
                return
            self._syntax, self._data_at = parts.transfer_syntax, parts.data_at
            if not first.startswith(b"DICM", 128):
                self._meta = file_meta(parts.meta.get("00020002", ""), parts.meta.get("00020003", ""), parts.transfer_syntax)
                first = first[parts.data_at :]
                self._data_at = len(self._meta)
                self._position = self._start + len(self._meta)
        except DatasetInvalid as error:
            if b"DICM" in (first[128:132], first[:4]) and not complete and self._look_further():
                return
            self._problem, self._data_at = error, 0
        self._head.clear()
        data = first if self._meta is not None else first[self._data_at :]
        self._head += data
        self._hash.update(data)
        self._position = self._segment.write(self._position, first)

    def _look_further(self) -> bool:
        self._look_at *= 4
        return self._look_at <= _LONGEST_META

    def _checked_header(self) -> Header:
        length = self._position - self._start - self._data_at
        if not length:
            raise DatasetInvalid("there are no bytes")
        try:
            header = scan(self._head, self._syntax, complete=len(self._head) == length)
            if header.pixel_at is not None and header.pixel_length is not None and header.pixel_at + header.pixel_length == length:
                return header  # the pixel data end where the data set does
        except HeaderIncomplete:
            header = None
        with self._mapped() as mapped, memoryview(mapped)[self._start % mmap.ALLOCATIONGRANULARITY + self._data_at :] as whole:
            try:
                header = header or scan(whole, self._syntax)
                check_extent(whole, header)
            except HeaderIncomplete as error:
                raise DatasetInvalid(error.detail or "the data set ends early") from error
        return header

    def _mapped(self) -> mmap.mmap:
        offset = self._start - self._start % mmap.ALLOCATIONGRANULARITY
        return mmap.mmap(self._segment.fileno(), self._position - offset, access=mmap.ACCESS_READ, offset=offset)

    def _refuse(self, code: str, reason: str) -> None:
        try:
            if self._position > self._start:
                if self._meta is not None:
                    self._segment.write(self._start, self._meta)
                with self._mapped() as mapped, memoryview(mapped)[self._start % mmap.ALLOCATIONGRANULARITY :] as data:
                    self._intake._quarantine(data, self._hash.digest(), code, reason, self._sop_uid)
        finally:
            self.abort()
        raise Refused(code, reason)
