from __future__ import annotations

import struct
import time

import numpy as np
import pytest
from pydicom.encaps import generate_frames
from pydicom.uid import MPEG4HP41, DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit

from panorad.data.imaging.frames import (
    FrameAbsent,
    PixelsAbsent,
    PixelsBroken,
    frame,
    frame_count,
    frame_index,
    frame_span,
    index_frames,
)
from panorad.data.imaging.transcode import transcode
from tests.data.imaging.bundled import bundled, fragments, image, part10, read, stored

JPEG = b"\xff\xd8\xff\xe0"


def encapsulated(value: bytes, frames: int, syntax: str = JPEGBaseline8Bit) -> bytes:
    """An instance whose Pixel Data value is exactly `value`."""
    base = part10(
        syntax,
        Rows=1, Columns=4, SamplesPerPixel=1, BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0,
        PhotometricInterpretation="MONOCHROME2", NumberOfFrames=frames,
    )  # fmt: skip
    return base + struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + value


def test_native_frames_are_slices_of_the_file():
    pixels = np.arange(3 * 4 * 5, dtype="<u2").reshape(3, 4, 5)
    data = image(pixels)
    at = stored(data)
    assert frame_count(at) == 3
    for number in (1, 2, 3):
        offset, length = frame_span(data, at, number)
        assert data[offset : offset + length] == frame(memoryview(data), at, number) == pixels[number - 1].tobytes()


@pytest.mark.parametrize("number", [0, -1, 4])
def test_a_frame_outside_of_the_range_is_absent(number):
    data = image(np.zeros((3, 2, 2), "u1"))
    with pytest.raises(FrameAbsent):
        frame(data, stored(data), number)


def test_an_instance_without_pixels_has_no_frames():
    data = part10(PatientName="A")
    assert frame_count(stored(data)) == 0
    with pytest.raises(PixelsAbsent):
        frame(data, stored(data), 1)


def test_a_frame_whose_bytes_are_missing_is_told_apart_from_one_that_is_absent():
    data = image(np.zeros((2, 2, 2), "u1"), NumberOfFrames=3)
    assert frame(data, stored(data), 2) == bytes(4)
    with pytest.raises(PixelsBroken, match="frame 3 of 3"):
        frame(data, stored(data), 3)


def test_frames_of_single_bits_are_repacked_to_whole_bytes():
    bits = np.random.default_rng(1).integers(0, 2, (5, 3, 7), dtype="u1")
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    data = image(bits, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=packed + b"\0" * (len(packed) % 2))
    at = stored(data)
    assert frame_span(data, at, 2) is None
    for number in range(1, 6):
        got = np.unpackbits(np.frombuffer(frame(data, at, number), "u1"), bitorder="little")[:21]
        assert (got == bits[number - 1].ravel()).all()


def test_float_pixels_have_frames():
    pixels = np.linspace(0, 1, 24, dtype="<f8").reshape(2, 3, 4)
    data = part10(Rows=3, Columns=4, NumberOfFrames=2, SamplesPerPixel=1, DoubleFloatPixelData=pixels.tobytes())
    assert frame(data, stored(data), 2) == pixels[1].tobytes()


def test_subsampled_native_frames_are_two_thirds_as_long():
    data = image(np.zeros((2, 4, 3), "u1"), PhotometricInterpretation="YBR_FULL_422", PixelData=bytes(range(16)))
    assert frame(data, stored(data), 1) == bytes(range(16))


def test_frames_of_a_deflated_data_set_are_found_in_the_inflated_one():
    pixels = np.arange(16, dtype="<u2").reshape(2, 2, 4)
    plain = image(pixels)
    data = transcode(plain, DeflatedExplicitVRLittleEndian)
    assert frame(data, stored(data), 2) == pixels[1].tobytes()
    assert frame_span(data, stored(data), 2) is None


ONE, TWO, THREE = JPEG + b"one-", JPEG + b"second", JPEG + b"3-rd"
CASES = {
    "empty table, a fragment each": fragments(ONE, TWO, THREE),
    "right table": fragments(ONE, TWO, THREE, table=struct.pack("<3I", 0, 16, 34)),
    "wrong table, a fragment each": fragments(ONE, TWO, THREE, table=struct.pack("<3I", 0, 2, 9999)),
    "table of one offset": fragments(ONE, TWO, THREE, table=struct.pack("<I", 0)),
    "split fragments with a table": fragments(ONE[:4], ONE[4:], TWO, THREE[:6], THREE[6:], table=struct.pack("<3I", 0, 24, 42)),
    "split fragments, no table": fragments(ONE[:4], ONE[4:], TWO, THREE[:6], THREE[6:]),
    "split fragments, wrong table": fragments(ONE[:4], ONE[4:], TWO, THREE[:6], THREE[6:], table=struct.pack("<3I", 0, 7, 8)),
}


@pytest.mark.parametrize("value", CASES.values(), ids=CASES)
def test_encapsulated_frames_are_found_whatever_the_offset_table(value):
    data = encapsulated(value, 3)
    at = stored(data)
    assert [frame(data, at, number) for number in (1, 2, 3)] == [ONE, TWO, THREE]


def test_a_single_frame_owns_all_fragments():
    data = encapsulated(fragments(b"ab", b"cd", b"ef"), 1)
    assert frame(data, stored(data), 1) == b"abcdef"


def test_fragments_that_nothing_divides_are_refused():
    data = encapsulated(fragments(b"ab", b"cd", b"ef"), 2)
    with pytest.raises(PixelsBroken, match="3 fragments"):
        frame(data, stored(data), 1)


def test_a_missing_encapsulated_frame_spoils_no_other():
    data = encapsulated(fragments(ONE, TWO), 3)
    assert frame(data, stored(data), 2) == TWO
    with pytest.raises(PixelsBroken):
        frame(data, stored(data), 3)


def test_a_video_is_one_frame():
    data = encapsulated(fragments(b"film", b"reel"), 250, MPEG4HP41)
    assert frame_count(stored(data)) == 1
    assert frame(data, stored(data), 1) == b"filmreel"
    with pytest.raises(FrameAbsent):
        frame(data, stored(data), 2)


def test_an_extended_offset_table_tells_lengths_without_padding():
    pieces = (b"odd", b"even")
    base = encapsulated(b"", 2)[:-12]
    tables = b""
    for tag, numbers in ((1, (0, 12)), (2, (3, 4))):
        tables += struct.pack("<HH2sHI2Q", 0x7FE0, tag, b"OV", 0, 16, *numbers)
    value = fragments(b"odd\0", b"even")
    data = base + tables + struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + value
    assert tuple(frame(data, stored(data), n) for n in (1, 2)) == pieces


def test_ten_thousand_fragments_are_indexed_at_once():
    value = memoryview(fragments(*(JPEG + bytes(996) for _ in range(10_000))))
    started = time.perf_counter()
    index = index_frames(value, 0, None, frames=10_000, frame_bits=8)
    assert time.perf_counter() - started < 0.5
    assert index.span(10_000) == (8 + 9_999 * 1008 + 8, 1000)


@pytest.mark.parametrize("name", ["JPEG2000.dcm", "SC_rgb_rle_2frame.dcm", "examples_ybr_color.dcm", "MR_small_RLE.dcm"])
def test_bundled_frames_equal_pydicoms(name):
    data = bundled(name)
    at, dataset = stored(data), read(data)
    expected = list(generate_frames(dataset.PixelData, number_of_frames=at.header.frames))
    index = frame_index(data, at)
    assert [index.read(memoryview(data), n + 1) for n in range(len(expected))] == expected
