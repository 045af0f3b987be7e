"""Walking elements: golden bytes in each coding, and what hostile lengths and nesting may cost."""

import time

import pytest

from panorad.data.imaging.elements import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    MAX_DEPTH,
    UNDEFINED,
    DatasetInvalid,
    HeaderIncomplete,
    coding_of,
    items,
    walk,
)

ITEM, ITEM_END, SEQUENCE_END = "feff00e0ffffffff", "feff0de000000000", "feffdde000000000"
SEQUENCE = "08004011 5351 0000 ffffffff"
IMPLICIT_SEQUENCE = "08004011 ffffffff"

GOLDEN = [
    (EXPLICIT_LE, "10002000 4c4f 0200 3132", {0x00100020: ("LO", 8, 2)}),
    (EXPLICIT_LE, "10002000 5554 0000 02000000 3132", {0x00100020: ("UT", 12, 2)}),
    (EXPLICIT_LE, "10002000 5a5a 0000 02000000 3132", {0x00100020: ("ZZ", 12, 2)}),
    (EXPLICIT_LE, "10002000 02000000 3132", {0x00100020: ("", 8, 2)}),
    (EXPLICIT_BE, "00100020 4c4f 0002 3132", {0x00100020: ("LO", 8, 2)}),
    (IMPLICIT_LE, "10002000 02000000 3132", {0x00100020: ("", 8, 2)}),
    (
        EXPLICIT_LE,
        f"{SEQUENCE} {SEQUENCE_END} 10002000 4c4f 0000",
        {0x00081140: ("SQ", 12, UNDEFINED), 0x00100020: ("LO", 28, 0)},
    ),
    (
        EXPLICIT_LE,
        f"{SEQUENCE} {ITEM} {SEQUENCE} {ITEM} {ITEM_END} {SEQUENCE_END} {ITEM_END} {SEQUENCE_END}",
        {0x00081140: ("SQ", 12, UNDEFINED)},
    ),
    (
        EXPLICIT_LE,  # PS3.5 section 6.2.2 note 2: UN of undefined length is in implicit VR
        f"09001010 554e 0000 ffffffff {ITEM} {IMPLICIT_SEQUENCE} {SEQUENCE_END} 10002000 02000000 3132 {ITEM_END} {SEQUENCE_END}",
        {0x00091010: ("UN", 12, UNDEFINED)},
    ),
    (IMPLICIT_LE, f"{IMPLICIT_SEQUENCE} feff00e0 02000000 3132 {SEQUENCE_END}", {0x00081140: ("", 8, UNDEFINED)}),
    (EXPLICIT_LE, "10002000 4c4f 0200 3132" + "00" * 13, {0x00100020: ("LO", 8, 2), 0: ("", 18, 5)}),
]


@pytest.mark.parametrize("coding, digits, expected", GOLDEN)
def test_walk_reports_every_element(coding, digits, expected):
    data = bytes.fromhex(digits)
    assert walk(data, 0, len(data), coding, None) == (expected, len(data))


@pytest.mark.parametrize("coding, digits, expected", GOLDEN)
def test_no_beginning_of_a_data_set_is_taken_for_the_whole(coding, digits, expected):
    data = bytes.fromhex(digits.removesuffix("00" * 13))
    for length in range(1, len(data)):
        try:
            found, _ = walk(data[:length], 0, length, coding, None)
        except HeaderIncomplete:
            continue
        assert len(found) < len(expected), "only a cut between two elements cannot be seen"


def test_walk_stops_at_the_asked_element_and_reports_only_what_is_wanted():
    data = bytes.fromhex("10002000 4c4f 0200 3132 10003000 4441 0000 e07f1000 4f57 0000 ffffff7f")
    stop = frozenset({EXPLICIT_LE.raw(0x7FE00010)})
    found, at = walk(data, 0, len(data), EXPLICIT_LE, EXPLICIT_LE.wanted({0x00100030: None}), stop)
    assert (found, at) == ({0x00100030: ("DA", 18, 0)}, 18)


def test_items_of_both_kinds():
    data = bytes.fromhex(f"feff00e0 0a000000 10002000 4c4f 0200 3132 {ITEM} 10002000 4c4f 0000 {ITEM_END} {SEQUENCE_END}")
    starts = [start for start, _ in items(data, 0, UNDEFINED, len(data), EXPLICIT_LE)]
    assert starts == [8, 26]


@pytest.mark.parametrize(
    "digits, reason",
    [
        ("10002000 4c4f 0400 3132", r"element \(0010,0020\) at byte 0 reaches beyond the end at byte 10"),
        (f"{SEQUENCE} 10002000 4c4f 0000", r"\(0010,0020\) stands at byte 12 where an item of a sequence must be"),
        (f"{SEQUENCE} {ITEM}", "a sequence has no end before byte 20"),
        ("10002000 4c4f 0000" + "00" * 8 + "01", "zeros stand at byte 8 where an element must be"),
        ("1000", "it ends at byte 2, before the first element is complete"),
    ],
)
def test_refusals_name_tag_and_place(digits, reason):
    data = bytes.fromhex(digits)
    with pytest.raises(DatasetInvalid, match=reason):
        walk(data, 0, len(data), EXPLICIT_LE, None)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1000, 100_000])
def test_deep_nesting_is_refused_at_once(depth):
    data = bytes.fromhex(f"{SEQUENCE} {ITEM}") * depth
    start = time.perf_counter()
    with pytest.raises(DatasetInvalid, match="nested deeper than 128 levels"):
        walk(data, 0, len(data), EXPLICIT_LE, None)
    assert time.perf_counter() - start < 0.5


def test_what_is_nested_to_the_limit_is_walked():
    depth = MAX_DEPTH
    data = bytes.fromhex(f"{SEQUENCE} {ITEM}" * depth + f"{ITEM_END} {SEQUENCE_END}" * depth)
    assert walk(data, 0, len(data), EXPLICIT_LE, None)[1] == len(data)


def test_a_flood_of_empty_elements_is_refused(monkeypatch):
    monkeypatch.setattr("panorad.data.imaging.elements.MAX_ELEMENTS", 1000)
    flood = bytes.fromhex("10002000 4c4f 0000") * 1001
    nested = bytes.fromhex(f"{SEQUENCE} {ITEM}") + flood
    for data in (flood, nested):
        with pytest.raises(DatasetInvalid, match="elements before its pixel data"):
            walk(data, 0, len(data), EXPLICIT_LE, None)


@pytest.mark.parametrize(
    "syntax, first, coding",
    [
        ("1.2.840.10008.1.2", "08000500 0a000000", IMPLICIT_LE),
        ("1.2.840.10008.1.2", "08000500 4353 0a00", EXPLICIT_LE),
        ("1.2.840.10008.1.2.1", "08000500 0a000000", IMPLICIT_LE),
        ("1.2.840.10008.1.2.4.70", "08000500 4353 0a00", EXPLICIT_LE),
        ("1.2.840.10008.1.2.2", "00080005 4353 000a", EXPLICIT_BE),
        ("1.2.3.4", "08000500 0a000000", IMPLICIT_LE),
        ("1.2.3.4", "08000500 4353 0a00", EXPLICIT_LE),
    ],
)
def test_the_first_element_corrects_the_declared_coding(syntax, first, coding):
    assert coding_of(bytes.fromhex(first), syntax) is coding
