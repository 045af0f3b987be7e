"""Every public file at hand: read as pydicom reads it, or refused with a reason."""

import json
import os
from collections import Counter
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from panorad.data.imaging import part10
from panorad.data.imaging.attributes import PATIENT, SERIES, STUDY
from panorad.data.imaging.describe import describe
from panorad.data.imaging.header import DatasetInvalid, check_extent, scan

pytestmark = [pytest.mark.realdata, pytest.mark.filterwarnings("ignore")]

ROOT = Path(os.environ.get("PANORAD_REALDATA", "../shared/data"))
FIELDS = {
    "study_uid": "StudyInstanceUID",
    "series_uid": "SeriesInstanceUID",
    "sop_uid": "SOPInstanceUID",
    "sop_class": "SOPClassUID",
    "patient_id": "PatientID",
    "issuer": "IssuerOfPatientID",
    "number": "InstanceNumber",
    "rows": "Rows",
    "columns": "Columns",
    "frames": "NumberOfFrames",
    "bits_allocated": "BitsAllocated",
    "samples": "SamplesPerPixel",
}
# pydicom leaves the escape sequence of ISO 2022 IR 58 in the text and takes undeclared GB 18030 for Latin-1
CHARSETS_READ_BETTER = {"chrGB2312.dcm", "GH1301.dcm"}


def files() -> list[Path]:
    found = [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file() and path.suffix not in (".csv", ".json", ".hl7", ".png", ".xml")
    ]
    if not found:
        pytest.skip(f"no real data under {ROOT}")
    return found


def plain(value: object) -> object:
    """Return a value of the DICOM JSON model with what does not count left out."""
    if isinstance(value, dict):
        return {
            key: plain(inner)
            for key, inner in value.items()
            if key != "00080005" and not (key == "Value" and inner in ([], None))
        }
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.strip(" \0") or None if isinstance(value, str) else value


def differences(path: Path, data: memoryview, syntax: str, dataset: Dataset) -> list[str]:
    described = describe(data, syntax)
    json.dumps([described.study, described.series], allow_nan=False)
    ours = {**described.study, **described.series}
    theirs = dataset.to_json_dict(suppress_invalid_tags=True)
    kept = [f"{tag:08X}" for tag in {**PATIENT, **STUDY, **SERIES}]
    return [
        f"{path.name} {tag}: {ours.get(tag)} {theirs.get(tag)}"
        for tag in kept
        if tag in theirs and theirs[tag]["vr"] != "SQ" and plain(ours.get(tag)) != plain(theirs[tag])
    ]


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level("CRITICAL")


def test_every_file_is_read_as_pydicom_reads_it_or_refused_with_a_reason(capsys):
    fates: Counter[str] = Counter()
    wrong: list[str] = []
    for path in files():
        data = path.read_bytes()
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            known = bool(dataset.file_meta) and "SOPInstanceUID" in dataset
        except Exception:
            known = False
        try:
            parts = part10.split(data)
        except DatasetInvalid as error:
            fates["no DICOM"] += 1
            if known:
                wrong.append(f"{path.name}: {error}")
            continue
        body = memoryview(data)[parts.data_at :]
        try:
            scanned = scan(body, parts.transfer_syntax)
            fates["with warnings" if check_extent(body, scanned) else "read"] += 1
        except DatasetInvalid as error:
            fates["refused"] += 1
            wrong += [] if error.detail else [f"{path.name} is refused without a reason"]
            continue
        for field, keyword in FIELDS.items():
            expected = dataset.get(keyword)
            expected = (str(expected or "") if field in ("patient_id", "issuer") else expected) or None
            if (getattr(scanned, field) or None) != expected:
                wrong.append(f"{path.name} {field}: {getattr(scanned, field)!r} {expected!r}")
        if path.name not in CHARSETS_READ_BETTER:
            wrong += differences(path, body, parts.transfer_syntax, dataset)
    with capsys.disabled():
        print(f"\n{dict(fates)}")
    assert wrong == []
    assert fates["read"] > 20 * fates["refused"]
