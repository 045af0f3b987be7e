"""Reading stored objects: file descriptors kept open, byte ranges read or mapped, nothing decoded."""

from __future__ import annotations

import mmap
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from panorad.kit.errors import Kind, PanoradError, StorageLost
from panorad.model.instance import Place

_OPEN_FILES = 256


class ObjectAbsent(PanoradError):
    """A stored object is not where the index says"""

    kind = Kind.INTERNAL


class Blobs:
    """The object store of one process: objects are files under `folder`, named by their keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def path(self, key: str) -> Path:
        """Where the object of this key lies."""
        return self.folder / key

    def _descriptor(self, key: str) -> int:
        """A descriptor of our own for the object: a duplicate of the cached one, which may be closed at any time."""
        with self._lock:
            cached = self._open.get(key)
            if cached is None:
                try:
                    cached = os.open(self.folder / key, os.O_RDONLY | os.O_CLOEXEC)
                except FileNotFoundError as error:
                    raise (ObjectAbsent(key) if self.folder.is_dir() else StorageLost()) from error
                except OSError as error:
                    raise StorageLost(os.strerror(error.errno or 0)) from error
                self._open[key] = cached
                if len(self._open) > _OPEN_FILES:
                    os.close(self._open.popitem(last=False)[1])
            else:
                self._open.move_to_end(key)
            return os.dup(cached)

    def read(self, place: Place, offset: int = 0, length: int | None = None) -> bytes:
        """`length` bytes (default: all that remain) of the instance's Part 10 file from `offset`. Raises ObjectAbsent, StorageLost."""
        wanted = place.length - offset if length is None else length
        descriptor = self._descriptor(place.key)
        try:
            data = os.pread(descriptor, wanted, place.offset + offset)
            while len(data) < wanted and (more := os.pread(descriptor, wanted - len(data), place.offset + offset + len(data))):
                data += more
        except OSError as error:
            raise StorageLost(os.strerror(error.errno or 0)) from error
        finally:
            os.close(descriptor)
        if len(data) != wanted:
            raise ObjectAbsent(f"{place.key} ends early")
        return data

    @contextmanager
    def view(self, place: Place) -> Iterator[memoryview]:
        """The instance's Part 10 bytes, mapped and not read; the view is valid inside the block."""
        descriptor = self._descriptor(place.key)
        try:
            if os.fstat(descriptor).st_size < place.offset + place.length:
                raise ObjectAbsent(f"{place.key} ends early")
            start = place.offset - place.offset % mmap.ALLOCATIONGRANULARITY
            mapped = mmap.mmap(descriptor, place.offset - start + place.length, access=mmap.ACCESS_READ, offset=start)
        finally:
            os.close(descriptor)
        whole = memoryview(mapped)
        part = whole[place.offset - start :]
        try:
            yield part
        finally:
            part.release()
            whole.release()
            with suppress(BufferError):  # a reader still holds a slice; the mapping goes with it
                mapped.close()

    def close(self) -> None:
        """Close every file."""
        with self._lock:
            for descriptor in self._open.values():
                os.close(descriptor)
            self._open.clear()
