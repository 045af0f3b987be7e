from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from panorad.access.dicomweb.errors import MalformedBody
from panorad.access.dicomweb.multipart import (
    HEADER_BYTES,
    Parser,
    PartBegin,
    PartData,
    PartEnd,
    closing,
    part_head,
    write_boundary,
)

BOUNDARY = "b0"
Part = tuple[dict[str, str], bytes]


def parsed(chunks: list[bytes], boundary: str = BOUNDARY) -> list[Part]:
    """What a parser makes of a body that arrives in these chunks."""
    parser, parts, data, ended = Parser(boundary), [], bytearray(), 0
    for chunk in chunks:
        for event in parser.feed(chunk):
            if isinstance(event, PartBegin):
                data = bytearray()
                parts.append((dict(event.headers), data))
            elif isinstance(event, PartData):
                data += event.data
            elif isinstance(event, PartEnd):
                ended += 1
    parser.close()
    assert ended == len(parts) == parser.parts
    return [(headers, bytes(data)) for headers, data in parts]


def cut(body: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[a:b] for a, b in pairwise(edges)]


# bytes in which boundaries, line ends and their beginnings are frequent
lines = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", b"--b0", b"\r\n--b0x", b"\n--b", b"a", b"\0"]), max_size=8
).map(b"".join)


def body_of(parts: list[bytes], line: bytes, preamble: bytes = b"") -> bytes:
    text = preamble + line if preamble else b""
    for part in parts:
        text += b"--b0" + line + b"Content-Type: application/dicom" + line + line + part + line
    return text + b"--b0--" + line + b"epilogue --b0"


@given(
    parts=st.lists(lines, max_size=4), places=st.lists(st.integers(0, 500), max_size=12), line=st.sampled_from([b"\r\n", b"\n"])
)
def test_any_chunking_gives_the_same_parts(parts: list[bytes], places: list[int], line: bytes) -> None:
    parts = [part for part in parts if b"--b0" not in part]
    body = body_of(parts, line)
    assert [data for _, data in parsed(cut(body, places))] == parts
    assert [data for _, data in parsed([body[i : i + 1] for i in range(len(body))])] == parts


@given(
    part=st.sampled_from([b"x\r\n--b0x\r\n", b"\r\n--b", b"\n--b0\n", b"\r\n--b0 \rx", b"x--b0--"]),
    places=st.lists(st.integers(0, 99), max_size=5),
)
def test_what_only_looks_like_a_boundary_is_data(part: bytes, places: list[int]) -> None:
    assert [data for _, data in parsed(cut(body_of([part, b"next"], b"\r\n"), places))] == [part, b"next"]


@given(data=st.binary(max_size=400) | lines, places=st.lists(st.integers(0, 400), max_size=6))
@example(b"--b0\r\n\r\n\r\n--b0--", [])
def test_arbitrary_bytes_never_crash_it(data: bytes, places: list[int]) -> None:
    try:
        once = parsed([data])
    except MalformedBody:
        once = None
    try:
        again = parsed(cut(data, places))
    except MalformedBody:
        again = None
    assert once == again


def test_headers_quoting_padding_and_preamble() -> None:
    body = b"ignored\r\n--b0 \t\r\nContent-TYPE:  application/dicom \r\ncontent-location: x:y\r\n\r\nDATA\r\n--b0--"
    assert parsed([body]) == [({"content-type": "application/dicom", "content-location": "x:y"}, b"DATA")]


def test_a_part_without_headers_and_an_empty_part() -> None:
    assert parsed([b"--b0\r\n\r\nx\r\n--b0\r\nA: b\r\n\r\n\r\n--b0--\r\n"]) == [({}, b"x"), ({"a": "b"}, b"")]


def test_a_missing_final_boundary_is_an_error() -> None:
    with pytest.raises(MalformedBody, match="closing boundary"):
        parsed([b"--b0\r\n\r\nhalf of a part"])
    with pytest.raises(MalformedBody, match="closing boundary"):
        parsed([])


def test_headers_without_end_are_an_error() -> None:
    with pytest.raises(MalformedBody, match="headers"):
        parsed([b"--b0\r\n", b"x" * HEADER_BYTES, b"y" * 100])


def test_a_boundary_is_required() -> None:
    with pytest.raises(MalformedBody, match="boundary"):
        Parser("")


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_what_the_writer_writes_the_parser_reads(parts: list[bytes]) -> None:
    boundary = write_boundary()
    body = b"".join(part_head(boundary, "application/dicom", "here") + part for part in parts) + closing(boundary)
    assert [data for _, data in parsed([body], boundary)] == parts
