from __future__ import annotations

import base64
import json
import math
import struct

import pytest
from pydicom.dataset import Dataset

from panorad.data.imaging.bulkdata import BulkAbsent, bulk_value
from panorad.data.imaging.elements import DatasetInvalid
from panorad.data.imaging.metadata import instance_metadata, series_document
from panorad.data.imaging.syntaxes import EXPLICIT_LE, IMPLICIT_LE, JPEG_2000_LOSSLESS
from panorad.data.imaging.transcode import transcode
from tests.data.imaging.bundled import bundled, part10

URL = "/dicom-web/studies/1/series/2/instances/3/bulkdata"


def explicit(tag: int, vr: bytes, value: bytes) -> bytes:
    """One element as it lies in an explicit VR little endian data set."""
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    if vr in (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"):
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def attribute(tag: int, vr: bytes, value: bytes, charset: bytes = b"") -> dict:
    declared = explicit(0x00080005, b"CS", charset) if charset else b""
    data = bytes(128) + b"DICM" + explicit(0x00020010, b"UI", EXPLICIT_LE.encode() + b"\0") + declared + explicit(tag, vr, value)
    one, document = instance_metadata(data, URL), json.loads(series_document([(data, URL)]))
    assert document == [json.loads(json.dumps(one, allow_nan=False))]
    return one[f"{tag:08X}"]


NAN = struct.pack("<4d", 1.5, math.nan, math.inf, -math.inf)
VALUES = [
    (
        0x00100010,
        b"PN",
        b"Doe^John=Ide=Pho\\B^A",
        [{"Alphabetic": "Doe^John", "Ideographic": "Ide", "Phonetic": "Pho"}, {"Alphabetic": "B^A"}],
    ),
    (0x00100010, b"PN", b"A\\\\B ", [{"Alphabetic": "A"}, None, {"Alphabetic": "B"}]),
    (0x00080008, b"CS", b"ORIGINAL\\\\AXIAL ", ["ORIGINAL", None, "AXIAL"]),
    (0x00080018, b"UI", b"1.2.3\0", ["1.2.3"]),
    (0x00081030, b"LO", b" lead\\and trail ", [" lead", "and trail"]),
    (0x00204000, b"LT", b"a\\b\r\nc  ", ["a\\b\r\nc"]),
    (0x00200013, b"IS", b" 12 ", [12]),
    (0x00200013, b"IS", b"1.0", [1]),
    (0x00200013, b"IS", b"1A", ["1A"]),
    (0x00280030, b"DS", b"0.5\\-1e-3\\+.25", [0.5, -0.001, 0.25]),
    (0x00280030, b"DS", b"nan\\1,5\\\\1e999 ", ["nan", "1,5", None, "1e999"]),
    (0x00280010, b"US", struct.pack("<H", 512), [512]),
    (0x00280106, b"SS", struct.pack("<h", -5), [-5]),
    (0x00189087, b"FD", NAN, [1.5, "NaN", "inf", "-inf"]),
    (0x00280009, b"AT", struct.pack("<HH", 0x18, 0x1063), ["00181063"]),
    (0x00082030, b"UV", struct.pack("<2Q", 7, 1 << 60), [7, str(1 << 60)]),
    (0x00280010, b"US", b"\1", None),
    (0x00100020, b"LO", b"", None),
    (0x00100020, b"LO", b"  ", None),
]


@pytest.mark.parametrize("tag, vr, raw, expected", VALUES)
def test_values_of_every_kind(tag, vr, raw, expected):
    got = attribute(tag, vr, raw)
    assert got == ({"vr": vr.decode()} if expected is None else {"vr": vr.decode(), "Value": expected})


@pytest.mark.parametrize(
    "charset, raw, expected",
    [
        (b"GB18030 ", "王^小东".encode("gb18030"), "王^小东"),
        (b"ISO_IR 192", "Å^é".encode(), "Å^é"),
        (b"ISO_IR 100", "Müller".encode("latin-1"), "Müller"),
        (b"NONSENSE", "Müller".encode("latin-1"), "Müller"),
        (b"", "张^三".encode("gb18030"), "张^三"),
    ],
)
def test_text_is_unicode_whatever_was_declared(charset, raw, expected):
    assert attribute(0x00100010, b"PN", raw + b" " * (len(raw) % 2), charset)["Value"] == [{"Alphabetic": expected}]


def test_the_answers_character_set_is_utf_8():
    assert attribute(0x00080005, b"CS", b"ISO_IR 100")["Value"] == ["ISO_IR 192"]
    assert "00080005" not in instance_metadata(part10(PatientID="1"), URL)


def test_a_public_attribute_written_as_un_gets_its_own_vr():
    assert attribute(0x00100020, b"UN", b"ID1 ") == {"vr": "LO", "Value": ["ID1"]}
    assert attribute(0x00280010, b"UN", b"\0\2") == {"vr": "US", "Value": [512]}


def test_small_binary_values_are_inline_and_large_ones_linked():
    assert attribute(0x00420011, b"OB", b"abcd") == {"vr": "OB", "InlineBinary": base64.b64encode(b"abcd").decode()}
    assert attribute(0x00420011, b"OB", bytes(1026)) == {"vr": "OB", "BulkDataURI": f"{URL}/00420011"}
    assert attribute(0x7FE00010, b"OW", b"ab") == {"vr": "OW", "BulkDataURI": f"{URL}/7FE00010"}


def test_bulk_data_inside_sequences_is_addressed_by_item_and_found():
    inner = Dataset()
    inner.RedPaletteColorLookupTableData = bytes(range(256)) * 8
    first = Dataset()
    first.PatientID = "x"
    data = part10(PatientID="1", ReferencedImageSequence=[first, inner], ContentSequence=[inner])
    got = instance_metadata(data, URL)
    link = got["00081140"]["Value"][1]["00281201"]["BulkDataURI"]
    assert link == f"{URL}/00081140/2/00281201"
    assert bulk_value(data, link.removeprefix(URL)).data == bytes(range(256)) * 8


def test_links_of_two_instances_with_the_same_bytes_differ():
    data = bundled("examples_palette.dcm")
    one, two = json.loads(series_document([(data, "/a"), (data, "/b")]))
    assert one["7FE00010"]["BulkDataURI"] == "/a/7FE00010"
    assert two["7FE00010"]["BulkDataURI"] == "/b/7FE00010"
    assert json.dumps(one).replace('"/a/', '"/b/') == json.dumps(two)


def test_what_is_added_and_left_out():
    data = transcode(bundled("CT_small.dcm"), IMPLICIT_LE)
    got = instance_metadata(data, URL)
    assert got["00083002"] == {"vr": "UI", "Value": [IMPLICIT_LE]}
    assert not any(tag.startswith("0002") or tag.endswith("0000") or tag.startswith("FFFC") for tag in got)
    assert list(got) == sorted(got)


def test_vrs_that_depend_on_other_attributes_are_settled_in_implicit_data_sets():
    data = transcode(part10(PixelRepresentation=1, SmallestImagePixelValue=-3, PatientID="1"), IMPLICIT_LE)
    assert instance_metadata(data, URL)["00280106"] == {"vr": "SS", "Value": [-3]}


def test_private_attributes_use_the_dictionary_of_their_creator():
    got = instance_metadata(transcode(bundled("CT_small.dcm"), IMPLICIT_LE), URL)
    assert got["00091027"]["vr"] == "SL"
    assert got["00090010"] == {"vr": "LO", "Value": ["GEMS_IDEN_01"]}


def test_the_document_is_the_same_bytes_each_time_and_streams():
    data = bundled("CT_small.dcm")
    first = series_document((data, f"/{n}") for n in range(5))
    assert first == series_document([(data, f"/{n}") for n in range(5)])
    assert len(json.loads(first)) == 5
    assert series_document([]) == b"[]"


def test_elements_that_cannot_be_told_apart_are_refused():
    with pytest.raises(DatasetInvalid):
        instance_metadata(bundled("MR_truncated.dcm"), URL)


@pytest.mark.parametrize(
    "path", ["", "x", "00080005/1", "00080005/0/00080005", "00091111", "00081140/99/00081150", "7FE00010/1/00080005/2"]
)
def test_bulk_data_that_is_not_there_is_absent(path):
    with pytest.raises((BulkAbsent, DatasetInvalid)):
        bulk_value(bundled("CT_small.dcm"), path)


def test_pixels_as_bulk_data():
    data = bundled("CT_small.dcm")
    native = bulk_value(data, "7FE00010")
    assert (len(native.data), native.media_type) == (128 * 128 * 2, "application/octet-stream")
    packed = bulk_value(transcode(data, JPEG_2000_LOSSLESS), "7FE00010")
    assert (packed.data[:4], packed.media_type, packed.transfer_syntax) == (b"\xff\x4f\xff\x51", "image/jp2", JPEG_2000_LOSSLESS)
    frames = bulk_value(bundled("SC_rgb_rle_2frame.dcm"), "7FE00010")
    assert (len(frames.data), frames.transfer_syntax) == (2 * 100 * 100 * 3, EXPLICIT_LE)


def test_a_document_is_its_own_media_type():
    data = part10(EncapsulatedDocument=b"%PDF-1.7", MIMETypeOfEncapsulatedDocument="application/pdf")
    assert bulk_value(data, "00420011")[:2] == (b"%PDF-1.7", "application/pdf")


@pytest.mark.parametrize("kept", [slice(128, None), slice(None)], ids=["no preamble", "whole"])
def test_a_file_without_its_preamble_is_read_alike(kept):
    data = bundled("CT_small.dcm")
    assert instance_metadata(data[kept], URL) == instance_metadata(data, URL)


def test_a_bare_data_set_is_read_alike():
    data = bundled("CT_small.dcm")
    bare = data[144 + int.from_bytes(data[140:144], "little") :]
    assert instance_metadata(bare, URL) == instance_metadata(data, URL)
