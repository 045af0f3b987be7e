"""pydicom's bundled files, and instances made from scratch, for the tests of pixels and metadata."""

from __future__ import annotations

import io
import os
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.data import DATA_ROOT
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from panorad.data.imaging.dataset import open_part10
from panorad.model.instance import Header, Place, Stored

FILES = Path(DATA_ROOT) / "test_files"
REALDATA = Path(os.environ.get("PANORAD_REALDATA", "../shared/data"))
LONG = os.environ.get("PANORAD_LONG") == "1"


def bundled(name: str) -> bytes:
    return (FILES / name).read_bytes()


def part10_files(folder: Path, largest: int = 4 << 20) -> list[Path]:
    """Every Part 10 file below a folder, in a fixed order."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size <= largest:
            with path.open("rb") as file:
                if file.read(132)[128:] == b"DICM":
                    found.append(path)
    return found


def read(part10: bytes) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(io.BytesIO(part10))


def part10(syntax: str = ExplicitVRLittleEndian, **attributes: Any) -> bytes:
    """A small CT instance with these attributes by keyword."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid(entropy_srcs=["panorad"])
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (
        generate_uid(entropy_srcs=["study"]),
        generate_uid(entropy_srcs=["series"]),
    )
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def image(pixels: np.ndarray[Any, Any], **attributes: Any) -> bytes:
    """A native image instance of one frame (2-D), several (3-D), or one of three samples (rows, columns, 3)."""
    colour = pixels.ndim == 3 and pixels.shape[2] == 3
    rows, columns = pixels.shape[:2] if colour or pixels.ndim == 2 else pixels.shape[1:]
    bits = pixels.dtype.itemsize * 8
    given: dict[str, Any] = {
        "Rows": rows,
        "Columns": columns,
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }
    if colour:
        given["PlanarConfiguration"] = 0
    if pixels.ndim == 3 and not colour:
        given["NumberOfFrames"] = len(pixels)
    raw = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    return part10(**(given | {"PixelData": raw + b"\0" * (len(raw) % 2)} | attributes))


def stored(data: bytes) -> Stored:
    """What the index knows of an instance."""
    opened = open_part10(data)
    dataset = read(data)
    pixels = next((e for e in opened.elements() if e[0] in (0x7FE00010, 0x7FE00008, 0x7FE00009)), None)
    undefined = pixels is not None and bytes(opened.view[pixels[2] - 4 : pixels[2]]) == b"\xff" * 4
    header = Header(
        study_uid="1.2",
        series_uid="1.3",
        sop_uid="1.4",
        sop_class="1.5",
        transfer_syntax=opened.syntax.uid,
        rows=dataset.get("Rows"),
        columns=dataset.get("Columns"),
        frames=int(dataset.get("NumberOfFrames") or 1),
        bits_allocated=dataset.get("BitsAllocated"),
        samples=dataset.get("SamplesPerPixel"),
        pixel_at=None if pixels is None or opened.syntax.deflated else pixels[2] - opened.start,
        pixel_length=None if pixels is None or undefined or opened.syntax.deflated else pixels[3] - pixels[2],
    )
    at = 0 if opened.syntax.deflated else opened.start
    return Stored(1, header, Place("k", 0, len(data), at), b"", 1)


def fragments(*pieces: bytes, table: bytes = b"") -> bytes:
    """Encapsulated Pixel Data: an offset table item, items, and the delimiter."""
    items = (table, *pieces)
    return b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(item)) + item for item in items) + b"\xfe\xff\xdd\xe0\0\0\0\0"
