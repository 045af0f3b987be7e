"""Valid DICOM images of people who do not exist, made from phantoms.

Every builder fills the Type 1 and 2 attributes of its IOD (PS3.3 annex A), so a validator finds no error. UIDs are derived
from what they name, under the root 2.25 (PS3.5 section B.2): the same call gives the same data sets.
"""

import hashlib
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    UltrasoundMultiFrameImageStorage,
)
from pydicom.valuerep import PersonName

from panorad.testing.encoding import encode, file_meta, to_bytes, write
from panorad.testing.phantom import WATER_PER_MM, Thorax

__all__ = [
    "PEOPLE", "Patient", "Study", "chest_radiograph", "ct_series", "encode", "patient", "secondary_capture",
    "to_bytes", "uid", "ultrasound_cine", "write",
]  # fmt: skip

MANUFACTURER = "Panorad phantom"
HU_OFFSET = -1024
UTF8, GB18030, ISO2022 = "ISO_IR 192", "GB18030", ("", "ISO 2022 IR 58")


@dataclass(frozen=True)
class Patient:
    """A fictitious patient: DICOM name, ID, sex, birth date (YYYYMMDD) and the character set that the sender writes."""

    name: str
    patient_id: str
    sex: str
    birth_date: str
    charset: str | tuple[str, ...] = UTF8
    issuer: str = ""


@dataclass(frozen=True)
class Study:
    """A study of one patient: when (YYYYMMDD, HHMMSS), where, why. `key` tells studies of the same moment apart."""

    date: str
    time: str
    description: str
    accession: str
    institution: str = "Fictitious hospital"
    key: str = ""

    def uid(self, person: Patient) -> UID:
        """Study Instance UID."""
        return uid("study", person.issuer, person.patient_id, person.name, self.date, self.time, self.accession, self.key)


PEOPLE = (
    Patient("Zhang^San=张^三", "123", "M", "19560312", UTF8),
    Patient("Li^Si=李^四", "123", "F", "19630921", GB18030),
    Patient("Wang^Wu=王^五", "P00017", "M", "19480105", ISO2022),
    Patient("Zhao^Liu=赵^六", "P00029", "F", "19790630", GB18030),
    Patient("Qian^Qi=钱^七", "P00031", "M", "19900214", ISO2022),
    Patient("Sun^Ba=孙^八", "P00044", "F", "19711118", UTF8),
    Patient("Zhou^Jiu=周^九", "P00058", "M", "20010409", GB18030),
    Patient("DOE^Anna", "D-1001", "F", "19660720", "ISO_IR 100"),
    Patient("DOE^John", "D-1002", "M", "19531201", "ISO_IR 100"),
    Patient("ROE^Zoë", "D-1003", "F", "19880817", "ISO_IR 100"),
)
"""Placeholder names, as 张三 and Doe are: nobody."""


def patient(number: int, **changes: Any) -> Patient:
    """The `number`-th fictitious patient, counted round PEOPLE with new IDs after the first round."""
    person = PEOPLE[number % len(PEOPLE)]
    if number >= len(PEOPLE):
        person = replace(person, patient_id=f"X{number:05d}")
    return replace(person, **changes)


def uid(*parts: object) -> UID:
    """A UID named by the parts: always the same for the same parts (PS3.5 section B.2)."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return UID(f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}")


def ct_series(
    thorax: Thorax,
    person: Patient,
    study: Study,
    *,
    number: int = 2,
    description: str = "",
    windows: Sequence[tuple[str, int, int]] = (("MEDIASTINUM", 40, 400), ("LUNG", -600, 1500)),
) -> list[Dataset]:
    """A CT series (PS3.3 section A.3), one data set a slice, feet first in the list, Explicit VR Little Endian.

    Stored values are 12-bit unsigned; windows are (explanation, centre, width) in HU.
    """
    dz, dy, dx = thorax.spacing
    study_uid, base = study.uid(person), ("ct", study.uid(person), number)
    stored = np.clip(thorax.hu.astype(np.int32) - HU_OFFSET, 0, 4095).astype("<u2")
    out = []
    for n, pixels in enumerate(stored):
        ds = _instance(CTImageStorage, person, study, "CT", base, number, n + 1)
        z = thorax.origin[2] + n * dz
        ds.SeriesDescription = description or f"Chest {dz:g} mm {thorax.kernel}"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.BodyPartExamined, ds.PatientPosition = "CHEST", "HFS"
        ds.ProtocolName = "Chest"
        ds.KVP, ds.XRayTubeCurrent, ds.ExposureTime, ds.Exposure = (
            "120",
            str(round(thorax.mas * 2)),
            "500",
            str(round(thorax.mas)),
        )
        ds.ConvolutionKernel = thorax.kernel.upper()
        ds.GantryDetectorTilt, ds.ReconstructionDiameter = "0", f"{dx * pixels.shape[1]:.1f}"
        ds.SliceThickness, ds.SpacingBetweenSlices = f"{dz:.4g}", f"{dz:.4g}"
        if thorax.contrast:
            ds.ContrastBolusAgent, ds.ContrastBolusRoute = "Iodine contrast agent", "Intravenous route"
        ds.AcquisitionNumber = 1
        ds.AcquisitionDate, ds.AcquisitionTime = study.date, study.time
        ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = uid("frame", study_uid), ""
        ds.ImagePositionPatient = [f"{thorax.origin[0]:.6g}", f"{thorax.origin[1]:.6g}", f"{z:.6g}"]
        ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
        ds.SliceLocation = f"{z:.6g}"
        ds.PixelSpacing = [f"{dy:.8g}", f"{dx:.8g}"]
        _pixels(ds, pixels, bits=12)
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = str(HU_OFFSET), "1", "HU"
        ds.WindowCenter, ds.WindowWidth = [str(w[1]) for w in windows], [str(w[2]) for w in windows]
        ds.WindowCenterWidthExplanation = [w[0] for w in windows]
        out.append(ds)
    return out


def chest_radiograph(
    thorax: Thorax, person: Patient, study: Study, *, modality: str = "DX", size: int = 1024, number: int = 1
) -> Dataset:
    """A frontal chest radiograph projected through the phantom: DX (PS3.3 section A.26) or CR (section A.2).

    Give it a phantom without the table and with slices 1.5 mm thick or thinner. The image is square, `size` pixels a side.
    """
    if modality not in ("DX", "CR"):
        raise ValueError("a radiograph is DX or CR")
    pixels, spacing = radiograph(thorax, size)
    sop_class = DigitalXRayImageStorageForPresentation if modality == "DX" else ComputedRadiographyImageStorage
    ds = _instance(sop_class, person, study, modality, (modality, study.uid(person), number), number, 1)
    ds.SeriesDescription, ds.BodyPartExamined, ds.ViewPosition = "Chest PA", "CHEST", "PA"
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""] if modality == "DX" else ["ORIGINAL", "PRIMARY"]
    ds.PatientOrientation = ["L", "F"]
    ds.KVP, ds.Exposure = "120", "2"
    ds.ImagerPixelSpacing = [f"{spacing:.6g}"] * 2
    _pixels(ds, pixels, bits=12)
    ds.WindowCenter, ds.WindowWidth = "2048", "4096"
    if modality == "CR":
        return ds
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.ImageLaterality = "U"
    ds.AnatomicRegionSequence = [_code(Code("816094009", "SCT", "Chest"))]
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PresentationLUTShape = "IDENTITY"
    ds.LossyImageCompression, ds.BurnedInAnnotation = "00", "NO"
    ds.DetectorType, ds.DetectorConfiguration = "SCINTILLATOR", "AREA"
    ds.DetectorActiveShape, ds.FieldOfViewShape = "RECTANGLE", "RECTANGLE"
    ds.PositionerType, ds.AcquisitionContextSequence = "NONE", []
    ds.ViewCodeSequence = [_code(Code("399348003", "SCT", "postero-anterior"))]
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = []
    return ds


def radiograph(thorax: Thorax, size: int) -> tuple[NDArray[np.uint16], float]:
    """Project front to back: 12-bit pixels, dense tissue bright, seen as a reader hangs it, and the pixel pitch in mm."""
    from PIL import Image

    dz, dy, dx = thorax.spacing
    density = np.maximum(thorax.hu[::-1].astype(np.float32) + 1000, 0)
    # A hard beam and scatter flatten bone: what is denser than water counts a little less.
    density = np.minimum(density, 1000) + 0.8 * np.maximum(density - 1000, 0)
    path = density.sum(1) * np.float32(dy * WATER_PER_MM / 1000)
    height, width = path.shape[0] * dz, path.shape[1] * dx
    side = max(height, width)
    pitch = side / size
    picture = Image.fromarray(path).resize((round(width / pitch), round(height / pitch)), Image.Resampling.BICUBIC)
    field = np.zeros((size, size), np.float32)
    rows, columns = np.asarray(picture).shape
    top, left = (size - rows) // 2, (size - columns) // 2
    field[top : top + rows, left : left + columns] = np.asarray(picture)
    rng = np.random.default_rng(int(abs(thorax.origin[0]) * 1000) + size)
    field += rng.standard_normal(field.shape, np.float32) * 0.012 * np.exp(np.clip(field, 0, 9) / 6)
    low, high = np.quantile(path, 0.03), np.quantile(path, 0.985)
    tone = np.clip((field - low) / (high - low), 0, 1) ** 0.85
    return (tone * 4095).astype(np.uint16), pitch


def ultrasound_cine(
    person: Patient, study: Study, *, frames: int = 24, rows: int = 240, columns: int = 320, colour: str = "RGB", number: int = 1
) -> Dataset:
    """A beating chamber in speckle: Ultrasound Multi-frame Image (PS3.3 section A.7), RGB, PALETTE COLOR or MONOCHROME2."""
    if colour not in ("RGB", "PALETTE COLOR", "MONOCHROME2"):
        raise ValueError(f"not a colour space of ultrasound here: {colour}")
    ds = _instance(UltrasoundMultiFrameImageStorage, person, study, "US", ("us", study.uid(person), number), number, 1)
    grey = _cine(int.from_bytes(ds.SOPInstanceUID.encode()[-4:], "big"), frames, rows, columns)
    ds.SeriesDescription, ds.ImageType = "Cardiac cine", ["ORIGINAL", "PRIMARY"]
    ds.PatientOrientation = ds.Laterality = ""
    ds.NumberOfFrames, ds.FrameIncrementPointer, ds.FrameTime = frames, 0x00181063, "40"
    ds.CineRate, ds.RecommendedDisplayFrameRate = 25, 25
    ds.StartTrim, ds.StopTrim = 1, frames
    ds.LossyImageCompression = "00"
    if colour == "RGB":
        picture = np.repeat(grey[..., None], 3, -1)
        jet, speed = _doppler(grey)
        picture[jet] = np.stack([150 + 100 * speed, 190 * speed**2, 30 * speed], -1)[jet]
        _pixels(ds, picture, bits=8)
    else:
        _pixels(ds, grey, bits=8)
        ds.PhotometricInterpretation = colour
    if colour == "PALETTE COLOR":
        ramp = np.arange(256, dtype=np.float64) / 255
        for name, power in (("Red", 0.8), ("Green", 1.0), ("Blue", 1.5)):
            setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
            setattr(ds, f"{name}PaletteColorLookupTableData", (ramp**power * 65535).astype("<u2").tobytes())
    ds.UltrasoundColorDataPresent = int(colour == "RGB")
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = columns - 1, rows - 1
    region.PhysicalUnitsXDirection, region.PhysicalUnitsYDirection = 3, 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = 16.0 / rows, 16.0 / rows
    ds.SequenceOfUltrasoundRegions = [region]
    return ds


def secondary_capture(
    pixels: NDArray[np.uint8], person: Patient, study: Study, *, number: int = 99, instance: int = 1
) -> Dataset:
    """Secondary Capture Image (PS3.3 section A.8.1) of 8-bit grey (rows, columns) or RGB (rows, columns, 3) samples."""
    base = ("sc", study.uid(person), number)
    ds = _instance(SecondaryCaptureImageStorage, person, study, "OT", base, number, instance)
    ds.ConversionType, ds.SeriesDescription, ds.ImageType = "WSD", "Screen", ["DERIVED", "SECONDARY"]
    ds.PatientOrientation, ds.Laterality, ds.BurnedInAnnotation = "", "", "NO"
    _pixels(ds, pixels, bits=8)
    return ds


def _instance(
    sop_class: UID, person: Patient, study: Study, modality: str, base: tuple[Any, ...], number: int, instance: int
) -> Dataset:
    """Patient, General Study, General Series, General Equipment and SOP Common modules."""
    ds = Dataset()
    ds.SpecificCharacterSet = list(person.charset) if isinstance(person.charset, tuple) else person.charset
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, uid("instance", *base, instance)
    ds.PatientName = _iso2022_name(person.name) if person.charset == ISO2022 else person.name
    ds.PatientID, ds.PatientSex, ds.PatientBirthDate = person.patient_id, person.sex, person.birth_date
    if person.issuer:
        ds.IssuerOfPatientID = person.issuer
    ds.PatientComments = "Fictitious person; images of a computed phantom"
    ds.PatientAge = f"{max(0, int(study.date[:4]) - int(person.birth_date[:4])):03d}Y"
    ds.StudyInstanceUID, ds.StudyID, ds.AccessionNumber = study.uid(person), study.accession[:16], study.accession
    ds.StudyDate, ds.StudyTime, ds.StudyDescription = study.date, study.time, study.description
    ds.ReferringPhysicianName = ""
    ds.Modality, ds.SeriesInstanceUID, ds.SeriesNumber, ds.InstanceNumber = modality, uid("series", *base), number, instance
    ds.SeriesDate = ds.ContentDate = study.date
    ds.SeriesTime = ds.ContentTime = study.time
    ds.Manufacturer, ds.ManufacturerModelName, ds.DeviceSerialNumber = MANUFACTURER, "Thorax", "0"
    ds.InstitutionName, ds.SoftwareVersions = study.institution, "1"
    ds.file_meta = file_meta(ds, ExplicitVRLittleEndian)
    return ds


def _iso2022_name(name: str) -> PersonName:
    """A name whose Chinese components each begin with GB 2312's escape sequence (PS3.5 section K.2); pydicom writes none."""
    parts = re.split(r"([\^=])", name)
    coded = [part.encode() if part.isascii() else b"\x1b$)A" + part.encode("gb2312") for part in parts]
    return PersonName(b"".join(coded), ["iso8859", "iso_ir_58"])


def _pixels(ds: Dataset, pixels: NDArray[Any], bits: int) -> None:
    """Image Pixel module (PS3.3 section C.7.6.3) of unsigned samples; a last axis of 3 is RGB."""
    colour = pixels.shape[-1] == 3
    ds.SamplesPerPixel, ds.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        ds.PlanarConfiguration = 0
    ds.Rows, ds.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    allocated = 16 if bits > 8 else 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = allocated, bits, bits - 1, 0
    data = pixels.astype("<u2" if allocated == 16 else "u1").tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OW" if allocated == 16 else "OB"


def _code(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def _cine(seed: int, frames: int, rows: int, columns: int) -> NDArray[np.uint8]:
    """Speckle in a sector with a chamber that beats once in the loop."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    x -= columns / 2
    depth, angle = np.hypot(x, y + 12), np.abs(np.arctan2(x, y + 12))
    sector = (angle < 0.72) & (depth < rows) & (depth > 14)
    scatter = rng.standard_normal((rows, columns, 2), np.float32)
    for axis, width in ((1, 4), (0, 2)):
        scatter = np.sum([np.roll(scatter, k, axis) for k in range(width)], axis=0) / np.float32(width**0.5)
    speckle = np.hypot(scatter[..., 0], scatter[..., 1])
    out = np.zeros((frames, rows, columns), np.uint8)
    for n in range(frames):
        beat = 1 + 0.22 * np.cos(2 * np.pi * n / frames)
        cavity = np.hypot((x + 8) / (0.17 * rows * beat), (y - 0.52 * rows) / (0.27 * rows * (0.5 + beat / 2)))
        wall = np.exp(-(((cavity - 1.15) / 0.16) ** 2))
        echo = np.where(cavity < 1, 0.06, 0.45) + 0.7 * wall
        jitter = np.roll(speckle, round(3 * beat), 0)
        level = 58 * np.log1p(6 * echo * jitter) * np.exp(-depth / (2.6 * rows))
        out[n] = np.clip(level, 0, 255) * sector
    return out


def _doppler(grey: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Where a jet of blood crosses the chamber, in the first half of the loop, and how fast it is (0 to 1)."""
    frames, rows, columns = grey.shape
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    along = np.clip((y - 0.3 * rows) / (0.38 * rows), -1, 2)
    across = (x - columns / 2 + 8) / (rows * (0.02 + 0.06 * np.clip(along, 0, 1)))
    phase = np.sin(2 * np.pi * np.arange(frames, dtype=np.float32) / max(frames, 2) + 0.3)[:, None, None]
    speed = (phase * (1 - across**2) * np.minimum(1, 6 * along) * (1 - 0.6 * along)).astype(np.float32)
    shown = (speed > 0.12) & (along < 1) & (grey < 70)
    return shown, np.clip(speed, 0, 1)
