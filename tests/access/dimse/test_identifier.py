"""Identifiers: read what pydicom writes, write what pydicom reads, in every character set; arbitrary bytes do no harm."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_charset_files
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import UID

from panorad.access.dimse.charset import Charset
from panorad.access.dimse.identifier import Element, InvalidIdentifier, decode, encode
from panorad.data.imaging.charset import decode as decode_text

from .raw import EXPLICIT, IMPLICIT

SYNTAXES = [EXPLICIT, IMPLICIT]


def written(dataset: Dataset, syntax: str) -> bytes:
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = syntax == IMPLICIT, True
    write_dataset(file, dataset)
    return file.getvalue()


def read(data: bytes, syntax: str) -> Dataset:
    dataset = read_dataset(BytesIO(data), syntax == IMPLICIT, True)
    dataset.decode()
    return dataset


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_sort_of_key_is_read(syntax: str) -> None:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "GB18030"
    dataset.QueryRetrieveLevel, dataset.PatientName, dataset.PatientID = "STUDY", "张*", ""
    dataset.StudyInstanceUID = ["1.2", "1.3"]
    dataset.Rows, dataset.StudyDate, dataset.InstanceNumber = 512, "20240101-20241231", "7"
    item = Dataset()
    item.CodeValue, item.CodeMeaning = "T-1", "胸部"
    dataset.ProcedureCodeSequence = [item]
    dataset.RequestAttributesSequence = []
    dataset.ReferencedImageBoxSequence = []
    keys = {element.tag: element for element in decode(written(dataset, syntax), syntax)}
    assert keys["00100010"].values == ("张*",)
    assert keys["00100020"].values == ()
    assert keys["0020000D"].values == ("1.2", "1.3")
    assert keys["00280010"].values == ("512",)
    assert keys["00080020"].values == ("20240101-20241231",)
    assert keys["00200013"].values == ("7",)
    assert keys["00081032"].items == ((Element("00080100", "SH", ("T-1",)), Element("00080104", "LO", ("胸部",))),)
    assert keys["00400275"] == Element("00400275", "SQ")


def test_undefined_lengths_are_read() -> None:
    raw = bytes.fromhex("08003210 ffffffff feff00e0 ffffffff 08000001 04000000 31323334 feff0de0 00000000 feffdde0 00000000")
    assert decode(raw, IMPLICIT) == (Element("00081032", "SQ", (), ((Element("00080100", "SH", ("1234",)),),)),)


ROW: dict[str, Any] = {
    "00080020": {"vr": "DA", "Value": ["20240102"]},
    "00080061": {"vr": "CS", "Value": ["CT", "MR"]},
    "00081032": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["T-1"]}}]},
    "00100020": {"vr": "LO"},
    "00101030": {"vr": "DS", "Value": [70.5]},
    "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
    "00201208": {"vr": "IS", "Value": [12]},
    "00280010": {"vr": "US", "Value": [512]},
}


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    "asked, name, told",
    [
        ([], "Doe^Jane", None),
        (["ISO_IR 100"], "Müller^Jürgen", "ISO_IR 100"),
        (["ISO_IR 100"], "Zhang^San=张^三", "ISO_IR 192"),
        (["GB18030"], "Zhang^San=张^三", "GB18030"),
        (["GB18030"], "𠮷^田", "GB18030"),
        (["GBK"], "Zhang^San=張^三", "GBK"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", ["", "ISO 2022 IR 87"]),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", ["", "ISO 2022 IR 149"]),
        (["", "ISO 2022 IR 58"], "Łódź", "ISO_IR 192"),
        (["ISO_IR 144"], "Люкceмбypг", "ISO_IR 144"),
        ([], "张^三", "ISO_IR 192"),
    ],
)
def test_answers_are_read_by_pydicom_in_the_character_set_asked_for(
    syntax: str, asked: list[str], name: str, told: object
) -> None:
    groups = dict(zip(("Alphabetic", "Ideographic", "Phonetic"), name.split("="), strict=False))
    raw = encode({**ROW, "00100010": {"vr": "PN", "Value": [groups]}}, syntax, asked)
    dataset = read(raw, syntax)
    assert dataset.get("SpecificCharacterSet") == told
    assert str(dataset.PatientName) == name
    assert (dataset.PatientID, dataset.StudyDate, dataset.Rows) == ("", "20240102", 512)
    assert dataset.NumberOfStudyRelatedInstances == 12
    assert dataset.PatientWeight == 70.5
    assert list(dataset.ModalitiesInStudy) == ["CT", "MR"]
    assert dataset.ProcedureCodeSequence[0].CodeValue == "T-1"
    assert dataset.StudyInstanceUID == UID("1.2.3")


@given(st.text(max_size=40).filter(lambda text: "\\" not in text and text == text.strip(" \0")), st.sampled_from(SYNTAXES))
def test_any_text_comes_back(text: str, syntax: str) -> None:
    raw = encode({"00081030": {"vr": "LO", "Value": [text]}}, syntax, ["GB18030"])
    values = {element.tag: element.values for element in decode(raw, syntax)}
    assert values["00081030"] == ((text,) if text else ())


@given(st.binary(max_size=200), st.sampled_from(SYNTAXES))
def test_arbitrary_bytes_are_read_or_called_invalid(data: bytes, syntax: str) -> None:
    try:
        elements = decode(data, syntax)
    except InvalidIdentifier:
        return
    assert len(elements) <= len(data) / 8


def test_sequences_without_end_are_invalid() -> None:
    nested = bytes.fromhex("08003210 ffffffff feff00e0 ffffffff") * 10000
    with pytest.raises(InvalidIdentifier, match="deeply"):
        decode(nested, IMPLICIT)


@pytest.mark.parametrize("path", get_charset_files("*.dcm"), ids=lambda path: Path(path).stem)
def test_names_of_the_standard_s_examples_are_written_as_they_came(path: str) -> None:
    dataset = dcmread(path)
    if "PatientName" not in dataset:
        return
    told = dataset.get("SpecificCharacterSet", "")
    charset = Charset([told] if isinstance(told, str) else list(told))
    raw, name = bytes(dataset.PatientName.original_string).strip(), str(dataset.PatientName).strip()
    again = charset.encode(name, name=True)
    assert decode_text(again, (told,) if isinstance(told, str) else tuple(told)).text == name
    if b"\x1b(" not in raw:  # Japanese has more than one way back to ASCII
        assert again == raw


def test_chinese_with_code_extension() -> None:
    """PS3.5 section K.2."""
    raw = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="
    assert Charset(["", "ISO 2022 IR 58"]).encode("Zhang^XiaoDong=张^小东=", name=True) == raw


@pytest.mark.parametrize("terms", [["NO SUCH SET"], ["GB18030", "ISO 2022 IR 87"]])
def test_character_sets_that_are_none_are_answered_in_utf8(terms: list[str]) -> None:
    raw = encode({"00081030": {"vr": "LO", "Value": ["胸部"]}}, EXPLICIT, terms)
    assert [element.values for element in decode(raw, EXPLICIT)] == [("ISO_IR 192",), ("胸部",)]


def test_katakana_alone_holds_no_kanji() -> None:
    assert Charset(["ISO_IR 13"]).encode("ﾔﾏﾀﾞ") == "ﾔﾏﾀﾞ".encode("shift_jis")
    with pytest.raises(UnicodeError):
        Charset(["ISO_IR 13"]).encode("山")
