"""Instances for these tests: synthetic CT slices, and pydicom's bundled files."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

STUDY, SERIES = "2.25.10", "2.25.20"
FILES = {
    "implicit": "MR_small_implicit.dcm",
    "big endian": "MR_small_bigendian.dcm",
    "RLE": "MR_small_RLE.dcm",
    "JPEG 2000": "MR_small_jp2klossless.dcm",
    "JPEG-LS": "MR_small_jpeg_ls_lossless.dcm",
    "JPEG": "SC_rgb_jpeg_dcmtk.dcm",
    "frames": "SC_rgb_rle_2frame.dcm",
    "deflated": "image_dfl.dcm",
    "report": "test-SR.dcm",
    "waveform": "waveform_ecg.dcm",
}


def ct_slice(number: int, study: str = STUDY, series: str = SERIES, side: int = 64, shift: int = 0, uid: str = "") -> bytes:
    """A CT slice as a Part 10 file; `shift` changes its pixels."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, uid or f"{series}.{number}"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.Modality = "20240501", "101500", "A-1", "CT"
    ds.StudyDescription = "Thorax"
    ds.PatientName, ds.PatientID = "Zhang^San=张^三", "P1"
    ds.PatientBirthDate, ds.PatientSex, ds.StudyID = "19700101", "O", "S1"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
    ds.SeriesNumber, ds.InstanceNumber = 1, number
    item = Dataset()
    item.ScheduledProcedureStepID = "SPS-1"
    ds.RequestAttributesSequence = [item]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns, ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = side, side, 16, 16, 15, 1
    ds.RescaleSlope, ds.RescaleIntercept, ds.WindowCenter, ds.WindowWidth = 1, 0, 0, 2000
    ramp = np.arange(side * side, dtype="<i4").reshape(side, side) % 2000 - 1000 + number + shift
    ds.PixelData = ramp.astype("<i2").tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


@cache
def bundled() -> dict[str, bytes]:
    """Bundled files of pydicom by what is special about them, each in a study of its own."""
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    return {name: _own_study(f"2.25.{100 + n}", (folder / file).read_bytes()) for n, (name, file) in enumerate(FILES.items())}


def _own_study(study: str, data: bytes) -> bytes:
    ds = pydicom.dcmread(BytesIO(data))
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, f"{study}.1", f"{study}.1.1"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    out = BytesIO()
    ds.save_as(out)
    return out.getvalue()


def address_of(name: str) -> tuple[str, str, str]:
    """Study, series and SOP Instance UID of a bundled file."""
    study = f"2.25.{100 + list(FILES).index(name)}"
    return study, f"{study}.1", f"{study}.1.1"
