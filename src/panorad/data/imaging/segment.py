"""Landing segments: received instances are appended to an uncompressed tar of plain Part 10 files.

The tar header of a member is written last, after its bytes: it is the commit mark. A segment that was being written when the machine
died therefore reads as a tar that ends after the last complete member, and any tar program can unpack it (POSIX.1-1988 ustar).
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from panorad.kit.errors import PanoradError, StorageFull, StorageLost

BLOCK = 512
Buffer = bytes | bytearray | memoryview
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_START_WRITEBACK = 2
_libc = ctypes.CDLL(None, use_errno=True)


def storage_error(error: OSError) -> PanoradError:
    """The error that a failed write means: the disk is full, or it is gone."""
    return StorageFull() if error.errno in _FULL else StorageLost(os.strerror(error.errno or 0))


def member_header(name: str, size: int, mtime: int) -> bytes:
    """The 512-byte ustar header of a regular file. `name` is `STUDY/SERIES/SOP.dcm`, at most 64 characters each."""
    prefix, _, tail = name.rpartition("/")

    sized = b"%011o\0" % size if size < 8**11 else b"\x80\0\0\0" + size.to_bytes(8, "big")
    head = bytearray(BLOCK)
    head[0:100] = tail.encode("ascii").ljust(100, b"\0")
    head[100:124] = b"0000644\0" b"0000000\0" b"0000000\0"
    head[124:136] = sized
    head[136:148] = b"%011o\0" % mtime
    head[148:156] = b"        "
    head[156] = ord("0")
    head[257:265] = b"ustar\x0000"
    head[345:500] = prefix.encode("ascii").ljust(155, b"\0")
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def _member(head: bytes) -> tuple[str, int] | None:
    """Name and size told by a header block, or None when the block is not one."""
    if len(head) < BLOCK or head[257:262] != b"ustar":
        return None
    said = int(head[148:154], 8) if head[148:154].isdigit() else -1
    if said != sum(head) - sum(head[148:156]) + 8 * 32:
        return None
    raw = head[124:136]
    size = int.from_bytes(raw[1:], "big") if raw[0] & 0x80 else int(raw[:11], 8)
    name, prefix = (part.split(b"\0", 1)[0].decode("ascii") for part in (head[0:100], head[345:500]))
    return (f"{prefix}/{name}" if prefix else name), size


def members(path: Path) -> Iterator[tuple[str, int, int]]:
    """(name, offset of the bytes, length) of every complete member of a tar segment, in order, up to the first torn one."""
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        at = 0
        while at + BLOCK <= end:
            file.seek(at)
            member = _member(file.read(BLOCK))
            if member is None or at + BLOCK + member[1] > end:
                return
            name, size = member
            yield name, at + BLOCK, size
            at += BLOCK + -(-size // BLOCK) * BLOCK


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


class Segment:
    """One growing object. Used by one sender at a time; `key` is its name in the object store."""

    def __init__(self, objects: Path, open_marks: Path, institution_code: str) -> None:
        now = datetime.now(UTC)
        stem = f"{now:%H%M%S}-{secrets.token_hex(6)}"
        self.key = f"landing/{institution_code}/{now:%Y/%m/%d}/{stem}.tar"
        self._mark = open_marks / f"{institution_code}~{now:%Y~%m~%d}~{stem}"
        self.end = 0
        self.used_at = time.monotonic()
        path = objects / self.key
        try:
            if not objects.is_dir():
                raise StorageLost(f"{objects} is not there")
            make_folders(path.parent)
            self._mark.touch()
            sync_folder(open_marks)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            sync_folder(path.parent)
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
        """Write all of `data` at `at`; returns where it ends. Starts the disk on it without waiting. Raises StorageFull, StorageLost."""
        view = memoryview(data)
        begin = at
        try:
            while view:
                done = os.pwrite(self._fd, view, at)
                at += done
                view = view[done:]
        except OSError as error:
            raise storage_error(error) from error
        if at - begin >= 1 << 16:
            _libc.sync_file_range(self._fd, ctypes.c_int64(begin), ctypes.c_int64(at - begin), _START_WRITEBACK)
        return at

    def commit(self, name: str, length: int) -> None:
        """Write the header of the member whose `length` bytes lie behind `end`, and move `end` past it."""
        self.write(self.end, member_header(name, length, int(time.time())))
        self.end += BLOCK + -(-length // BLOCK) * BLOCK
        self.used_at = time.monotonic()

    def sync(self) -> None:
        """Return when everything written is on disk. Raises StorageFull, StorageLost."""
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise storage_error(error) from error

    def drop_tail(self) -> None:
        """Forget bytes written behind the last committed member."""
        try:
            os.ftruncate(self._fd, self.end)
        except OSError as error:
            raise storage_error(error) from error

    def close(self) -> None:
        """End the tar properly (two zero blocks) and close the file; the open mark stays until `unmark`."""
        try:
            os.ftruncate(self._fd, self.end + 2 * BLOCK)
            os.fsync(self._fd)
        finally:
            os.close(self._fd)

    def unmark(self) -> None:
        """The index holds every member of this segment for good: recovery need not look at it."""
        self._mark.unlink(missing_ok=True)
