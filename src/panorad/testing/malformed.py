"""Input that is wrong on purpose: what a receiver must survive, keep, or refuse with a reason."""

import struct
from collections.abc import Iterator
from io import BytesIO

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from panorad.testing.encoding import file_meta, to_bytes
from panorad.testing.images import Study, patient, secondary_capture, uid


def malformed() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each bad file, always the same ones.

    Those named `kept-` break the letter of the standard but hold all that an archive needs to file them.
    """
    whole = to_bytes(_image("whole"))
    body = _body(_image("no meta"))
    yield "empty.dcm", b""
    yield "text.dcm", "这不是影像。This is not an image.\n".encode() * 40
    yield "preamble-only.dcm", bytes(128) + b"DICM"
    yield "truncated-in-meta.dcm", whole[:180]
    yield "truncated-in-header.dcm", whole[: whole.index(b"Screen") + 3]
    yield "truncated-in-pixels.dcm", whole[:-500]
    yield "kept-no-preamble.dcm", whole[132:]
    yield "kept-no-meta-implicit.dcm", _body(_image("no meta implicit"), implicit=True)
    yield "kept-no-meta-explicit.dcm", body
    yield "kept-wrong-vr.dcm", _wrong_vr()
    yield "unknown-vr.dcm", _patch(to_bytes(_image("unknown vr")), b"\x10\x00\x20\x00LO", b"\x10\x00\x20\x00\x00\x01")
    yield "nested-1000.dcm", _nested(1000)
    yield (
        "absurd-length.dcm",
        _patch(to_bytes(_image("absurd")), b"\xe0\x7f\x10\x00OB\x00\x00", b"\xe0\x7f\x10\x00OB\x00\x00", 0xFFFFFF00),
    )
    yield "absurd-sequence-length.dcm", _sequence_of(0x7FFFFFFF)
    yield "bomb-65535.dcm", _bomb()
    yield "no-sop-instance.dcm", _without("SOPInstanceUID")
    yield "no-study.dcm", _without("StudyInstanceUID")
    yield "bad-uid.dcm", _with_uid("1.2.840.not-a-uid")
    yield "long-uid.dcm", _with_uid("1.2." + "3" * 80)
    yield "path-uid.dcm", _with_uid("../../../etc/passwd")
    yield "noise.dcm", np.random.default_rng(5).bytes(4096)


def _image(key: str) -> Dataset:
    study = Study("20250101", "080000", "Malformed", "MALFORMED", key=key)
    return secondary_capture(np.arange(1024, dtype=np.uint8).reshape(32, 32), patient(8), study)


def _body(ds: Dataset, implicit: bool = False) -> bytes:
    del ds.file_meta
    buffer = BytesIO()
    dcmwrite(buffer, ds, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    return buffer.getvalue()


def _patch(data: bytes, old: bytes, new: bytes, length: int | None = None) -> bytes:
    at = data.rindex(old)
    end = at + len(old)
    tail = data[end:] if length is None else struct.pack("<I", length) + data[end + 4 :]
    return data[:at] + new + tail


def _wrong_vr() -> bytes:
    """Rows as SS instead of US: the wrong VR with the right value."""
    return _patch(to_bytes(_image("wrong vr")), b"\x28\x00\x10\x00US", b"\x28\x00\x10\x00SS")


def _nested(depth: int) -> bytes:
    """Sequences in sequences, all of undefined length."""
    ds = _image("nested")
    data = to_bytes(ds)
    at = data.index(b"\x28\x00\x02\x00US")
    open_ = b"\x18\x00\x2a\x9aSQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    close = b"\xfe\xff\x0d\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    return data[:at] + open_ * depth + close * depth + data[at:]


def _sequence_of(length: int) -> bytes:
    data = to_bytes(_image("absurd sequence"))
    at = data.index(b"\x28\x00\x02\x00US")
    return data[:at] + b"\x18\x00\x2a\x9aSQ\x00\x00" + struct.pack("<I", length) + data[at:]


def _bomb() -> bytes:
    """A header that promises 65535 x 65535 pixels over a JPEG of 16 x 16."""
    ds = _image("bomb")
    ds.Rows = ds.Columns = 65535
    ds.PixelData = encapsulate([bytes(imagecodecs.jpeg8_encode(np.zeros((16, 16), np.uint8)))])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta = file_meta(ds, JPEGBaseline8Bit)
    return to_bytes(ds)


def _without(keyword: str) -> bytes:
    ds = _image(f"without {keyword}")
    if keyword == "SOPInstanceUID":
        ds.file_meta.MediaStorageSOPInstanceUID = uid("malformed", "meta alone")
    del ds[keyword]
    buffer = BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def _with_uid(value: str) -> bytes:
    """A SOP Instance UID of illegal form, patched into the bytes because no writer would put it there."""
    ds = _image("uid")
    mark = ds.SOPInstanceUID
    ds.file_meta = file_meta(ds, ExplicitVRLittleEndian)
    data, old = to_bytes(ds), mark.encode() + b"\0" * (len(mark) % 2)
    new = value.encode() + b"\0" * (len(value) % 2)
    head = b"\x08\x00\x18\x00UI"
    return data.replace(head + struct.pack("<H", len(old)) + old, head + struct.pack("<H", len(new)) + new)
