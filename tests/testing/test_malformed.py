"""Malformed input: stable, distinct, and each file wrong in the way its name says."""

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from panorad.testing.malformed import malformed

FILES = dict(malformed())


def test_names_and_contents_are_distinct_and_stable() -> None:
    assert len(FILES) == len(list(malformed())) >= 20
    assert len(set(FILES.values())) == len(FILES)
    assert dict(malformed()) == FILES


@pytest.mark.parametrize("name", ["empty.dcm", "text.dcm", "noise.dcm", "kept-no-preamble.dcm", "kept-no-meta-implicit.dcm"])
def test_files_without_the_prefix_are_no_part_10_files(name: str) -> None:
    with pytest.raises((InvalidDicomError, EOFError)):
        dcmread(BytesIO(FILES[name]))


@pytest.mark.parametrize("name", sorted(name for name in FILES if name.startswith("kept-")))
def test_what_may_be_kept_still_names_its_instance(name: str) -> None:
    ds = dcmread(BytesIO(FILES[name]), force=True)
    assert ds.SOPInstanceUID.is_valid
    assert ds.StudyInstanceUID.is_valid
    assert ds.Rows == 32


def test_nesting_is_a_thousand_deep() -> None:
    assert FILES["nested-1000.dcm"].count(b"\x18\x00\x2a\x9aSQ") == 1000


def test_the_bomb_is_small_and_promises_four_thousand_million_pixels() -> None:
    ds = dcmread(BytesIO(FILES["bomb-65535.dcm"]))
    assert ds.Rows * ds.Columns == 65535**2
    assert len(FILES["bomb-65535.dcm"]) < 4096


def test_illegal_uids_are_in_the_bytes() -> None:
    assert b"../../../etc/passwd" in FILES["path-uid.dcm"]
    assert b"1.2." + b"3" * 80 in FILES["long-uid.dcm"]
