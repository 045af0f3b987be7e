"""Where the data set of a file begins: well-formed files, and what real archives contain instead."""

import io

import pydicom
import pytest
from pydicom.data import get_testdata_file

from panorad.data.imaging import part10
from panorad.data.imaging.header import DatasetInvalid
from panorad.data.imaging.part10 import file_meta, split

EXPLICIT = "1.2.840.10008.1.2.1"
META = file_meta("1.2.840.10008.5.1.4.1.1.2", "1.2.3", EXPLICIT, "SCANNER")
DATASET = bytes.fromhex("08001600 5549 0200 3100")


def element(number: int, vr: bytes, value: bytes) -> bytes:
    return b"\x02\x00" + number.to_bytes(2, "little") + vr + len(value).to_bytes(2, "little") + value


def test_our_file_meta_is_read_back_by_us():
    assert split(META + DATASET) == part10.Part10(
        len(META),
        EXPLICIT,
        {
            "00020001": "0001",
            "00020002": "1.2.840.10008.5.1.4.1.1.2",
            "00020003": "1.2.3",
            "00020010": EXPLICIT,
            "00020012": part10.IMPLEMENTATION_CLASS_UID,
            "00020013": "PANORAD_01",
            "00020016": "SCANNER",
        },
    )


@pytest.mark.parametrize("sop_uid", ["1.2.3", "1.2.34", "2.25." + "9" * 39])
@pytest.mark.parametrize("titles", [(), ("SCANNER",), ("ODD", "SENDER1", "PANORAD")])
def test_our_file_meta_is_read_by_pydicom(sop_uid, titles):
    meta = file_meta("1.2.840.10008.5.1.4.1.1.2", sop_uid, "1.2.840.10008.1.2.4.70", *titles)
    read = pydicom.dcmread(io.BytesIO(meta + DATASET)).file_meta
    assert meta[:132] == bytes(128) + b"DICM"
    assert read.FileMetaInformationGroupLength == len(meta) - 144
    assert read.MediaStorageSOPInstanceUID == sop_uid
    assert read.TransferSyntaxUID == "1.2.840.10008.1.2.4.70"
    assert [read.get(name) for name in ("SourceApplicationEntityTitle", "SendingApplicationEntityTitle")][: len(titles)] == list(
        titles[:2]
    )
    assert read.ImplementationClassUID.is_valid


def test_the_golden_bytes_of_a_file_meta():
    assert META[132:].hex(" ", 2).startswith("0200 0000 554c 0400 ") is True
    assert META[144:].startswith(
        bytes.fromhex("02000100 4f42 0000 02000000 0001 02000200 5549 1a00") + b"1.2.840.10008.5.1.4.1.1.2\0"
    )
    assert META.endswith(element(0x16, b"AE", b"SCANNER "))


@pytest.mark.parametrize("group_length", [0, 10, 10_000, 2**32 - 1])
def test_a_wrong_group_length_does_no_harm(group_length):
    wrong = META[:140] + group_length.to_bytes(4, "little") + META[144:]
    assert split(wrong + DATASET) == split(META + DATASET)


def test_no_preamble_no_mark_no_group_length():
    expected = split(META + DATASET)
    assert split(META[128:] + DATASET) == expected._replace(data_at=len(META) - 128)
    assert split(META[132:] + DATASET) == expected._replace(data_at=len(META) - 132)
    assert split(META[:132] + META[144:] + DATASET) == expected._replace(data_at=len(META) - 12)


@pytest.mark.parametrize(
    "digits, syntax",
    [
        ("08000500 4353 0000", EXPLICIT),
        ("08000500 00000000", "1.2.840.10008.1.2"),
        ("00080005 4353 0000", "1.2.840.10008.1.2.2"),
    ],
)
def test_a_bare_data_set_shows_its_coding(digits, syntax):
    assert split(bytes.fromhex(digits)) == part10.Part10(0, syntax, {})
    no_syntax = bytes(128) + b"DICM" + element(0x03, b"UI", b"1.2.") + bytes.fromhex(digits)
    assert split(no_syntax).transfer_syntax == syntax


@pytest.mark.parametrize("name", ["ExplVR_LitEndNoMeta", "ExplVR_BigEndNoMeta", "no_meta_group_length", "CT_small", "image_dfl"])
@pytest.mark.filterwarnings("ignore")
def test_bundled_files_split_where_their_data_set_begins(name):
    with open(str(get_testdata_file(f"{name}.dcm")), "rb") as file:
        data = file.read()
    parts = split(data)
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    assert parts.transfer_syntax == str(dataset.file_meta.get("TransferSyntaxUID", parts.transfer_syntax))
    if parts.transfer_syntax != "1.2.840.10008.1.2.1.99":
        big = parts.transfer_syntax == "1.2.840.10008.1.2.2"
        assert data[parts.data_at :][:4] == (
            b"\x00\x08\x00\x05" if big else data[parts.data_at :][:2] + data[parts.data_at + 2 :][:2]
        )
        assert int.from_bytes(data[parts.data_at :][:2], "big" if big else "little") == next(iter(dataset.keys())).group


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "neither the mark DICM nor the first element"),
        (b"%PDF-1.7\n" * 40, "neither the mark DICM nor the first element"),
        (bytes(4096), "neither the mark DICM nor the first element"),
        (bytes(128) + b"DICM", "no file meta information behind the mark DICM"),
        (META[:160], r"ends inside its file meta information, behind element \(0002,0001\)"),
        (META[:170], r"ends inside its file meta information, at element \(0002,0002\)"),
        (bytes(128) + b"DICM" + element(0x03, b"UI", b"1.2.") + b"\xff" * 16, "names no transfer syntax"),
    ],
)
def test_what_is_no_dicom_is_refused_with_the_reason(data, reason):
    with pytest.raises(DatasetInvalid, match=reason):
        split(data)
