"""The DICOM builders: valid by an independent validator, deterministic, and lossless in every lossless syntax."""

import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRBigEndian, HTJ2KLossless, JPEGBaseline8Bit, JPEGLosslessSV1

from panorad.testing.encoding import SYNTAXES, encode, to_bytes, write
from panorad.testing.images import (
    GB18030,
    ISO2022,
    UTF8,
    Study,
    chest_radiograph,
    ct_series,
    patient,
    secondary_capture,
    uid,
    ultrasound_cine,
)
from panorad.testing.phantom import thorax

STUDY = Study("20250304", "101500", "CT chest", "ACC1")
DECODERS = {JPEGLosslessSV1: imagecodecs.jpeg8_decode, HTJ2KLossless: imagecodecs.htj2k_decode}


@pytest.fixture(scope="module")
def images() -> dict[str, Dataset]:
    scan, coarse = thorax(2, 2, 64), thorax(2, 20, 64, table=False)
    contrast = next(t for t in (thorax(s, 1, 32) for s in range(9)) if t.contrast)
    return {
        "ct": ct_series(scan, patient(0), STUDY)[1],
        "ct with contrast": ct_series(contrast, patient(2), STUDY)[0],
        "dx": chest_radiograph(coarse, patient(1), STUDY, size=64),
        "cr": chest_radiograph(coarse, patient(9), STUDY, size=64, modality="CR"),
        "us": ultrasound_cine(patient(4), STUDY, frames=3, rows=48, columns=64),
        "us palette": ultrasound_cine(patient(6), STUDY, frames=3, rows=48, columns=64, colour="PALETTE COLOR"),
        "us grey": ultrasound_cine(patient(5), STUDY, frames=2, rows=48, columns=64, colour="MONOCHROME2"),
        "sc": secondary_capture(np.arange(33 * 31 * 3, dtype=np.uint8).reshape(31, 33, 3), patient(7), STUDY),
    }


KINDS = ["ct", "ct with contrast", "dx", "cr", "us", "us palette", "us grey", "sc"]


@pytest.mark.peers
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
@pytest.mark.parametrize("kind", KINDS)
def test_dciodvfy_finds_no_error(images: dict[str, Dataset], kind: str, tmp_path: Path) -> None:
    path = write(images[kind], tmp_path / "image.dcm")
    told = subprocess.run(["dciodvfy", "-new", path], capture_output=True, check=False).stderr.decode("latin-1")
    assert told
    assert [line for line in told.splitlines() if line.startswith("Error")] == []


@pytest.mark.parametrize("syntax", [s for s in SYNTAXES if s != JPEGBaseline8Bit], ids=lambda s: s.keyword)
@pytest.mark.parametrize("kind", ["ct", "us", "us palette", "sc"])
def test_lossless_syntaxes_keep_every_sample(images: dict[str, Dataset], kind: str, syntax: str) -> None:
    source = images[kind]
    read = dcmread(BytesIO(to_bytes(encode(source, syntax))))
    assert read.file_meta.TransferSyntaxUID == syntax
    assert read.SOPInstanceUID == source.SOPInstanceUID
    if syntax in DECODERS:
        frames = generate_frames(read.PixelData, number_of_frames=int(read.get("NumberOfFrames", 1)))
        pixels = np.squeeze([DECODERS[syntax](frame) for frame in frames])
    else:
        pixels = read.pixel_array
    assert (pixels == source.pixel_array).all()


def test_jpeg_baseline_is_marked_as_lossy_and_looks_alike(images: dict[str, Dataset]) -> None:
    read = dcmread(BytesIO(to_bytes(encode(images["us"], JPEGBaseline8Bit))))
    assert (read.LossyImageCompression, read.PhotometricInterpretation) == ("01", "YBR_FULL_422")
    first = imagecodecs.jpeg8_decode(next(generate_frames(read.PixelData, number_of_frames=3)))
    assert np.abs(first.astype(int) - images["us"].pixel_array[0]).mean() < 8


def test_big_endian_words_are_swapped(images: dict[str, Dataset]) -> None:
    swapped = encode(images["ct"], ExplicitVRBigEndian)
    assert swapped.PixelData[:2] == images["ct"].PixelData[1::-1]


def test_encode_refuses_what_it_cannot_do(images: dict[str, Dataset]) -> None:
    with pytest.raises(ValueError, match="no encoder"):
        encode(images["ct"], "1.2.840.10008.1.2.4.100")
    with pytest.raises(ValueError, match="8 bits"):
        encode(images["ct"], JPEGBaseline8Bit)
    with pytest.raises(ValueError, match="compressed already"):
        encode(encode(images["ct"], HTJ2KLossless), HTJ2KLossless)


@pytest.mark.parametrize(
    "charset,expected",
    [
        (UTF8, b"Zhang^San=\xe5\xbc\xa0^\xe4\xb8\x89"),
        (GB18030, b"Zhang^San=\xd5\xc5^\xc8\xfd"),
        (ISO2022, b"Zhang^San=\x1b$)A\xd5\xc5^\x1b$)A\xc8\xfd"),
    ],
    ids=["UTF-8", "GB18030", "ISO 2022 IR 58"],
)
def test_chinese_names_are_written_in_their_character_set(charset: str | tuple[str, ...], expected: bytes) -> None:
    assert expected in to_bytes(secondary_capture(np.zeros((2, 2), np.uint8), patient(0, charset=charset), STUDY))


def test_two_people_share_an_id_and_all_are_told_to_be_fictitious(images: dict[str, Dataset]) -> None:
    assert patient(0).patient_id == patient(1).patient_id == "123"
    assert patient(0).name != patient(1).name
    assert all("Fictitious" in ds.PatientComments for ds in images.values())


def test_uids_are_derived_from_what_they_name(images: dict[str, Dataset]) -> None:
    again = ct_series(thorax(2, 2, 64), patient(0), STUDY)
    assert to_bytes(again[1]) == to_bytes(images["ct"])
    assert again[0].SOPInstanceUID != again[1].SOPInstanceUID
    assert uid("a", "b") != uid("ab")
    assert uid("a").is_valid
    assert uid("a").startswith("2.25.")


def test_positions_step_towards_the_head(images: dict[str, Dataset]) -> None:
    scan = thorax(2, 3, 32)
    z = [float(ds.ImagePositionPatient[2]) for ds in ct_series(scan, patient(0), STUDY)]
    assert np.diff(z) == pytest.approx([scan.spacing[0]] * 2)
    first = ct_series(scan, patient(0), STUDY)[0]
    assert (first.pixel_array.astype(int) + int(first.RescaleIntercept) == scan.hu[0]).all()
