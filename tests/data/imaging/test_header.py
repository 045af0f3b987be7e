"""The header of a data set, and whether the data set is all there."""

import io
import mmap
import zlib

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from panorad.data.imaging import header, part10
from panorad.data.imaging.describe import describe
from panorad.data.imaging.header import DatasetInvalid, HeaderIncomplete, check_extent, scan
from panorad.kit.errors import Kind

IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.4.70",
)
BUNDLED = [
    "CT_small",
    "MR_small",
    "MR_small_implicit",
    "MR_small_bigendian",
    "MR_small_RLE",
    "SC_rgb_rle_2frame",
    "liver_1frame",
    "rtplan",
    "test-SR",
    "rtdose",
]


def image(**changes: object) -> Dataset:
    """Return a small image; None removes an attribute."""
    dataset = Dataset()
    attributes: dict[str, object] = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
        "SOPInstanceUID": "1.2.3",
        "StudyInstanceUID": "1.2",
        "SeriesInstanceUID": "1.2.1",
        "PatientID": "P 1",
        "IssuerOfPatientID": "HOSPITAL",
        "InstanceNumber": 7,
        "Rows": 4,
        "Columns": 2,
        "BitsAllocated": 16,
        "SamplesPerPixel": 1,
        "PixelData": bytes(16),
    } | changes
    for keyword, value in attributes.items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OW"
    return dataset


def encode(dataset: Dataset, syntax: str = EXPLICIT) -> bytes:
    buffer = io.BytesIO()
    if syntax == JPEG:
        dataset["PixelData"].is_undefined_length = True
    dataset.save_as(buffer, implicit_vr=syntax == IMPLICIT, little_endian=syntax != BIG)
    return buffer.getvalue()


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_every_field_in_every_coding(syntax):
    data = encode(image(NumberOfFrames=1), syntax)
    scanned = scan(data, syntax)
    assert scanned == header.Header(
        study_uid="1.2",
        series_uid="1.2.1",
        sop_uid="1.2.3",
        sop_class="1.2.840.10008.5.1.4.1.1.7",
        transfer_syntax=syntax,
        patient_id="P 1",
        issuer="HOSPITAL",
        number=7,
        rows=4,
        columns=2,
        frames=1,
        bits_allocated=16,
        samples=1,
        pixel_at=len(data) - 16,
        pixel_length=16,
    )
    assert check_extent(data, scanned) == []


@pytest.mark.parametrize("name", BUNDLED)
@pytest.mark.filterwarnings("ignore")
def test_bundled_files_read_as_pydicom_reads_them(name):
    path = str(get_testdata_file(f"{name}.dcm"))
    with open(path, "rb") as file:
        data = file.read()
    parts = part10.split(data)
    scanned = scan(memoryview(data)[parts.data_at :], parts.transfer_syntax)
    dataset = pydicom.dcmread(path)
    fields = {
        "study_uid": "StudyInstanceUID",
        "series_uid": "SeriesInstanceUID",
        "sop_uid": "SOPInstanceUID",
        "sop_class": "SOPClassUID",
        "number": "InstanceNumber",
        "rows": "Rows",
        "columns": "Columns",
        "frames": "NumberOfFrames",
        "bits_allocated": "BitsAllocated",
        "samples": "SamplesPerPixel",
    }
    assert {field: getattr(scanned, field) for field in fields} == {
        field: dataset.get(keyword) for field, keyword in fields.items()
    }
    assert scanned.patient_id == str(dataset.get("PatientID") or "")
    if "PixelData" in dataset:
        assert scanned.pixel_at is not None
        assert data[parts.data_at :][scanned.pixel_at :][:64] == dataset.PixelData[:64]
    assert check_extent(memoryview(data)[parts.data_at :], scanned) == []


def test_a_memory_map_does_as_well(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(encode(image()))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        assert check_extent(data, scan(data, EXPLICIT)) == []


def test_more_is_asked_for_until_the_pixel_data_begin():
    data = encode(image())
    pixels = data.index(b"\xe0\x7f\x10\x00")
    for length in range(pixels + 12):
        with pytest.raises(HeaderIncomplete):
            scan(data[:length], EXPLICIT, complete=False)
    assert scan(data[: pixels + 12], EXPLICIT, complete=False).pixel_at == pixels + 12


def test_a_data_set_without_pixels_is_whole_when_it_is_said_to_be():
    data = encode(image(PixelData=None))
    assert scan(data, EXPLICIT).pixel_at is None
    with pytest.raises(HeaderIncomplete, match="no pixel data up to byte"):
        scan(data, EXPLICIT, complete=False)
    with pytest.raises(HeaderIncomplete, match="reaches beyond the end") as caught:
        scan(data[:-1], EXPLICIT)
    assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize("tag", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
def test_an_identifying_uid_must_be_there(tag):
    with pytest.raises(DatasetInvalid, match=r"UID .* is missing"):
        scan(encode(image(**{tag: None})), EXPLICIT)


@pytest.mark.parametrize(
    "uid", [b"", b"../../x ", b"1.2/3 ", b"1.2\\1.3 ", b"..", b".1", b"1.2\x00.3", "1.２".encode(), b"1" * 66]
)
def test_an_identifying_uid_must_be_usable(uid):
    raw = (b"\x08\x00\x18\x00UI" + len(uid).to_bytes(2, "little") + uid).ljust(8, b"\0")
    data = encode(image()).replace(b"\x08\x00\x18\x00UI\x06\x001.2.3\x00", raw)
    with pytest.raises(DatasetInvalid, match=r"SOP Instance UID \(0008,0018\) at byte \d+ is (not a UID|empty)"):
        scan(data, EXPLICIT)


@pytest.mark.parametrize("padded", [b"1.2.3\x00", b"1.2.3 ", b"1.2.3   ", b" 1.2.3", b"1.2.3\x00\x00\x00"])
def test_the_padding_of_a_uid_does_not_count(padded):
    raw = b"\x08\x00\x18\x00UI" + len(padded).to_bytes(2, "little") + padded
    data = encode(image()).replace(b"\x08\x00\x18\x00UI\x06\x001.2.3\x00", raw)
    assert scan(data, EXPLICIT).sop_uid == "1.2.3"


@pytest.mark.parametrize(
    "text, number",
    [(b"12", 12), (b" 12 ", 12), (b"-1", -1), (b"3.0 ", 3), (b"1\\2 ", 1), (b"", None), (b"A1", None), (b"9" * 12, None)],
)
def test_an_instance_number_is_a_number_or_nothing(text, number):
    raw = b"\x20\x00\x13\x00IS" + len(text).to_bytes(2, "little") + text
    data = encode(image()).replace(b"\x20\x00\x13\x00IS\x02\x007 ", raw)
    assert scan(data, EXPLICIT).number == number


@pytest.mark.parametrize(
    "declared, raw",
    [
        ("GB18030", "病人１".encode("gb18030")),
        ("ISO_IR 192", "病人１".encode()),
        ("", "病人１".encode("gb18030")),
        ("", "病人１".encode()),
        ("ISO_IR 100", "病人１".encode("gb18030")),
        ("\\ISO 2022 IR 58", b"\x1b$)A" + "病人１".encode("gb2312")),
    ],
)
def test_a_patient_id_is_the_same_key_in_every_character_set(declared, raw):
    dataset = image(PatientID="ID")
    head = encode(dataset)
    at = head.index(b"\x10\x00\x20\x00LO")
    raw += b" " * (len(raw) % 2)
    charset = declared.encode() + b" " * (len(declared) % 2)
    data = b"\x08\x00\x05\x00CS" + len(charset).to_bytes(2, "little") + charset + head[:at]
    data += b"\x10\x00\x20\x00LO" + len(raw).to_bytes(2, "little") + raw + head[at + 10 :]
    assert scan(data, EXPLICIT).patient_id == "病人１"


@pytest.mark.parametrize("syntax", [EXPLICIT, JPEG, BIG])
def test_cut_pixel_data_are_refused(syntax):
    pixels = encapsulate([b"\xff\xd8" + bytes(20)]) if syntax == JPEG else bytes(16)
    data = encode(image(PixelData=pixels), syntax)
    scanned = scan(data, syntax)
    assert check_extent(data, scanned) == []
    for cut in (1, 9, 15):
        with pytest.raises(DatasetInvalid, match="cut"):
            check_extent(data[:-cut], scanned)


def test_what_is_odd_about_the_pixel_data_is_told():
    short = encode(image(PixelData=bytes(14)))
    assert check_extent(short, scan(short, EXPLICIT)) == ["the pixel data have 14 bytes where 16 are expected"]
    few = encode(image(PixelData=encapsulate([bytes(2)]), NumberOfFrames=3), JPEG)
    assert check_extent(few, scan(few, JPEG)) == ["1 fragments for 3 frames"]
    whole = encode(image(PixelData=encapsulate([bytes(2)])), JPEG)
    assert check_extent(whole[:-8], scan(whole, JPEG)) == ["the pixel data have no Sequence Delimitation Item"]
    subsampled = encode(image(PixelData=bytes(16), SamplesPerPixel=3, BitsAllocated=8))
    assert check_extent(subsampled, scan(subsampled, EXPLICIT)) == []


def test_a_fragment_must_be_an_item():
    data = encode(image(PixelData=encapsulate([bytes(8)])), JPEG)
    broken = data.replace(b"\xfe\xff\x00\xe0\x08", b"\xfe\xff\x01\xe0\x08")
    with pytest.raises(DatasetInvalid, match=r"\(FFFE,E001\) stands at byte \d+ where a fragment"):
        check_extent(broken, scan(broken, JPEG))


@pytest.mark.parametrize(
    "tail, warnings",
    [
        (bytes.fromhex("fcfffcff 4f42 0000 02000000 0000"), 0),
        (bytes(5), 0),
        (bytes(64), 0),
        (b"\r\n--boundary--\r\n", 1),
    ],
)
def test_what_stands_behind_the_pixel_data(tail, warnings):
    data = encode(image()) + tail
    assert len(check_extent(data, scan(data, EXPLICIT))) == warnings


def test_a_cut_element_behind_the_pixel_data_is_refused():
    data = encode(image()) + bytes.fromhex("fcfffcff 4f42 0000 02000000 00")
    with pytest.raises(DatasetInvalid, match=r"behind the pixel data: element \(FFFC,FFFC\)"):
        check_extent(data, scan(data, EXPLICIT))


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def test_a_deflated_data_set():
    packed = deflate(encode(image()))
    scanned = scan(packed, DEFLATED)
    assert (scanned.sop_uid, scanned.transfer_syntax, scanned.rows, scanned.pixel_at) == ("1.2.3", DEFLATED, 4, None)
    assert check_extent(packed, scanned) == []
    assert header.inflate(packed) == encode(image())
    with pytest.raises(HeaderIncomplete, match="the deflated data set is cut"):
        check_extent(packed[:-3], scanned)
    with pytest.raises(DatasetInvalid, match="the deflated data set is damaged"):
        scan(b"\xff" + packed, DEFLATED)


def test_a_decompression_bomb_is_inflated_no_further_than_its_header(monkeypatch):
    packed = deflate(encode(image(PixelData=None)) + bytes.fromhex("e07f1000 4f57 0000 ffffff7f") + bytes(64 << 20))
    assert scan(packed[:1000], DEFLATED, complete=False).sop_uid == "1.2.3"
    taken = 0

    def counting(data, limit):
        nonlocal taken
        for piece in inflated(data, limit):
            taken += len(piece)
            yield piece

    inflated = header._inflated
    monkeypatch.setattr(header, "_inflated", counting)
    scanned = scan(packed, DEFLATED)
    assert scanned.sop_uid == "1.2.3"
    assert describe(packed, DEFLATED).study["0020000D"]["Value"] == ["1.2"]
    assert taken <= 4 << 20
    with pytest.raises(DatasetInvalid, match="grows beyond 32 MiB"):
        header.inflate(packed, 32 << 20)
