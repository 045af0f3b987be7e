"""Landing segments: received instances are appended to an uncompressed tar of plain Part 10 files.

The tar header of a member is written last, after its bytes: it is the commit mark. A segment that was being written when the machine
died therefore reads as a tar that ends after the last complete member, and any tar program can unpack it (POSIX.1-1988 ustar). The
header's owner and group names hold the BLAKE3 digest of the member's data set, so that storage alone tells whether its bytes are right.
"""

from __future__ import annotations

import base64
import ctypes
import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from panorad.kit.errors import PanoradError, StorageFull, StorageLost

BLOCK = 512
MARK = "panorad-objects"
"""The file in the object folder that tells a mounted store from an empty mount point."""
Buffer = bytes | bytearray | memoryview
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_START_WRITEBACK = 2
_WRITEBACK = 1 << 22
"""Bytes written after which the disk is told to begin; smaller pieces cost more processor time than they save waiting."""
_ZEROS = bytes(1 << 20)
LONGEST = 1 << 29
"""A segment that has become this long, in bytes, is sealed and another one begun."""
_libc = ctypes.CDLL(None, use_errno=True)


def storage_error(error: OSError) -> PanoradError:
    """The error that a failed write means: the disk is full, or it is gone."""
    return StorageFull() if error.errno in _FULL else StorageLost(os.strerror(error.errno or 0))


class Member(NamedTuple):
    """A complete member of a segment: its name, the offset and length of its bytes, the digest of its data set as it was received.

    And when that was, in seconds since 1970.
    """

    name: str
    at: int
    length: int
    digest: bytes
    received: int


def member_header(name: str, size: int, mtime: int, digest: bytes) -> bytes:
    """The 512-byte ustar header of a regular file. `name` is `STUDY/SERIES/SOP.dcm`, at most 64 characters each."""
    prefix, _, tail = name.rpartition("/")
    said = base64.urlsafe_b64encode(digest)
    sized = b"%011o\0" % size if size < 8**11 else b"\x80\0\0\0" + size.to_bytes(8, "big")
    head = bytearray(BLOCK)
    head[0:100] = tail.encode("ascii").ljust(100, b"\0")
    head[100:124] = b"0000644\x000000000\x000000000\x00"
    head[124:136] = sized
    head[136:148] = b"%011o\0" % mtime
    head[148:156] = b"        "
    head[156] = ord("0")
    head[257:265] = b"ustar\x0000"
    head[265:297] = said[:22].ljust(32, b"\0")
    head[297:329] = said[22:].ljust(32, b"\0")
    head[345:500] = prefix.encode("ascii").ljust(155, b"\0")
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def _member(head: bytes, at: int) -> Member | None:
    """The member whose bytes begin at `at`, told by the header block before them, or None when the block is not one."""
    if len(head) < BLOCK or head[257:262] != b"ustar":
        return None
    try:
        if int(head[148:154], 8) != sum(head) - sum(head[148:156]) + 8 * 32:
            return None
        raw = head[124:136]
        size = int.from_bytes(raw[1:], "big") if raw[0] & 0x80 else int(raw[:11], 8)
        name, prefix = (part.split(b"\0", 1)[0].decode("ascii") for part in (head[0:100], head[345:500]))
        digest = base64.urlsafe_b64decode(head[265:297].rstrip(b"\0") + head[297:329].rstrip(b"\0"))
        received = int(head[136:147], 8)
    except ValueError:
        return None
    return Member(f"{prefix}/{name}" if prefix else name, at, size, digest, received)


def members(path: Path) -> Iterator[Member]:
    """Every complete member of a tar segment, in order, up to the first torn one."""
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        at = 0
        while at + BLOCK <= end:
            file.seek(at)
            member = _member(file.read(BLOCK), at + BLOCK)
            if member is None or member.at + member.length > end:
                return
            yield member
            at = padded(member)


def padded(member: Member) -> int:
    """Where the member's last block ends."""
    return member.at + -(-member.length // BLOCK) * BLOCK


def trim(path: Path) -> None:
    """End a segment that a crash left open behind its last complete member, as `Segment.close` would have."""
    end = max(map(padded, members(path)), default=0)
    os.truncate(path, end)
    os.truncate(path, end + 2 * BLOCK)


@contextmanager
def abandoned(path: Path) -> Iterator[bool]:
    """Whether no process writes this segment any more; none can begin to while the block runs."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(folder: Path) -> None:
    """Create a folder and its missing parents, durably."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


class Blanks:
    """Segments written full of zeros ahead of time, as databases do with their logs.

    Overwriting blocks that are already on disk needs no journal commit of the file system, so that a sync takes a third of the time
    that growing a file takes. The pool is shared by the processes of a center: a blank is taken by renaming it.
    """

    def __init__(self, folder: Path, count: int = 4, size: int = 1 << 27) -> None:
        self._folder = folder
        self._count = count
        self._size = size

    def take(self, path: Path) -> bool:
        """Move a blank to `path`; False when there is none."""
        try:
            names = sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return False
        for name in names:
            if name.endswith(".blank"):
                try:
                    os.rename(self._folder / name, path)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    if error.errno == errno.EXDEV:  # the objects lie on a disk of their own
                        return False
                    raise
                return True
        return False

    def refill(self) -> None:
        """Write one blank when one is missing and the disk has plenty of room; meant to be called again and again."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = os.listdir(self._folder)
        for name in names:
            if name.endswith(".new"):
                (self._folder / name).unlink(missing_ok=True)
        disk = os.statvfs(self._folder)
        if sum(name.endswith(".blank") for name in names) >= self._count or disk.f_bavail * disk.f_frsize < 64 * self._size:
            return
        fresh = self._folder / f"{secrets.token_hex(6)}.new"
        with fresh.open("wb", buffering=0) as file:
            for _ in range(self._size // len(_ZEROS)):
                file.write(_ZEROS)
                os.fdatasync(file.fileno())
        fresh.rename(fresh.with_suffix(".blank"))


class Segment:
    """One growing object. Used by one sender at a time; `key` is its name in the object store.

    `room` how long it should become in bytes.
    """

    def __init__(self, objects: Path, open_marks: Path, institution_code: str, blanks: Blanks | None = None) -> None:
        now = datetime.now(UTC)
        stem = f"{now:%H%M%S}-{secrets.token_hex(6)}"
        self.key = f"landing/{institution_code}/{now:%Y/%m/%d}/{stem}.tar"
        self._mark = open_marks / f"{institution_code}~{now:%Y~%m~%d}~{stem}"
        self.end = 0
        self._failed: OSError | None = None
        self._begun = 0  # what lies before it, the disk has begun to write
        self.made_at = self.used_at = time.monotonic()
        path = objects / self.key
        try:
            if not (objects / MARK).is_file():
                raise StorageLost(f"{objects} does not hold {MARK}; is its disk mounted?")
            make_folders(path.parent)
            self._mark.touch()
            sync_folder(open_marks)
            self._blank = blanks is not None and blanks.take(path)
            fresh = 0 if self._blank else os.O_CREAT | os.O_EXCL
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | fresh, 0o640)
            fcntl.flock(self._fd, fcntl.LOCK_EX)  # tells recovery in another process that this one still writes here
            self._mark.touch()
            sync_folder(path.parent)
            self.room = os.fstat(self._fd).st_size if self._blank else LONGEST
        except OSError as error:
            raise storage_error(error) from error

    @staticmethod
    def key_of_mark(mark: str) -> str:
        """The key of the segment that a mark in the folder of open segments stands for."""
        code, year, month, day, stem = mark.split("~")
        return f"landing/{code}/{year}/{month}/{day}/{stem}.tar"

    def fileno(self) -> int:
        """The descriptor, for mapping what was written."""
        return self._fd

    def write(self, at: int, data: Buffer) -> int:
        """Write all of `data` at `at`; returns where it ends. The disk is told now and then. Raises StorageFull, StorageLost."""
        view = memoryview(data)
        try:
            while view:
                done = os.pwrite(self._fd, view, at)
                at += done
                view = view[done:]
        except OSError as error:
            raise storage_error(error) from error
        if at - self._begun >= _WRITEBACK and not self._blank:
            _libc.sync_file_range(self._fd, ctypes.c_int64(self._begun), ctypes.c_int64(at - self._begun), _START_WRITEBACK)
            self._begun = at
        return at

    def commit(self, name: str, length: int, digest: bytes) -> None:
        """Write the header of the member whose `length` bytes lie behind `end`, and move `end` past it."""
        if not self._blank:  # fill the last block, so that a reader meets a whole tar while the segment is still open
            self.write(self.end + BLOCK + length, _ZEROS[: -length % BLOCK])
        self.write(self.end, member_header(name, length, int(time.time()), digest))
        self.end += BLOCK + -(-length // BLOCK) * BLOCK
        self.used_at = time.monotonic()

    def sync(self) -> None:
        """Return when everything written is on disk. Raises StorageFull, StorageLost, and does so ever after it did once."""
        if self._failed is not None:
            raise storage_error(self._failed)
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            self._failed = error  # the system tells it once, and may have dropped what it could not write
            self.room = 0
            raise storage_error(error) from error

    def drop_tail(self, upto: int) -> None:
        """Forget bytes written behind the last committed member, as far as `upto`."""
        try:
            if not self._blank:
                os.ftruncate(self._fd, self.end)
                self._begun = min(self._begun, self.end)
                return
            for at in range(self.end, upto, len(_ZEROS)):
                os.pwrite(self._fd, _ZEROS[: upto - at], at)
        except OSError as error:
            raise storage_error(error) from error

    def close(self) -> None:
        """End the tar properly (two zero blocks) and close the file; the open mark stays until `unmark`.

        Raises StorageFull, StorageLost.
        """
        try:
            os.ftruncate(self._fd, self.end + 2 * BLOCK)
            os.fsync(self._fd)
        except OSError as error:
            raise storage_error(error) from error
        finally:
            os.close(self._fd)

    def unmark(self) -> None:
        """The index holds every member of this segment for good: recovery need not look at it."""
        self._mark.unlink(missing_ok=True)
