"""When a series has been quiet for a while, its metadata document and its picture are made, so that opening it reads one small file.

What is written lies under HOME/cache and can be made again at any time.
"""

from __future__ import annotations

import gzip
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import structlog

from panorad.data.imaging import store
from panorad.data.imaging.blobs import Blobs
from panorad.data.imaging.metadata import series_document
from panorad.data.imaging.render import thumbnail
from panorad.kit.errors import PanoradError
from panorad.kit.transaction import Begin, Transaction
from panorad.model.actor import SYSTEM
from panorad.model.event import Event
from panorad.model.instance import Stored

log = structlog.get_logger()
_PER_TRANSACTION = 4


def document_path(cache: Path, series_id: int, version: int) -> Path:
    """Where the gzip metadata document of this version of a series row lies."""
    return cache / "metadata" / f"{series_id % 1000:03d}" / f"{series_id}-{version}.json.gz"


def picture_path(cache: Path, series_id: int, version: int) -> Path:
    """Where the JPEG thumbnail of this version of a series row lies; absent when it has no picture."""
    return cache / "pictures" / f"{series_id % 1000:03d}" / f"{series_id}-{version}.jpg"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fresh.write_bytes(data)
    os.replace(fresh, path)


def make_document(blobs: Blobs, instances: list[Stored]) -> bytes:
    """The gzip metadata document of a series; Bulk Data URIs are below its own instances' resources."""

    def parts() -> Iterator[tuple[memoryview, str]]:
        for stored in instances:
            h = stored.header
            with blobs.view(stored.place) as view:
                yield view, f"/dicom-web/studies/{h.study_uid}/series/{h.series_uid}/instances/{h.sop_uid}/bulkdata"

    return gzip.compress(series_document(parts()), 6, mtime=0)


def make_picture(blobs: Blobs, instances: list[Stored]) -> bytes | None:
    """The thumbnail of a series: its middle image, or the nearest one that can be shown."""
    order = sorted(range(len(instances)), key=lambda n: abs(n - len(instances) // 2))
    for n in order[:3]:
        try:
            with blobs.view(instances[n].place) as view:
                picture = thumbnail(view)
        except PanoradError as error:
            log.info("no picture", sop=instances[n].header.sop_uid, reason=error.message)
            continue
        if picture is not None:
            return picture
    return None


def settle_some(begin: Begin, blobs: Blobs, cache: Path, quiet_s: float) -> int:
    """Settle a few quiet series; returns how many. Several workers may do so side by side."""
    with begin(SYSTEM) as tx:
        rows = store.unsettled(tx, quiet_s, _PER_TRANSACTION)
        for series_id, study_uid, series_uid, version, institution in rows:
            _settle_one(tx, blobs, cache, series_id, study_uid, series_uid, version, institution)
    return len(rows)


def _settle_one(
    tx: Transaction, blobs: Blobs, cache: Path, series_id: int, study: str, series: str, version: int, institution: int
) -> None:
    instances = [stored for stored in store.find_stored(tx, study, series, None) if stored.institution == institution]
    objects = {"study": study, "series": series}
    try:
        write_whole(document_path(cache, series_id, version), make_document(blobs, instances))
        picture = make_picture(blobs, instances)
        if picture is not None:
            write_whole(picture_path(cache, series_id, version), picture)
        outcome, detail = "success", {"instances": len(instances)}
    except Exception as error:  # a series that cannot be settled must not keep the others waiting
        log.error("a series could not be settled", series=series, reason=type(error).__name__)
        outcome, detail = "failure", {"reason": type(error).__name__}  # type: ignore[dict-item]
    store.settle(tx, series_id, version)
    tx.emit(Event("series.settled", objects, detail, outcome, institution))  # type: ignore[arg-type]
    for made in (document_path(cache, series_id, version), picture_path(cache, series_id, version)):
        for old in made.parent.glob(f"{series_id}-*"):
            if old.name != made.name:
                old.unlink(missing_ok=True)
