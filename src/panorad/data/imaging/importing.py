"""Importing from files: folders, zip archives, DICOMDIR media.

Each file is taken or refused with a reason; a second run goes on where the first stopped.
"""

from __future__ import annotations

import json
import os
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO

from panorad.data.imaging.header import DatasetInvalid
from panorad.data.imaging.intake import Intake, Refused
from panorad.data.imaging.part10 import split
from panorad.kit.errors import Kind, PanoradError

_CHUNK = 1 << 20
_FLUSH_EVERY = 200
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""What zipfile unpacks piece by piece. With the other methods a few kilobytes may become gigabytes in memory before we see one byte."""
_ARCHIVE = "a zip archive that is damaged, or lies in another one: unpack it first"
_UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, struct.error, zlib.error, zipfile.BadZipFile)


class NothingToImport(PanoradError):
    """There is nothing to import at this path"""

    kind = Kind.ABSENT


@dataclass(frozen=True, slots=True)
class Source:
    """One file to import: its name for people, its identity for going on later, its size, how to open it.

    And how many bytes it may give, for a member of an archive.
    """

    name: str
    identity: str
    size: int
    open: Callable[[], IO[bytes]]
    most: int | None = None


@dataclass
class ImportReport:
    """What became of the files: counts by fate, and every refusal with its reason."""

    fates: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)
    bytes: int = 0

    def to_json(self) -> str:
        """For a report file."""
        return json.dumps({"fates": dict(self.fates), "bytes": self.bytes, "refused": [{"file": f, "reason": r} for f, r in self.refused]},
                          ensure_ascii=False, indent=1)  # fmt: skip


def sources(path: Path, most: int | None = None) -> Iterator[Source]:
    """Every file at a path: of a folder (and the zip archives in it), of a zip archive, of the media that a DICOMDIR lists.

    `most`: the bytes to which a member of an archive may be unpacked. Raises NothingToImport.
    """
    if not path.exists():
        raise NothingToImport(str(path))
    if path.is_dir():
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                file = Path(folder) / name
                if file.is_file():
                    yield from _members(file, most) if _is_archive(file) else (_file(file),)
    elif path.name.upper() == "DICOMDIR":
        yield from _media(path)
    elif _is_archive(path):
        yield from _members(path, most)
    else:
        yield _file(path)


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")


def _is_archive(path: Path) -> bool:
    """Whether it is a zip archive from its first byte on: an image may end like one, with an encapsulated document."""
    try:
        with path.open("rb") as file:
            return file.read(2) == b"PK" and zipfile.is_zipfile(path)
    except OSError:
        return False


def _file(path: Path) -> Source:
    stat = path.stat()
    return Source(str(path), f"{path.absolute()}|{stat.st_size}|{stat.st_mtime_ns}", stat.st_size, partial(_opened, path))


def _members(path: Path, most: int | None) -> Iterator[Source]:
    try:
        archive = zipfile.ZipFile(path)
    except _UNREADABLE:
        yield _file(path)  # refused when it is taken, with the reason
        return
    with archive:
        for info in archive.infolist():
            if not info.is_dir():
                identity = f"{path.absolute()}|{info.filename}|{info.file_size}|{info.CRC}"
                yield Source(f"{path}!{info.filename}", identity, info.file_size, partial(_opened_member, archive, info), most)


def _opened_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.compress_type not in _METHODS:
        raise NotImplementedError("only the methods store and deflate are taken")
    return archive.open(info)


def _media(path: Path) -> Iterator[Source]:
    """The files that a DICOMDIR references (PS3.3 F.3, Referenced File ID)."""
    from pydicom import dcmread

    names = {entry.relative_to(path.parent).as_posix().upper(): entry for entry in path.parent.rglob("*")}
    for record in dcmread(path).get("DirectoryRecordSequence", []):
        parts = record.get("ReferencedFileID")
        if not parts:
            continue
        named = "/".join([parts] if isinstance(parts, str) else parts)
        file = names.get(named.upper(), path.parent / named)
        if file.is_file():
            yield _file(file)
        else:
            yield Source(str(file), f"{file}|missing", 0, partial(_opened, file))


class Journal:
    """Which files an earlier run has taken: lines of digests in a file, written after they were durable."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = set(path.read_text("ascii").split()) if path.exists() else set()
        self._pending: list[str] = []

    @staticmethod
    def key(source: Source) -> str:
        """A short digest of the file's identity."""
        return sha256(source.identity.encode("utf-8", "surrogateescape")).hexdigest()[:24]

    def has(self, source: Source) -> bool:
        """Whether the file was taken before."""
        return self.key(source) in self._known

    def add(self, source: Source) -> None:
        """The file was taken; remembered at the next `write`."""
        self._pending.append(self.key(source))

    def write(self) -> None:
        """Remember what was added."""
        if self._pending:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._path.open("a", encoding="ascii") as file:
                file.write("".join(f"{key}\n" for key in self._pending))
            self._known.update(self._pending)
            self._pending.clear()


def run_import(intake: Intake, found: Iterator[Source], journal: Journal | None, progress: Callable[[Source], None]) -> ImportReport:
    """Take every file. Raises StorageFull, StorageLost, DatabaseDown; what was taken before stays, and a second run goes on from there."""
    report = ImportReport()
    counted = len(intake.receipts)
    for n, source in enumerate(found, 1):
        if journal is not None and journal.has(source):
            report.fates["taken before"] += 1
        else:
            reason = _take(intake, source)
            if reason is None:
                report.bytes += source.size
            else:
                report.fates["refused"] += 1
                report.refused.append((source.name, reason))
            if journal is not None and reason is None:
                journal.add(source)
        progress(source)
        if n % _FLUSH_EVERY == 0:
            intake.flush()
            if journal is not None:
                journal.write()
    intake.flush(600)
    if journal is not None:
        journal.write()
    for receipt in intake.receipts[counted:]:
        report.fates[receipt.fate] += 1
    return report


def _take(intake: Intake, source: Source) -> str | None:
    """Take one file; the reason when it is refused."""
    too_large = f"it unpacks to more than {source.most} bytes (setting largest_instance)"
    if source.most is not None and source.size > source.most:
        return too_large
    try:
        with source.open() as file:
            head = file.read(_CHUNK)
            if not head:
                return "the file is empty"
            try:
                parts = split(head)
            except DatasetInvalid as error:
                if head[128:132] != b"DICM":
                    return _ARCHIVE if head.startswith(b"PK\3\4") else f"not DICOM: {error.detail}"
            else:
                if parts.meta.get("00020002") == _MEDIA_DIRECTORY:
                    return "a DICOMDIR: the files it lists are imported, it is not an image"
            incoming = intake.begin_part10()
            taken = 0
            try:
                while head:
                    taken += len(head)
                    if source.most is not None and taken > source.most:  # whatever size the archive declares
                        incoming.abort()
                        return too_large
                    incoming.write(head)
                    head = file.read(_CHUNK)
            except _UNREADABLE:
                incoming.abort()
                raise
            incoming.finish(sync=False)
    except Refused as error:
        return error.detail
    except _UNREADABLE as error:
        return f"the file cannot be read: {error}"
    return None
