"""Metadata documents of series: made once for each version, kept as gzip, joined for studies without inflating them."""

from __future__ import annotations

import json
import os
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile

from panorad.access.dicomweb.deflate import Piece, pack, unpack
from panorad.access.dicomweb.deps import Blobs
from panorad.access.dicomweb.target import ROOT, url_of
from panorad.data.imaging.metadata import series_document
from panorad.data.imaging.settling import document_path
from panorad.model.instance import Stored

KEPT = 4
"""How many documents are kept of one series: versions, and addresses under which clients see the center."""

Version = tuple[tuple[int, int], ...]
"""What identifies the content of a series for one scope: its rows and their versions."""

_RELATIVE = re.compile(rb'"BulkDataURI":\s*"' + ROOT.encode() + b"/")


class Documents:
    """The documents under one cache folder, shared by every process of the center; any of them may be deleted at any time."""

    def __init__(self, folder: Path, blobs: Blobs) -> None:
        self._folder = folder
        self._blobs = blobs
        self._locks = tuple(threading.Lock() for _ in range(16))

    def series(self, series_uid: str, version: Version, base: str, load: Callable[[], Sequence[Stored]]) -> Piece:
        """The metadata of a series at this version with addresses under `base`, kept or made of what `load` gives."""
        path = self._path(series_uid, version, base)
        if piece := _kept(path):
            return piece
        with self._locks[hash(path) % len(self._locks)]:
            if piece := _kept(path):
                return piece
            text = self._settled(version, base)
            piece = Piece.of(elements(self._blobs, load(), base) if text is None else text)
            self._keep(path, pack(piece))
            return piece

    def document(self, series_uid: str, version: Version, base: str, load: Callable[[], Sequence[Stored]]) -> bytes:
        """The same as a whole gzip document of a JSON array."""
        return pack(self.series(series_uid, version, base, load))

    def _settled(self, version: Version, base: str) -> bytes | None:
        """The inside of the document made when the series settled, with this client's addresses; None without one."""
        if len(version) != 1:
            return None
        try:
            text = zlib.decompress(document_path(self._folder, *version[0]).read_bytes(), 31).strip()
        except (OSError, zlib.error):
            return None
        address = b'"BulkDataURI":' + json.dumps(base).encode()[:-1] + b"/"
        return _RELATIVE.sub(lambda match: address, text[1:-1])

    def _path(self, series_uid: str, version: Version, base: str) -> Path:
        series, name = _digest(series_uid, 12), _digest(repr((series_uid, version, base)), 16)
        return self._folder / "dicomweb" / series[:2] / series / f"{name}.json.gz"

    def _keep(self, path: Path, document: bytes) -> None:
        """Write a document beside the others of its series; a cache that cannot be written is no error."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(document)
            os.replace(file.name, path)
            dated = sorted(((other.stat().st_mtime_ns, other) for other in path.parent.iterdir()), reverse=True)
            for _, old in dated[KEPT:]:
                old.unlink(missing_ok=True)
        except OSError:
            return


def elements(blobs: Blobs, instances: Iterable[Stored], base: str) -> bytes:
    """The metadata of instances in the DICOM JSON Model (PS3.18 annex F): JSON objects joined by commas."""

    def opened() -> Iterator[tuple[memoryview, str]]:
        for one in instances:
            header = one.header
            with blobs.view(one.place) as view:
                yield view, url_of(base, header.study_uid, header.series_uid, header.sop_uid) + "/bulkdata"

    return series_document(opened())[1:-1]


def _kept(path: Path) -> Piece | None:
    try:
        return unpack(path.read_bytes())
    except (OSError, ValueError):
        return None


def _digest(text: str, size: int) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=size).hexdigest()


def inflate(document: bytes) -> bytes:
    """The JSON text of a gzip document, for clients that do not take gzip."""
    return zlib.decompress(document, 31)
