from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panorad.access.dicomweb.errors import MalformedAccept, NotAcceptable
from panorad.access.dicomweb.forms import Form, envelope, frame_form, instance_form
from panorad.access.dicomweb.media import parse_accept, parse_parameters, wanted
from panorad.data.imaging.syntaxes import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    HTJ2K_LOSSLESS,
    IMPLICIT_LE,
    JPEG_BASELINE,
    JPEG_LS_LOSSLESS,
    RLE_LOSSLESS,
)

MPEG4 = "1.2.840.10008.1.2.4.102"
OCTETS = "application/octet-stream"

ACCEPTS = [
    ("application/dicom", [("application/dicom", {}, 1.0)]),
    ('multipart/related; type="application/dicom"', [("multipart/related", {"type": "application/dicom"}, 1.0)]),
    (
        "multipart/related;type=application/dicom;transfer-syntax=*",
        [("multipart/related", {"type": "application/dicom", "transfer-syntax": "*"}, 1.0)],
    ),
    ('a/b;q=0.2, c/d ; Q=0.9;X="1,2;3"', [("c/d", {"x": "1,2;3"}, 0.9), ("a/b", {}, 0.2)]),
    ("a/b;q=0, */*", [("*/*", {}, 1.0)]),
    ("IMAGE/JPEG", [("image/jpeg", {}, 1.0)]),
    (r'a/b; x="say \"hi\""', [("a/b", {"x": 'say "hi"'}, 1.0)]),
    ("a/b;q=high, nonsense, c/d;q=5", [("a/b", {}, 1.0), ("c/d", {}, 1.0)]),
]


@pytest.mark.parametrize(("text", "expected"), ACCEPTS, ids=[text for text, _ in ACCEPTS])
def test_accept_headers(text: str, expected: list[tuple[str, dict[str, str], float]]) -> None:
    assert [(r.name, r.parameters, r.quality) for r in parse_accept(text)] == expected


@pytest.mark.parametrize("text", ["nonsense", ";;;", "a/b/c", "/", "a/b," * 2000])
def test_an_accept_header_without_any_range_is_refused(text: str) -> None:
    with pytest.raises(MalformedAccept):
        parse_accept(text)


@given(st.text(max_size=80) | st.text(alphabet='a/*;,="\\ q.1', max_size=40))
def test_any_text_gives_ranges_or_a_refusal(text: str) -> None:
    try:
        ranges = parse_accept(text)
    except MalformedAccept:
        return
    assert all(0 < r.quality <= 1 and r.name.count("/") == 1 for r in ranges)
    assert list(ranges) == sorted(ranges, key=lambda r: -r.quality)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z-]{0,8}", fullmatch=True).filter(lambda k: k != "q"), st.text(max_size=12)))
def test_quoted_parameters_come_back(parameters: dict[str, str]) -> None:
    quoted = "".join(
        f'; {key}="{value.translate(str.maketrans({chr(34): chr(92) + chr(34), chr(92): chr(92) * 2}))}"'
        for key, value in parameters.items()
    )
    assert parse_parameters(f"Multipart/Related{quoted}") == ("multipart/related", parameters)


FRAMES = [
    # accept, stored syntax, several -> media type, multipart, syntax, as stored
    ("*/*", EXPLICIT_LE, False, Form(OCTETS, True, EXPLICIT_LE)),
    ("*/*", JPEG_LS_LOSSLESS, False, Form("image/jls", True, JPEG_LS_LOSSLESS)),
    (f'multipart/related; type="{OCTETS}"', IMPLICIT_LE, True, Form(OCTETS, True, EXPLICIT_LE)),
    (f'multipart/related; type="{OCTETS}"', RLE_LOSSLESS, True, Form(OCTETS, True, EXPLICIT_LE, False)),
    (f'multipart/related; type="{OCTETS}"', EXPLICIT_BE, False, Form(OCTETS, True, EXPLICIT_LE, False)),
    (f"multipart/related; type={OCTETS}; transfer-syntax=*", JPEG_LS_LOSSLESS, False, Form("image/jls", True, JPEG_LS_LOSSLESS)),
    (OCTETS, EXPLICIT_LE, False, Form(OCTETS, False, EXPLICIT_LE)),
    (OCTETS, JPEG_LS_LOSSLESS, False, Form(OCTETS, False, EXPLICIT_LE, False)),
    ("multipart/related; type=image/x-jls", JPEG_LS_LOSSLESS, False, Form("image/jls", True, JPEG_LS_LOSSLESS)),
    ("multipart/related; type=image/jpeg", JPEG_BASELINE, False, Form("image/jpeg", True, JPEG_BASELINE)),
    ("multipart/related; type=image/jphc", EXPLICIT_LE, False, Form("image/jphc", True, HTJ2K_LOSSLESS, False)),
    (f"image/jphc;q=0.5, {OCTETS};q=0.4", EXPLICIT_LE, False, Form("image/jphc", False, HTJ2K_LOSSLESS, False)),
    (f"image/jphc;q=0.4, {OCTETS};q=0.5", EXPLICIT_LE, False, Form(OCTETS, False, EXPLICIT_LE)),
    (f"image/jphc, {OCTETS}", EXPLICIT_LE, False, Form(OCTETS, False, EXPLICIT_LE)),
    ("image/*", JPEG_LS_LOSSLESS, False, Form("image/jls", False, JPEG_LS_LOSSLESS)),
    ("multipart/related; type=video/mp4", MPEG4, False, Form("video/mp4", True, MPEG4)),
]


@pytest.mark.parametrize(("accept", "stored", "several", "expected"), FRAMES, ids=lambda v: str(v)[:60])
def test_forms_of_frames(accept: str, stored: str, several: bool, expected: Form) -> None:
    assert frame_form(accept, stored, several) == expected


@pytest.mark.parametrize(
    ("accept", "stored", "several", "offer"),
    [
        ("text/plain", EXPLICIT_LE, False, "application/octet-stream"),
        (OCTETS, EXPLICIT_LE, True, "multipart/related"),
        (f"multipart/related; type={OCTETS}", MPEG4, False, "video/mp4"),
        ("image/jpeg", JPEG_LS_LOSSLESS, False, "image/jls"),
    ],
)
def test_frames_that_cannot_be_had_say_what_can(accept: str, stored: str, several: bool, offer: str) -> None:
    with pytest.raises(NotAcceptable, match=offer):
        frame_form(accept, stored, several)


INSTANCES = [
    ('multipart/related; type="application/dicom"; transfer-syntax=*', True, RLE_LOSSLESS, (RLE_LOSSLESS, True)),
    ('multipart/related; type="application/dicom"', True, RLE_LOSSLESS, (EXPLICIT_LE, False)),
    ('multipart/related; type="application/dicom"', True, EXPLICIT_LE, (EXPLICIT_LE, True)),
    ('multipart/related; type="application/dicom"', True, MPEG4, (MPEG4, True)),
    ("*/*", True, RLE_LOSSLESS, (RLE_LOSSLESS, True)),
    (f"application/dicom; transfer-syntax={HTJ2K_LOSSLESS}", False, EXPLICIT_LE, (HTJ2K_LOSSLESS, False)),
    (
        f"application/dicom; transfer-syntax={HTJ2K_LOSSLESS};q=0.5, application/dicom;transfer-syntax={RLE_LOSSLESS};q=0.5",
        False,
        RLE_LOSSLESS,
        (RLE_LOSSLESS, True),
    ),
]


@pytest.mark.parametrize(("accept", "multipart", "stored", "expected"), INSTANCES, ids=lambda v: str(v)[:60])
def test_forms_of_instances(accept: str, multipart: bool, stored: str, expected: tuple[str, bool]) -> None:
    form = instance_form(accept, stored, multipart)
    assert (form.syntax, form.as_stored) == expected


def test_an_instance_in_a_syntax_nobody_makes() -> None:
    with pytest.raises(NotAcceptable, match=EXPLICIT_LE):
        instance_form(f"application/dicom; transfer-syntax={MPEG4}", EXPLICIT_LE, False)


@pytest.mark.parametrize(
    ("accept", "several", "expected"),
    [
        ("*/*", True, "multipart/related"),
        ("*/*", False, "multipart/related"),
        ("application/dicom", False, "application/dicom"),
        ("application/zip", True, "application/zip"),
        ("application/zip;q=0.1, multipart/related;q=0.2", True, "multipart/related"),
        ("application/dicom, multipart/related", True, "multipart/related"),
    ],
)
def test_envelopes(accept: str, several: bool, expected: str) -> None:
    assert envelope(accept, several) == expected


def test_many_instances_do_not_fit_one_bare_body() -> None:
    with pytest.raises(NotAcceptable, match="multipart/related"):
        envelope("application/dicom", True)


def test_json_goes_by_two_names() -> None:
    assert next(wanted("application/json", [], bare=["application/dicom+json"])).media_type == "application/dicom+json"
