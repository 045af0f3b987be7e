"""Images for the stories: generated CT slices of the usual size, and pydicom's own files under new UIDs."""

import io
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

RANDOM_PLANES = 8


@cache
def _planes(size: int) -> tuple[np.ndarray, ...]:
    """Return a few noisy body-like planes, int16 in Hounsfield units, which compress as CT does."""
    noise = np.random.default_rng(20240501)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    planes = []
    for index in range(RANDOM_PLANES):
        body = np.where(x**2 + (1.3 * y) ** 2 < 0.8, 40.0, -1000.0)
        body[(np.abs(x) - 0.35) ** 2 + y**2 < 0.08 + 0.005 * index] = -850
        planes.append((body + noise.normal(0, 20, body.shape)).astype("<i2"))
    return tuple(planes)


def ct_slice(
    study: str,
    series: str,
    number: int,
    *,
    patient: str = "CT-1",
    name: str = "Phantom^One",
    size: int = 512,
    charset: str = "ISO_IR 192",
) -> FileDataset:
    """Return one axial CT slice of ``size`` x ``size`` 16-bit pixels (525 KB at 512) with a SOP Instance UID of its own."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid(prefix=None)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.SpecificCharacterSet = charset
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, f"{series}.1"[:64]
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20240501"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "083000"
    ds.AccessionNumber, ds.StudyID, ds.Modality = f"A-{patient}"[:16], "1", "CT"
    ds.Manufacturer, ds.ManufacturerModelName = "Panorad Tests", "Generator"
    ds.ReferringPhysicianName, ds.StudyDescription, ds.SeriesDescription = "", "Thorax", "Lung 1.0"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = name, patient, "19700101", "O"
    ds.BodyPartExamined, ds.SliceThickness, ds.KVP = "CHEST", "1.0", "120"
    ds.SeriesNumber, ds.AcquisitionNumber, ds.InstanceNumber = 1, 1, number
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-175, -175, float(number)], [1, 0, 0, 0, 1, 0]
    ds.PositionReferenceIndicator, ds.SliceLocation = "", float(number)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", size, size
    ds.PixelSpacing = [round(350 / size, 4)] * 2
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.WindowCenter, ds.WindowWidth, ds.RescaleIntercept, ds.RescaleSlope = "-500", "1500", "0", "1"
    ds.PixelData = np.roll(_planes(size)[number % RANDOM_PLANES], number, axis=0).tobytes()
    return ds


def ct_series(count: int, *, patient: str = "CT-1", name: str = "Phantom^One", size: int = 512) -> Iterator[tuple[str, bytes]]:
    """Yield (SOP Instance UID, DICOM file) for one new series of a new study."""
    study, series = generate_uid(prefix=None), generate_uid(prefix=None)
    for number in range(1, count + 1):
        ds = ct_slice(study, series, number, patient=patient, name=name, size=size)
        yield ds.SOPInstanceUID, encode(ds)


def encode(ds: Dataset) -> bytes:
    """Return the data set as a DICOM file."""
    with io.BytesIO() as out:
        ds.save_as(out, enforce_file_format=True)
        return out.getvalue()


def read(raw: bytes) -> FileDataset:
    """Parse a file, however odd, without letting pydicom's warnings fail the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(io.BytesIO(raw), force=True)


def value_of(ds: Dataset, keyword: str) -> str:
    """Return an attribute as text, or nothing where it is absent; a value that breaks its VR is no reason to warn here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(ds.get(keyword) or "")


def bundled(name: str) -> Path:
    """Return the path of a file that pydicom carries in its wheel; nothing is downloaded."""
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str), f"pydicom carries no {name}"
    return Path(found)


def renewed(name: str, **attributes: object) -> bytes:
    """Return a file bundled with pydicom under new study, series and instance UIDs, otherwise in the same transfer syntax.

    ``attributes`` are set by keyword, for example ``PatientID="X"``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(bundled(name))
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(ds, keyword, generate_uid(prefix=None))
        ds.file_meta.MediaStorageSOPInstanceUID, ds.file_meta.MediaStorageSOPClassUID = ds.SOPInstanceUID, ds.SOPClassUID
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)
        return encode(ds)
