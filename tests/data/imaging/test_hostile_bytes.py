"""Arbitrary bytes and damaged real headers: an answer or `DatasetInvalid`, in time, never anything else."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from panorad.data.imaging import charset, part10
from panorad.data.imaging.describe import describe
from panorad.data.imaging.header import DatasetInvalid, check_extent, scan

SYNTAXES = [
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.4.70",
    "1.2.3",
]
SECONDS = 2.0


def headers() -> list[bytes]:
    names = [
        "CT_small",
        "MR_small_implicit",
        "MR_small_bigendian",
        "test-SR",
        "rtplan",
        "SC_rgb_rle_2frame",
        "image_dfl",
        "UN_sequence",
    ]
    return [Path(str(get_testdata_file(f"{name}.dcm"))).read_bytes()[:6000] for name in names]


HEADERS = headers()
HOSTILE = st.sampled_from(
    [
        b"\xff\xff\xff\xff",
        b"\xfe\xff\xff\xff",
        b"\xff\xff\xff\x7f",
        bytes(8),
        b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
        b"\xfe\xff\x0d\xe0\0\0\0\0",
        b"\xfe\xff\xdd\xe0\0\0\0\0",
        b"SQ\0\0\xff\xff\xff\xff",
        b"UN\0\0\xff\xff\xff\xff",
        b"\xe0\x7f\x10\x00",
        b"\x08\x00\x05\x00CS\x0a\x00\\ISO 2022 ",
        b"\x1b$)A\xff",
        b"DICM",
    ]
)
EDIT = st.tuples(st.integers(0, 6000), st.integers(0, 8), st.one_of(HOSTILE, st.binary(max_size=8)))


@st.composite
def damaged(draw):
    data = bytearray(draw(st.sampled_from(HEADERS)))
    for at, length, put in draw(st.lists(EDIT, max_size=6)):
        data[at : at + length] = put
    return bytes(data[: draw(st.integers(0, 6000))]) if draw(st.booleans()) else bytes(data)


def read(data: bytes, syntax: str) -> None:
    """Read in every way; a refusal has a reason."""
    reasons = []
    for complete in (False, True):
        try:
            check_extent(data, scan(data, syntax, complete=complete))
        except DatasetInvalid as error:
            reasons.append(error.detail)
    try:
        reasons += describe(data, syntax).warnings
    except DatasetInvalid as error:
        reasons.append(error.detail)
    assert all(reasons)


def read_file(data: bytes) -> None:
    try:
        parts = part10.split(data)
    except DatasetInvalid as error:
        parts, reason = None, error.detail
    if parts is None:
        assert reason
    else:
        read(data[parts.data_at :], parts.transfer_syntax)


@given(st.binary(max_size=600), st.sampled_from(SYNTAXES))
@settings(max_examples=150, deadline=SECONDS * 1000)
def test_arbitrary_bytes(data, syntax):
    read_file(data)
    read(data, syntax)


@given(damaged())
@settings(max_examples=250, deadline=SECONDS * 1000)
def test_damaged_headers(data):
    read_file(data)


@given(damaged(), st.sampled_from(SYNTAXES))
@settings(max_examples=80, deadline=SECONDS * 1000)
def test_a_wrong_transfer_syntax(data, syntax):
    read(data[part10.split(HEADERS[0]).data_at :], syntax)


@given(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from(["", "ISO_IR 100", "ISO 2022 IR 87", "ISO 2022 IR 58", "GB18030", "ISO_IR 192", "idna", "x"]), max_size=3
    ),
)
def test_any_text_is_decoded(value, charsets):
    assert isinstance(charset.decode(value, tuple(charsets)).text, str)


@pytest.mark.parametrize(
    "data",
    [
        bytes(32 << 20),
        b"\xff" * (8 << 20),
        bytes.fromhex("08004011 5351 0000 ffffffff feff00e0 ffffffff") * 200_000,
        bytes.fromhex("08004011 5351 0000 ffffffff") + bytes.fromhex("feff00e0 00000000") * 500_000,
        bytes.fromhex("08004011 5351 0000 ffffffff feffdde0 00000000") * 100_000,
        b"\x1b$)A" * 1_000_000,
    ],
    ids=["zeros", "ones", "nesting", "items", "sequences", "escapes"],
)
def test_large_hostile_input_takes_time_in_proportion(data):
    start = time.perf_counter()
    read(data, "1.2.840.10008.1.2.1")
    assert time.perf_counter() - start < 8 * SECONDS
