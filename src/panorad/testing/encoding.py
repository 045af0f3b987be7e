"""Data sets in other transfer syntaxes, and files of them (PS3.5 section 10 and annex A, PS3.10 section 7)."""

import copy
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

IMPLEMENTATION_CLASS = UID("2.25.204861570394215823170643519284065710423")
"""Implementation Class UID of files written here (PS3.7 section D.3.3.2)."""

Array = NDArray[Any]

FRAME_ENCODERS: dict[UID, Callable[[Array, int], bytes]] = {
    JPEGBaseline8Bit: lambda frame, bits: bytes(imagecodecs.jpeg8_encode(frame, level=90)),
    JPEGLosslessSV1: lambda frame, bits: bytes(imagecodecs.jpeg8_encode(frame, lossless=True, predictor=1, bitspersample=bits)),
    JPEGLSLossless: lambda frame, bits: _without_spiff(bytes(imagecodecs.jpegls_encode(frame))),
    JPEG2000Lossless: lambda frame, bits: bytes(
        imagecodecs.jpeg2k_encode(frame, codecformat="j2k", reversible=True, bitspersample=bits, mct=frame.ndim == 3)
    ),
    HTJ2KLossless: lambda frame, bits: bytes(imagecodecs.htj2k_encode(frame, reversible=True)),
}
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)
SYNTAXES: tuple[UID, ...] = (*NATIVE, RLELossless, *FRAME_ENCODERS)
"""What `encode` can write."""


def encode(dataset: Dataset, transfer_syntax: str) -> Dataset:
    """A copy of an uncompressed data set in another transfer syntax, with the file meta to match.

    Lossless syntaxes keep every sample. JPEG Baseline takes 8-bit images, turns RGB into YBR_FULL_422 and marks the image as
    lossy (PS3.3 section C.7.6.1.1.5). Raises ValueError for a syntax that is not in SYNTAXES, a compressed source, or an
    image that the syntax cannot hold.
    """
    syntax = UID(transfer_syntax)
    if syntax not in SYNTAXES:
        raise ValueError(f"no encoder for {syntax.name}")
    source = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", ExplicitVRLittleEndian)
    if source.is_encapsulated:
        raise ValueError("the source is compressed already")
    out = copy.deepcopy(dataset)
    out.file_meta = file_meta(out, syntax)
    if syntax in NATIVE or "PixelData" not in out:
        if syntax == ExplicitVRBigEndian and "PixelData" in out and out.BitsAllocated == 16:
            out.PixelData = np.frombuffer(out.PixelData, "<u2").byteswap().tobytes()
        return out
    if syntax == RLELossless:
        out.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        out.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
        return out
    frames = _frames(out)
    if syntax == JPEGBaseline8Bit:
        if out.BitsStored != 8:
            raise ValueError("JPEG Baseline holds 8 bits a sample")
        _mark_lossy(out, len(frames))
    bits = 16 if out.PixelRepresentation else int(out.BitsStored)
    coded = [FRAME_ENCODERS[syntax](frame, bits) for frame in frames]
    if syntax == JPEGBaseline8Bit:
        out.LossyImageCompressionRatio = round(sum(f.nbytes for f in frames) / sum(map(len, coded)), 2)
    if out.PhotometricInterpretation == "RGB" and syntax in (JPEG2000Lossless, HTJ2KLossless):
        out.PhotometricInterpretation = "YBR_RCT"
    out.PixelData = encapsulate(coded)
    out["PixelData"].VR = "OB"
    out["PixelData"].is_undefined_length = True
    return out


def file_meta(dataset: Dataset, transfer_syntax: str) -> FileMetaDataset:
    """File Meta Information for the data set (PS3.10 section 7.1)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS
    meta.ImplementationVersionName = "PANORAD_TEST"
    return meta


def to_bytes(dataset: Dataset) -> bytes:
    """The data set as a DICOM file."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def write(dataset: Dataset, path: Path) -> Path:
    """Write the data set as a DICOM file that is whole or not there; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(to_bytes(dataset))
    os.replace(part, path)
    return path


def _frames(dataset: Dataset) -> list[Array]:
    kind = f"<{'i' if dataset.PixelRepresentation else 'u'}{dataset.BitsAllocated // 8}"
    count, samples = int(dataset.get("NumberOfFrames", 1) or 1), int(dataset.SamplesPerPixel)
    shape = (count, dataset.Rows, dataset.Columns) + ((samples,) if samples > 1 else ())
    size = int(np.prod(shape)) * dataset.BitsAllocated // 8
    return list(np.frombuffer(dataset.PixelData[:size], kind).reshape(shape))


def _without_spiff(stream: bytes) -> bytes:
    """A JPEG-LS stream without the SPIFF header that some encoders put before it (ITU-T T.87 leaves it optional)."""
    return b"\xff\xd8" + stream[46:] if stream[2:4] == b"\xff\xe8" else stream


def _mark_lossy(dataset: Dataset, frames: int) -> None:
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionMethod = "ISO_10918_1"
    if dataset.PhotometricInterpretation == "RGB":
        dataset.PhotometricInterpretation = "YBR_FULL_422"
        dataset.PlanarConfiguration = 0
