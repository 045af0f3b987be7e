"""Patient, study and series attributes in the DICOM JSON model: the values of every kind, and broken ones."""

import io
import json
import zlib
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_charset_files, get_testdata_file
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset

from panorad.data.imaging import part10
from panorad.data.imaging.attributes import INSTANCE, LEVELS, PATIENT, SERIES, STUDY, level_of
from panorad.data.imaging.describe import describe
from panorad.model.query import Level

IMPLICIT, EXPLICIT, BIG, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"


def encode(dataset: Dataset, syntax: str = EXPLICIT) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, implicit_vr=syntax == IMPLICIT, little_endian=syntax != BIG)
    return buffer.getvalue()


def dataset() -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName = "Zhang^San=张^三"
    ds.PatientID = "123"
    ds.PatientSize = "1.75"
    ds.OtherPatientNames = ["Doe^Anna", "Roe^Anna"]
    ds.StudyDate = "20240131"
    ds.StudyInstanceUID = "1.2"
    ds.AccessionNumber = ""
    ds.SeriesNumber = "3"
    ds.Modality = "CT"
    ds.SpatialResolution = "0.5"
    ds.SoftwareVersions = ["1.0", "", "b"]
    ds.LongitudinalTemporalOffsetFromEvent = 2.5
    code = Dataset()
    code.CodeValue, code.CodeMeaning = "CT1", "胸部CT"
    code.add_new(0x00091001, "LO", "private")
    ds.ProcedureCodeSequence = [code]
    request = Dataset()
    request.RequestedProcedureID, request.ScheduledProtocolCodeSequence = "R1", [code]
    ds.RequestAttributesSequence = [request]
    ds.Rows = 4
    ds.add_new(0x00091002, "LO", "private")
    return ds


STUDY_JSON = {
    "00080020": {"vr": "DA", "Value": ["20240131"]},
    "00080050": {"vr": "SH"},
    "00081032": {
        "vr": "SQ",
        "Value": [{"00080100": {"vr": "SH", "Value": ["CT1"]}, "00080104": {"vr": "LO", "Value": ["胸部CT"]}}],
    },
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Zhang^San", "Ideographic": "张^三"}]},
    "00100020": {"vr": "LO", "Value": ["123"]},
    "00101001": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Anna"}, {"Alphabetic": "Roe^Anna"}]},
    "00101020": {"vr": "DS", "Value": [1.75]},
    "00120052": {"vr": "FD", "Value": [2.5]},
    "0020000D": {"vr": "UI", "Value": ["1.2"]},
}
SERIES_JSON = {
    "00080060": {"vr": "CS", "Value": ["CT"]},
    "00181020": {"vr": "LO", "Value": ["1.0", None, "b"]},
    "00181050": {"vr": "DS", "Value": [0.5]},
    "00200011": {"vr": "IS", "Value": [3]},
    "00400275": {
        "vr": "SQ",
        "Value": [{"00400008": STUDY_JSON["00081032"], "00401001": {"vr": "SH", "Value": ["R1"]}}],
    },
}


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize("undefined", [False, True])
def test_the_values_of_every_kind(syntax, undefined):
    ds = dataset()
    for sequence in ("ProcedureCodeSequence", "RequestAttributesSequence"):
        ds[sequence].is_undefined_length = undefined
        ds[sequence].value[0].is_undefined_length_sequence_item = undefined
    described = describe(encode(ds, syntax), syntax)
    assert described.study == STUDY_JSON
    assert described.series == SERIES_JSON
    assert described.name_keys == ("zhangsan", "张三", "sanzhang", "三张", "zs")
    assert described.warnings == ()


def test_a_deflated_data_set():
    packer = zlib.compressobj(wbits=-15)
    assert describe(packer.compress(encode(dataset())) + packer.flush(), DEFLATED).study == STUDY_JSON


def test_an_item_has_its_own_character_set():
    ds = dataset()
    ds.ProcedureCodeSequence[0].SpecificCharacterSet = "GB18030"
    assert describe(encode(ds), EXPLICIT).study == STUDY_JSON


@pytest.mark.parametrize(
    "declared, codec", [(None, "gb18030"), ("ISO_IR 100", "gb18030"), (None, "utf_8"), ("ISO_IR 192", "gb18030")]
)
def test_chinese_text_without_or_with_a_wrong_declaration(declared, codec):
    ds = Dataset()
    if declared:
        ds.SpecificCharacterSet = declared
    ds.add_new(0x00100010, "PN", "张^三".encode(codec))
    ds.add_new(0x00081030, "LO", "腹部平扫".encode(codec))
    described = describe(encode(ds), EXPLICIT)
    assert described.study["00100010"]["Value"] == [{"Alphabetic": "张^三"}]
    assert described.study["00081030"]["Value"] == ["腹部平扫"]
    assert "zhangsan" in described.name_keys
    assert [warning[:13] for warning in described.warnings] == ["(0008,1030): ", "(0010,0010): "]


def element(tag: str, vr: bytes, value: bytes) -> bytes:
    group, number = int(tag[:4], 16).to_bytes(2, "little"), int(tag[4:], 16).to_bytes(2, "little")
    if vr in (b"SQ", b"UN", b"OB"):
        return group + number + vr + b"\0\0" + len(value).to_bytes(4, "little") + value
    return group + number + vr + len(value).to_bytes(2, "little") + value


@pytest.mark.parametrize(
    "tag, vr, raw, expected",
    [
        ("00101020", b"DS", b"1,75", {"vr": "DS", "Value": ["1,75"]}),
        ("00101020", b"DS", b"nan ", {"vr": "DS", "Value": ["nan"]}),
        ("00101020", b"DS", b"1e999 ", {"vr": "DS", "Value": ["1e999"]}),
        ("00200011", b"IS", b"3A", {"vr": "IS", "Value": ["3A"]}),
        ("00200011", b"IS", b"9" * 5000, {"vr": "IS", "Value": ["9" * 5000]}),
        ("00120052", b"FD", bytes(6) + b"\xf0\x7f", {"vr": "FD", "Value": ["inf"]}),
        ("00120052", b"FD", bytes(5), {"vr": "FD"}),
        ("00080020", b"ZZ", b"2024", {"vr": "DA", "Value": ["2024"]}),
        ("00100010", b"LO", b"Doe^Anna", {"vr": "PN", "Value": [{"Alphabetic": "Doe^Anna"}]}),
        ("00100010", b"UN", b"Doe^Anna", {"vr": "PN", "Value": [{"Alphabetic": "Doe^Anna"}]}),
        ("00100010", b"PN", b"=\xe5\xbc\xa0^\xe4\xb8\x89=", {"vr": "PN", "Value": [{"Ideographic": "张^三"}]}),
        ("00100010", b"PN", b" \0", {"vr": "PN"}),
        ("00104000", b"LT", b" a\\b ", {"vr": "LT", "Value": [" a\\b"]}),
        ("00081032", b"SQ", b"", {"vr": "SQ"}),
        ("00081032", b"SQ", b"no item at all", {"vr": "SQ"}),
        (
            "00081032",
            b"UN",
            bytes.fromhex("feff00e0 0a000000 08000001 02000000 4131"),
            {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["A1"]}}]},
        ),
    ],
)
def test_a_broken_value_is_given_as_it_is(tag, vr, raw, expected):
    described = describe(element(tag, vr, raw), EXPLICIT)
    assert {**described.study, **described.series}[tag] == expected
    json.dumps([described.study, described.series], allow_nan=False)


def test_an_element_that_cannot_be_read_is_left_out_and_told():
    broken = bytes.fromhex("feff00e0 0a000000 08000001 5348 ff00 4131")
    described = describe(element("00081032", b"SQ", broken) + element("00100020", b"LO", b"123 "), EXPLICIT)
    assert described.study == {"00100020": {"vr": "LO", "Value": ["123"]}}
    [warning] = described.warnings
    assert warning.startswith("(0008,1032) is left out: element (0008,0100) at byte 20 reaches beyond the end")


def test_deeply_nested_items_of_defined_length_are_left_out():
    nested = b""
    for _ in range(1000):
        nested = element("00081032", b"SQ", b"\xfe\xff\x00\xe0" + len(nested).to_bytes(4, "little") + nested)
    described = describe(nested, EXPLICIT)
    assert described.warnings == ("(0008,1032) is left out: it is nested deeper than 16 levels",)


@pytest.mark.parametrize("path", get_charset_files("*.dcm"), ids=lambda path: Path(path).stem)
def test_names_of_the_charset_files_as_pydicom_gives_them(path):
    data = Path(path).read_bytes()
    parts = part10.split(data)
    described = describe(data[parts.data_at :], parts.transfer_syntax)
    expected = pydicom.dcmread(path).to_json_dict().get("00100010", {}).get("Value", [None])[0]
    got = described.study.get("00100010", {}).get("Value", [None])[0]
    assert got == (expected and {group: text.strip() for group, text in expected.items() if text.strip()})
    assert described.warnings == ()


@pytest.mark.parametrize("name", ["CT_small", "MR_small", "rtplan", "test-SR", "waveform_ecg", "examples_ybr_color"])
@pytest.mark.filterwarnings("ignore")
def test_bundled_files_as_pydicom_gives_them(name):
    data = Path(str(get_testdata_file(f"{name}.dcm"))).read_bytes()
    parts = part10.split(data)
    described = describe(data[parts.data_at :], parts.transfer_syntax)
    reference = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True).to_json_dict(suppress_invalid_tags=True)
    kept = {f"{tag:08X}" for tag in {**PATIENT, **STUDY, **SERIES}} & reference.keys()
    assert {**described.study, **described.series}.keys() == kept
    for tag in kept:
        if reference[tag]["vr"] not in ("SQ", "PN"):
            assert {**described.study, **described.series}[tag] == reference[tag]


def test_the_tables_agree_with_the_data_dictionary():
    for table in LEVELS.values():
        assert {tag: (dictionary_VR(tag), keyword_for_tag(tag)) for tag in table} == table
        assert list(table) == sorted(table)


def test_every_attribute_has_one_level():
    assert sum(map(len, LEVELS.values())) == len({**PATIENT, **STUDY, **SERIES, **INSTANCE})
    assert [level_of(tag) for tag in (0x00100020, 0x0020000D, 0x00080060, 0x00080018, 0x7FE00010)] == [*Level, None]
