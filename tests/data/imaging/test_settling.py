"""A quiet series' document and picture: made once for each version, made again when more arrives."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from panorad.data.imaging import settling
from panorad.model.actor import SYSTEM
from panorad.testing import Site

from .arrivals import instance
from .bundled import image


def versions(site: Site) -> list[tuple[int, int, bool]]:
    with site.center.begin(SYSTEM) as tx:
        return [(one.id, one.version, one.settled) for one in site.center.archive.series_versions(tx, "2.25.1")]


def picture(number: int) -> bytes:
    pixels = np.arange(64 * 64, dtype="<u2").reshape(64, 64)
    uids = {"StudyInstanceUID": "2.25.1", "SeriesInstanceUID": "2.25.1.1", "SOPInstanceUID": f"2.25.1.1.{number}"}
    return image(pixels, PatientID="P1", Modality="CT", InstanceNumber=number, **uids)


def test_a_document_is_made_once_for_each_version(center: Site) -> None:
    center.put([picture(1), picture(2)])
    assert center.settle() == 1
    [(series, version, settled)] = versions(center)
    assert settled
    first = settling.document_path(center.settings.cache, series, version)
    assert [one["0020000E"]["Value"] for one in json.loads(gzip.decompress(first.read_bytes()))] == [["2.25.1.1"]] * 2
    assert settling.picture_path(center.settings.cache, series, version).read_bytes().startswith(b"\xff\xd8")
    assert center.settle() == 0
    center.put([picture(2), picture(3)])
    [(_, newer, settled)] = versions(center)
    assert (newer > version, settled) == (True, False)
    assert center.settle() == 1
    second = settling.document_path(center.settings.cache, series, newer)
    assert len(json.loads(gzip.decompress(second.read_bytes()))) == 3
    kept = {path.name for folder in ("metadata", "pictures") for path in (center.settings.cache / folder).rglob("*.*")}
    assert kept == {second.name, settling.picture_path(center.settings.cache, series, newer).name}


def test_a_duplicate_makes_no_new_version(center: Site) -> None:
    center.put([instance()])
    center.settle()
    center.put([instance()])
    assert center.settle() == 0


def test_workers_side_by_side_settle_each_series_once(center: Site) -> None:
    center.put([instance(1, series, 1) for series in range(1, 17)])
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: center.settle(), range(4)))
    assert sum(done) == 16
    assert sum(event.kind == "series.settled" for event in center.events()) == 16
    assert all(settled for _, _, settled in versions(center))


def test_a_series_that_cannot_be_read_does_not_keep_the_others_waiting(center: Site) -> None:
    center.put([instance(1, 1, 1)])
    center.center.intakes.tidy(0)
    [path] = center.settings.objects.rglob("*.tar")
    center.put([instance(2, 1, 1)])
    center.center.blobs.close()
    path.unlink()
    assert center.settle() == 2
    assert sorted(event.outcome for event in center.events(kind="series.settled")) == ["failure", "success"]
