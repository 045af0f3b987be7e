"""What the demo sends: a region of three institutions and the images each of them made.

Order matters to somebody who watches: small odd files first, so that the list fills at once, and what is worth opening last, so that
it stands on top of the list. Everything synthetic is computed
once into the cache and found there the next time; a study half written is written again.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydicom import dcmread
from pydicom.data.data_manager import DATA_ROOT, external_data_sources
from pydicom.dataset import Dataset
from pydicom.uid import HTJ2KLossless, JPEGBaseline8Bit, JPEGLSLossless, MediaStorageDirectoryStorage

from panorad.testing import lidc
from panorad.testing.encoding import encode, write
from panorad.testing.images import Patient, Study, chest_radiograph, ct_series, patient, secondary_capture, ultrasound_cine
from panorad.testing.lidc import Progress, quiet
from panorad.testing.phantom import thorax

VERSION = "1"
"""Part of the cache's folder name: another number when what is computed changes."""

INSTITUTIONS = {
    "YUNLING": "Yunling Township Clinic (fictitious)",
    "COUNTY": "County Hospital (fictitious)",
    "CENTER": "Regional Imaging Center (fictitious)",
}
"""Codes and names of the demo's institutions."""

NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


@dataclass(frozen=True)
class _Recipe:
    """A study to compute: who made it, what to call its folder, and how."""

    institution: str
    folder: str
    build: Callable[[], Iterator[Dataset]]


def demo_corpus(cache_dir: Path, realdata: Path | None = None, progress: Progress = quiet) -> Iterator[tuple[str, Path]]:
    """Institution code and DICOM file, one after the other, computed or fetched as they are asked for.

    `realdata` is a folder of real images to add, or None. A source that cannot be had (no network for LIDC-IDRI-0001) is
    told to `progress` with a total of 0 and left out.
    """
    yield from bundled(progress)
    if realdata is not None and realdata.is_dir():
        yield from found_in(realdata, progress)
    yield from synthetic(cache_dir, progress)
    try:
        for path in lidc.to_dicom(lidc.fetch(cache_dir / "lidc", progress), cache_dir / "lidc" / lidc.PATIENT_ID, progress):
            yield "CENTER", path
    except lidc.LidcUnavailable as reason:
        progress(f"{lidc.PATIENT_ID} is left out: {reason}", 0, 0)


def synthetic(cache_dir: Path, progress: Progress = quiet) -> Iterator[tuple[str, Path]]:
    """The studies of fictitious patients, among them two different people with the ID 123 at two institutions."""
    recipes = _recipes()
    for n, recipe in enumerate(recipes):
        folder = cache_dir / f"synthetic-{VERSION}" / recipe.institution / recipe.folder
        marker = folder / ".complete"
        if not marker.exists():
            progress(f"computing {recipe.folder}", n, len(recipes))
            for k, ds in enumerate(recipe.build()):
                write(ds, folder / f"{k + 1:05d}.dcm")
            marker.touch()
        for path in sorted(folder.glob("*.dcm")):
            yield recipe.institution, path
        progress("synthetic studies", n + 1, len(recipes))


def bundled(progress: Progress = quiet) -> Iterator[tuple[str, Path]]:
    """pydicom's test files that are on this disk (nothing is downloaded), and those of the wheel pydicom-data if installed."""
    roots = [Path(DATA_ROOT) / "test_files"]
    extra = external_data_sources().get("pydicom-data")
    if extra is not None:
        roots.append(Path(extra.data_path))
    for root in roots:
        yield from found_in(root, progress)


def found_in(folder: Path, progress: Progress = quiet) -> Iterator[tuple[str, Path]]:
    """Every DICOM file under a folder, told by its content, each patient's at one institution, always the same."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for n, path in enumerate(files):
        owner = _owner(path)
        if owner is not None:
            yield owner, path
        progress(f"reading {folder.name}", n + 1, len(files))


def institution_of(key: str) -> str:
    """The institution that a patient of real data is dealt to."""
    codes = tuple(INSTITUTIONS)
    return codes[hashlib.sha256(key.encode()).digest()[0] % len(codes)]


def _owner(path: Path) -> str | None:
    """The institution code, or None for what is no DICOM instance with the UIDs it needs."""
    try:
        with path.open("rb") as file:
            head = file.read(132)
        if head[128:] != b"DICM" and not head.startswith((b"\x02\x00", b"\x08\x00")):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = dcmread(path, stop_before_pixels=True, force=True, specific_tags=[*NEEDED, "PatientID"])
            uids = [str(ds.get(keyword) or "") for keyword in NEEDED]
            key = str(ds.get("PatientID") or uids[2])
    except Exception:  # whatever a strange file makes the parser raise, it is not for the demo
        return None
    if not all(uids) or uids[0] == MediaStorageDirectoryStorage:
        return None
    return institution_of(key)


def _recipes() -> list[_Recipe]:
    zhang, li, wang, zhao, qian, sun, zhou, anna, john, zoe = (patient(n) for n in range(10))
    echo, front = "Echocardiography", "Chest PA"
    return [
        _Recipe("YUNLING", "us-wang", partial(_ultrasound, wang, _study("YUNLING", "20250603", "0901", echo), "PALETTE COLOR")),
        _Recipe("COUNTY", "us-qian", partial(_ultrasound, qian, _study("COUNTY", "20250604", "1420", echo), "RGB")),
        _Recipe("YUNLING", "cr-zhang", partial(_radiograph, zhang, _study("YUNLING", "20250602", "0815", front), "CR", 11)),
        _Recipe("COUNTY", "dx-zhou", partial(_radiograph, zhou, _study("COUNTY", "20250605", "1030", front), "DX", 12)),
        _Recipe("YUNLING", "cr-sun", partial(_radiograph, sun, _study("YUNLING", "20250606", "1612", front), "CR", 13)),
        _Recipe("CENTER", "dx-john", partial(_radiograph, john, _study("CENTER", "20250604", "0940", front), "DX", 14)),
        _Recipe("CENTER", "sc-zoe", partial(_screen, zoe, _study("CENTER", "20250603", "1105", "Consultation screen"))),
        _Recipe("COUNTY", "ct-li", partial(_ct, li, _study("COUNTY", "20250605", "1345", "CT chest"), 21, 45)),
        _Recipe("CENTER", "ct-anna-prior", partial(_ct, anna, _study("CENTER", "20240611", "1010", "CT chest"), 22, 60, 1, 0.7)),
        _Recipe("CENTER", "ct-anna", partial(_ct, anna, _study("CENTER", "20250610", "1022", "CT chest follow-up"), 22, 60, 2)),
        _Recipe("YUNLING", "ct-zhao", partial(_ct, zhao, _study("YUNLING", "20250609", "1533", "CT chest"), 23, 40, 0, 1.0, 25)),
    ]


def _study(code: str, date: str, time: str, description: str) -> Study:
    return Study(date, f"{time}00", description, f"{code[0]}{date[2:]}{time}", INSTITUTIONS[code])


def _ultrasound(person: Patient, study: Study, colour: str) -> Iterator[Dataset]:
    ds = ultrasound_cine(person, study, frames=30, rows=480, columns=640, colour=colour)
    yield encode(ds, JPEGBaseline8Bit) if colour == "RGB" else ds


def _radiograph(person: Patient, study: Study, modality: str, seed: int) -> Iterator[Dataset]:
    scan = thorax(seed, 200, 256, (1.5, 1.42, 1.42), nodules=2, table=False, mas=400)
    ds = chest_radiograph(scan, person, study, modality=modality, size=1536)
    yield encode(ds, JPEGLSLossless) if modality == "DX" else ds


def _ct(
    person: Patient, study: Study, seed: int, slices: int, scan: int = 0, growth: float = 1.0, mas: float = 100.0
) -> Iterator[Dataset]:
    volume = thorax(seed, slices, growth=growth, scan=scan, mas=mas)
    for ds in ct_series(volume, person, study):
        yield encode(ds, HTJ2KLossless) if scan == 1 else ds


def _screen(person: Patient, study: Study) -> Iterator[Dataset]:
    cine = ultrasound_cine(person, study, frames=1, rows=480, columns=640, colour="RGB")
    yield secondary_capture(cine.pixel_array, person, study)
