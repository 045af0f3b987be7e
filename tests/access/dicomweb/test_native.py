from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panorad.access.dicomweb.errors import MalformedBody
from panorad.access.dicomweb.native import from_xml, to_xml

text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda t: "^" not in t and "\ufffe" not in t and "\uffff" not in t
)
names = st.fixed_dictionaries(
    {"Alphabetic": st.lists(text, min_size=1, max_size=5).map("^".join)}, optional={"Ideographic": text}
)
simple = st.one_of(
    st.builds(lambda v: {"vr": "LO", "Value": v}, st.lists(text, min_size=1, max_size=3)),
    st.builds(lambda v: {"vr": "PN", "Value": v}, st.lists(names, min_size=1, max_size=2)),
    st.builds(lambda v: {"vr": "US", "Value": v}, st.lists(st.integers(0, 65535), min_size=1, max_size=3)),
    st.builds(
        lambda v: {"vr": "FD", "Value": v}, st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=3)
    ),
    st.just({"vr": "OB", "InlineBinary": "AAEC"}),
    st.just({"vr": "OW", "BulkDataURI": "http://x/bulkdata/7FE00010"}),
    st.just({"vr": "DA"}),
    st.just({"vr": "LO", "Value": ["first", None, "third"]}),
)
tags = st.integers(0x00080000, 0x7FDFFFFF).map(lambda n: f"{n:08X}")
datasets = st.recursive(
    st.dictionaries(tags, simple, max_size=4),
    lambda inner: st.dictionaries(
        tags, simple | st.builds(lambda v: {"vr": "SQ", "Value": v}, st.lists(inner, min_size=1, max_size=2)), max_size=3
    ),
    max_leaves=8,
)


@given(datasets)
def test_json_to_xml_and_back(dataset: dict[str, Any]) -> None:
    [back] = from_xml(to_xml(dataset))
    assert back == dataset


def test_the_form_of_the_standard() -> None:
    xml = to_xml({"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"}]}}).decode()
    assert (
        '<DicomAttribute tag="00100010" vr="PN" keyword="PatientName"><PersonName number="1"><Alphabetic><FamilyName>Wang<' in xml
    )
    assert "<Ideographic><FamilyName>王</FamilyName><GivenName>小东</GivenName></Ideographic>" in xml


HOSTILE = [
    b"",
    b"<a/>",
    b"<NativeDicomModel>",
    b'<!DOCTYPE a [<!ENTITY b "c">]><NativeDicomModel/>',
    b'<NativeDicomModel><DicomAttribute tag="x" vr="LO"/></NativeDicomModel>',
    b'<NativeDicomModel><DicomAttribute tag="00080005" vr="US"><Value number="1">no</Value></DicomAttribute></NativeDicomModel>',
    b'<NativeDicomModel><DicomAttribute tag="00080005" vr="LO"><Value number="9999"/></DicomAttribute></NativeDicomModel>',
    b"<NativeDicomModel>"
    + b'<DicomAttribute tag="00400275" vr="SQ"><Item number="1">' * 100
    + b"</Item></DicomAttribute>" * 100
    + b"</NativeDicomModel>",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_xml_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedBody):
        from_xml(text)


@given(st.binary(max_size=200))
def test_any_bytes_give_data_sets_or_a_refusal(data: bytes) -> None:
    with suppress(MalformedBody):
        assert isinstance(from_xml(data), list)
