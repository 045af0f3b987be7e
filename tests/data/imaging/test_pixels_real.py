"""Every real image at hand: decoded as pydicom decodes it, described as pydicom describes it, through every transfer syntax and
back."""

from __future__ import annotations

import json
import logging
import warnings
from typing import Any

import numpy as np
import pytest
from pydicom.pixels import pixel_array

from panorad.data.imaging import syntaxes
from panorad.data.imaging.decoding import decode_frame, decoded_photometric
from panorad.data.imaging.elements import DatasetInvalid
from panorad.data.imaging.image import Image
from panorad.data.imaging.metadata import instance_metadata, series_document
from panorad.data.imaging.render import render, rendered_types, thumbnail
from panorad.data.imaging.syntaxes import SYNTAXES
from panorad.data.imaging.transcode import SyntaxUnencodable, transcode
from panorad.kit.errors import PanoradError
from tests.data.imaging.bundled import FILES, LONG, REALDATA, part10_files, read

pytestmark = [pytest.mark.filterwarnings("ignore")]
LOSSLESS = [row.uid for row in SYNTAXES.values() if row.encodes and not row.lossy]
BUNDLED = part10_files(FILES, 300_000)[:: 1 if LONG else 2]
REAL = part10_files(REALDATA, 64 << 20 if LONG else 3 << 20) if REALDATA.is_dir() else []
SAMPLED = REAL if LONG else [path for n, path in enumerate(REAL) if n % 10 == 0 or "syntaxes" in path.parts]

UNREADABLE = {"rtplan_truncated.dcm", "MR_truncated.dcm", "meta_missing_tsyntax.dcm"}
MARKS = [pytest.mark.realdata, pytest.mark.skipif(not SAMPLED, reason="no real data")]

both = pytest.mark.parametrize("files", [BUNDLED, pytest.param(SAMPLED, marks=MARKS)], ids=["bundled", "real"])


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@both
def test_frames_are_what_pydicom_decodes(files):
    compared = 0
    for path in files:
        data = path.read_bytes()
        try:
            image = Image(data)
            ours = [decode_frame(image, n) for n in {1, image.pixel.frames}]
            theirs = [pixel_array(read(data), index=n - 1, raw=True) for n in {1, image.pixel.frames}]
        except Exception:  # one of the two does not decode it; the sheet of thumbnails is judged elsewhere
            continue
        if image.syntax.codec == "jpeg" and image.pixel.samples == 3 and image.pixel.photometric != "RGB":
            theirs = [pixel_array(read(data), index=n - 1) for n in {1, image.pixel.frames}]
            assert all(np.abs(a.astype(int) - b).max() <= 2 for a, b in zip(ours, theirs, strict=True)), path
        elif ours[0].dtype.kind == theirs[0].dtype.kind:
            assert all(a.shape == b.shape and (a == b).all() for a, b in zip(ours, theirs, strict=True)), path
        compared += 1
    assert compared >= 30


@both
def test_every_lossless_syntax_keeps_every_pixel(files):
    kept = 0
    for path in files[:: 1 if LONG else 3]:
        data = path.read_bytes()
        try:
            image = Image(data)
            numbers = sorted({1, image.pixel.frames})
            expected = [decode_frame(image, n) for n in numbers]
        except PanoradError:
            continue
        if not LONG and image.pixel.rows * image.pixel.columns * image.pixel.frames > 300_000:
            continue
        for target in LOSSLESS:
            try:
                result = Image(transcode(data, target))
            except SyntaxUnencodable:
                assert image.pixel.allocated not in (8, 16) or image.pixel.kind == "f", path
                continue
            assert decoded_photometric(result) == decoded_photometric(image), path
            for number, before in zip(numbers, expected, strict=True):
                after = decode_frame(result, number)
                assert after.shape == before.shape, path
                assert (after == before).all(), (path, SYNTAXES[target].name)
                kept += 1
    assert kept > 100


@both
def test_metadata_is_what_pydicom_says(files):
    compared = 0
    for path in files:
        data = path.read_bytes()
        try:
            ours = instance_metadata(data, "u")
        except DatasetInvalid:
            assert path.name in UNREADABLE, path
            continue
        assert json.loads(series_document([(data, "u")])) == [json.loads(json.dumps(ours, allow_nan=False))], path
        try:
            dataset = read(data)
            theirs = dataset.to_json_dict(
                bulk_data_threshold=1024, bulk_data_element_handler=lambda _: "u", suppress_invalid_tags=True
            )
        except Exception:
            continue
        if dataset.file_meta.get("TransferSyntaxUID") == syntaxes.EXPLICIT_BE:
            continue  # private UN: pydicom reads little endian contents as big endian
        compared += sum(_agree(ours, theirs, path))
    assert compared > 3000


def _agree(ours: dict[str, Any], theirs: dict[str, Any], where: Any) -> list[bool]:
    """Each attribute that both have, except those that are documented to differ: text that was declared wrongly, and large or
    opaque bytes."""
    agreed = []
    for tag in sorted(set(ours) & set(theirs) - {"00083002", "00080005", "00041220"}):
        a, b = ours[tag], theirs[tag]
        assert a["vr"] == b["vr"], (where, tag)
        if a["vr"] == "SQ":
            for x, y in zip(a.get("Value", []), b.get("Value", []), strict=True):
                agreed += _agree(x, y, (where, tag))
        elif "Value" in a and a["vr"] != "UN" and str(a["Value"]).isascii() and str(b.get("Value")).isascii():
            x, y = _plain(a["Value"]), _plain(b.get("Value", []))
            if "\\x1b" not in repr(y):
                assert x == y, (where, tag)
                agreed.append(True)
    return agreed


def _plain(values: list[Any]) -> list[Any]:
    plain = [
        v.strip() if isinstance(v, str) else {k: n.strip() for k, n in v.items() if n} if isinstance(v, dict) else v
        for v in values
    ]
    return [v if v not in ("", {}) else None for v in plain]


@both
def test_every_image_renders_to_a_sane_picture(files):
    import imagecodecs

    rendered = 0
    for path in files:
        data = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                if "image/png" not in rendered_types(data):
                    continue
                picture, small = imagecodecs.png_decode(render(data, None, media_type="image/png")), thumbnail(data, 64)
            except PanoradError:
                continue
        image = Image(data)
        assert max(picture.shape[:2]) >= min(8192, max(image.pixel.rows, image.pixel.columns)), path
        assert picture.dtype == np.uint8
        assert max(imagecodecs.jpeg8_decode(small).shape[:2]) == 64, path
        pixels = decode_frame(image, (image.pixel.frames + 1) // 2)
        varied = bool(pixels.max() > pixels.min()) and not image.top.numbers(0x00281050)
        assert not varied or picture.std() > 0, path
        rendered += 1
    assert rendered > 30
