from __future__ import annotations

import pytest
from pydicom.uid import AllTransferSyntaxes

from panorad.data.imaging import syntaxes
from panorad.data.imaging.syntaxes import SYNTAXES, syntax_of

SMPTE = "1.2.840.10008.1.2.7."


@pytest.mark.parametrize("uid", [uid for uid in AllTransferSyntaxes if not uid.startswith(SMPTE)], ids=str)
def test_every_standard_syntax_agrees_with_pydicom(uid):
    row = SYNTAXES[uid]
    assert row.name.split(" (Process")[0].split(", First")[0] in uid.name
    assert row.encapsulated == (uid.is_encapsulated and row.codec != "reference")
    assert (row.implicit, row.big_endian) == (uid.is_implicit_VR, not uid.is_little_endian)


@pytest.mark.parametrize(
    "uid, media",
    [
        (syntaxes.EXPLICIT_LE, "application/octet-stream"),
        (syntaxes.JPEG_BASELINE, "image/jpeg"),
        (syntaxes.JPEG_LOSSLESS_SV1, "image/jpeg"),
        (syntaxes.JPEG_LS, "image/jls"),
        (syntaxes.JPEG_2000_LOSSLESS, "image/jp2"),
        (syntaxes.HTJ2K, "image/jphc"),
        (syntaxes.JPEG_XL, "image/jxl"),
        (syntaxes.RLE_LOSSLESS, "image/dicom-rle"),
        ("1.2.840.10008.1.2.4.100", "video/mpeg"),
        ("1.2.840.10008.1.2.4.106.1", "video/mp4"),
    ],
)
def test_media_types_of_frames(uid, media):
    assert syntax_of(uid).media_type == media


def test_an_unknown_syntax_is_kept_but_not_decoded():
    row = syntax_of("1.2.3.4")
    assert not row.decodes
    assert not row.encodes
    assert not row.implicit
