"""Whatever the bytes, reading them ends in a value or in a `PanoradError`."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panorad.data.imaging.bulkdata import bulk_value
from panorad.data.imaging.frames import frame
from panorad.data.imaging.metadata import instance_metadata, series_document
from panorad.data.imaging.render import Viewport, Window, render, rendered_types, thumbnail
from panorad.data.imaging.syntaxes import EXPLICIT_LE, HTJ2K_LOSSLESS_RPCL, IMPLICIT_LE
from panorad.data.imaging.transcode import transcode
from panorad.kit.errors import PanoradError
from tests.data.imaging.bundled import LONG, bundled, stored

pytestmark = pytest.mark.filterwarnings("ignore")

SEEDS = [
    bundled(name)
    for name in (
        "CT_small.dcm",
        "MR_small_implicit.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_RLE.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "examples_palette.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
        "test-SR.dcm",
        "image_dfl.dcm",
        "nested_priv_SQ.dcm",
        "liver_1frame.dcm",
        "JPGExtended.dcm",
    )
]
READERS = (
    lambda data: instance_metadata(data, "u"),
    lambda data: series_document([(data, "u"), (data, "u")]),
    lambda data: bulk_value(data, "7FE00010"),
    lambda data: bulk_value(data, "00081140/1/00081155"),
    rendered_types,
    lambda data: render(data, None),
    lambda data: render(data, media_type="text/html"),
    thumbnail,
    lambda data: transcode(data, EXPLICIT_LE),
    lambda data: transcode(data, IMPLICIT_LE),
    lambda data: transcode(data, HTJ2K_LOSSLESS_RPCL),
)


def survive(data: bytes) -> None:
    for reader in READERS:
        with contextlib.suppress(PanoradError):
            reader(data)


@settings(max_examples=2000 if LONG else 60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), min_size=1, max_size=4),
    header_only=st.booleans(),
)
def test_a_damaged_instance_raises_no_other_error(seed, edits, header_only):
    data = bytearray(seed)
    reach = min(len(data), 2500) if header_only else len(data)
    for place, junk in edits:
        at = 132 + int(place * (reach - 133))
        data[at : at + len(junk)] = junk
    survive(bytes(data))


@settings(max_examples=1000 if LONG else 50, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([IMPLICIT_LE, EXPLICIT_LE, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]))
def test_arbitrary_bytes_raise_no_other_error(body, syntax):
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    survive(bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI" + len(uid).to_bytes(2, "little") + uid + body)
    survive(body)


@pytest.mark.parametrize("cut", [0, 100, 131, 140, 200, 1000, 5000, -1])
def test_a_truncated_instance_raises_no_other_error(cut):
    for seed in SEEDS[:6]:
        survive(seed[:cut])


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_query_parameters_raise_no_other_error(text):
    for parse in (Window.parse, Viewport.parse):
        with contextlib.suppress(PanoradError):
            parse(text)


def test_frames_of_a_damaged_fragment_run_raise_no_other_error():
    data = bytearray(bundled("MR_small_RLE.dcm"))
    at = stored(bytes(data))
    start = at.place.data_at + at.header.pixel_at
    for offset in range(40):
        damaged = data.copy()
        damaged[start + offset] ^= 0xFF
        with contextlib.suppress(PanoradError):
            frame(bytes(damaged), at, 1)
