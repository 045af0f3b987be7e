"""Reading a CT header for the index: `panorad.data.imaging.header.scan` beside pydicom, on the same bytes in the same run."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from panorad.data.imaging import header, part10
from panorad.data.imaging.describe import describe

_KEYWORDS = [
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "PatientID",
    "IssuerOfPatientID",
    "InstanceNumber",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "BitsAllocated",
    "SamplesPerPixel",
    "SpecificCharacterSet",
]


def _microseconds(work: Callable[[], object], times: int) -> float:
    """The best of five rounds, for one call."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(times):
            work()
        best = min(best, time.perf_counter() - start)
    return round(best / times * 1e6, 1)


def _ct_slice() -> bytes:
    """A public CT slice of pydicom's without its private elements, 512 rows of 512 columns: 525 KB."""
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.remove_private_tags()
    dataset.Rows = dataset.Columns = 512
    dataset.PixelData = bytes(512 * 512 * 2)
    written = io.BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()


def run(tiny: bool) -> dict[str, object]:
    """Times in microseconds: scan, check_extent, describe, file_meta, and pydicom reading the same attributes."""
    file = _ct_slice()
    parts = part10.split(file)
    data = memoryview(file)[parts.data_at :]
    scanned = header.scan(data, parts.transfer_syntax)
    times = 20 if tiny else 2000

    def rival() -> list[object]:
        dataset: Dataset = pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True)
        return [dataset.get(keyword) for keyword in _KEYWORDS]

    ours = _microseconds(lambda: header.scan(data, parts.transfer_syntax), times)
    theirs = _microseconds(rival, max(times // 10, 5))
    return {
        "elements": len(pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True)),
        "scan_us": ours,
        "pydicom_us": theirs,
        "faster": round(theirs / ours, 1),
        "check_extent_us": _microseconds(lambda: header.check_extent(data, scanned), times),
        "describe_us": _microseconds(lambda: describe(data, parts.transfer_syntax), max(times // 10, 5)),
        "split_us": _microseconds(lambda: part10.split(file), times),
        "file_meta_us": _microseconds(
            lambda: part10.file_meta(scanned.sop_class, scanned.sop_uid, parts.transfer_syntax, "SCANNER"), times
        ),
    }
