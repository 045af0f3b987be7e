from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from dicomweb_client import DICOMwebClient
from pydicom import dcmread
from pydicom.encaps import get_frame
from starlette.testclient import TestClient

from panorad.access.dicomweb.deps import Limits
from panorad.access.dicomweb.native import to_xml
from panorad.kit.errors import StorageFull, StorageLost

from .center import Center, values
from .conftest import served
from .images import SERIES, STUDY, bundled, ct_slice

CLASS, UID, FAILED, STORED, OTHER, REASON, WARNING = (
    "00081150",
    "00081155",
    "00081198",
    "00081199",
    "0008119A",
    "00081197",
    "00081196",
)
KIND = 'multipart/related; type="application/dicom"; boundary=XX'


def body(*parts: bytes, kind: str = "application/dicom") -> bytes:
    head = f"\r\n--XX\r\nContent-Type: {kind}\r\n\r\n".encode()
    return b"".join(head + part for part in parts) + b"\r\n--XX--\r\n"


def post(client: TestClient, content: Any, kind: str = KIND, study: str = "", **headers: str) -> Any:
    url = "/dicom-web/studies" + (f"/{study}" if study else "")
    return client.post(url, content=content, headers={"Content-Type": kind, **headers})


def kept(center: Center) -> list[bytes]:
    return [center.blobs.read(one.place) for one in center.instances]


def test_instances_are_kept_byte_for_byte(client: TestClient, center: Center) -> None:
    files = [ct_slice(1), ct_slice(2), *bundled().values()]
    answer = post(client, body(*files))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert kept(center) == files
    items = answer.json()[STORED]["Value"]
    assert values(items[0], UID) == [f"{SERIES}.1"]
    assert values(items[0], "00081190") == [f"http://testserver/dicom-web/studies/{STUDY}/series/{SERIES}/instances/{SERIES}.1"]
    assert FAILED not in answer.json()


def test_a_body_in_small_chunks_with_a_preamble_and_bare_line_feeds(client: TestClient, center: Center) -> None:
    data = b"preamble\n--XX\nContent-Type: application/dicom\n\n" + ct_slice(1) + b"\n--XX--\n"

    def chunks() -> Iterator[bytes]:
        for at in range(0, len(data), 997):
            yield data[at : at + 997]

    assert post(client, chunks()).status_code == 200
    assert kept(center) == [ct_slice(1)]


def test_one_instance_without_envelope(client: TestClient, center: Center) -> None:
    answer = post(client, ct_slice(1), "application/dicom")
    assert answer.status_code == 200
    assert values(answer.json(), "00081190") == [f"http://testserver/dicom-web/studies/{STUDY}"]
    assert kept(center) == [ct_slice(1)]


def test_a_resend_is_no_news_and_other_content_is_a_warning(client: TestClient, center: Center) -> None:
    assert [post(client, body(ct_slice(1))).status_code for _ in range(2)] == [200, 200]
    answer = post(client, body(ct_slice(1, shift=5)))
    assert answer.status_code == 202
    assert values(answer.json()[STORED]["Value"][0], WARNING) == [0xB000]
    assert len(center.instances) == 1


def test_what_is_no_dicom_does_not_stop_the_rest(client: TestClient, center: Center) -> None:
    answer = post(client, body(b"nonsense", ct_slice(1), ct_slice(2)[:-50], ct_slice(3)))
    assert answer.status_code == 202
    [failed] = answer.json()[FAILED]["Value"]
    assert (values(failed, UID), values(failed, REASON)) == ([f"{SERIES}.2"], [0xC000])
    assert [values(item, REASON) for item in answer.json()[OTHER]["Value"]] == [[0xC000]]
    assert answer.headers["warning"].startswith("299 ")
    assert kept(center) == [ct_slice(1), ct_slice(3)]


def test_an_instance_of_another_study(client: TestClient, center: Center) -> None:
    answer = post(client, body(ct_slice(1), ct_slice(1, study="2.25.11", series="2.25.21")), study=STUDY)
    assert answer.status_code == 202
    [failed] = answer.json()[FAILED]["Value"]
    assert (values(failed, UID), values(failed, REASON)) == (["2.25.21.1"], [0xA900])
    assert kept(center) == [ct_slice(1)]
    assert post(client, body(ct_slice(1)), study="2.25.404").status_code == 409


def test_an_instance_of_another_study_with_a_long_header(client: TestClient, center: Center) -> None:
    dataset = dcmread(io.BytesIO(ct_slice(1)))
    dataset.add_new(0x00090010, "LO", "PANORAD TEST")
    dataset.add_new(0x00091001, "OB", bytes(200_000))  # before the UIDs of study and series
    out = io.BytesIO()
    dataset.save_as(out)
    answer = post(client, body(out.getvalue()), study="2.25.404")
    assert answer.status_code == 409
    [failed] = answer.json()[FAILED]["Value"]
    assert (values(failed, UID), values(failed, REASON)) == ([f"{SERIES}.1"], [0xA900])
    assert kept(center) == []


def test_a_body_that_breaks_off_keeps_what_was_whole(client: TestClient, center: Center) -> None:
    whole = body(ct_slice(1), ct_slice(2))
    answer = post(client, whole[: len(whole) - 100])
    assert answer.status_code == 202
    assert [values(item, REASON) for item in answer.json()[OTHER]["Value"]] == [[0xC000]]
    assert kept(center) == [ct_slice(1)]
    assert post(client, body(ct_slice(3))[:-100]).status_code == 400


REFUSED = [
    (b"", KIND, 400),
    (b"\r\n--XX--", KIND, 400),
    (b"x", 'multipart/related; type="application/dicom"', 400),
    (b"x", "image/png", 415),
    (b"x", "multipart/related; type=image/png; boundary=XX", 415),
    (b"x", "", 415),
    (b"nonsense", "application/dicom", 400),
    (body(b"x", kind="image/strange"), KIND, 415),
    (body(b"{", kind="application/dicom+json"), 'multipart/related; type="application/dicom+json"; boundary=XX', 400),
    (b"[3]", "application/dicom+json", 400),
]


@pytest.mark.parametrize(("content", "kind", "status"), REFUSED, ids=range(len(REFUSED)))
def test_requests_that_hold_nothing_to_store(client: TestClient, center: Center, content: bytes, kind: str, status: int) -> None:
    answer = post(client, content, kind)
    assert answer.status_code == status
    assert not center.instances


@pytest.mark.parametrize(("error", "status"), [(StorageFull(), 507), (StorageLost(), 503)])
def test_storage_that_takes_no_more(client: TestClient, center: Center, error: Any, status: int) -> None:
    center.storage = error
    assert post(client, body(ct_slice(1), ct_slice(2))).status_code == status
    center.storage = None
    assert post(client, body(ct_slice(1), ct_slice(2))).status_code == 200


def test_limits(center: Center) -> None:
    client = TestClient(center.app(Limits(part_bytes=5000, parts=2, metadata_bytes=100)))
    assert post(client, body(ct_slice(1), ct_slice(1, side=16, series="2.25.31"))).status_code == 202
    assert [one.header.series_uid for one in center.instances] == ["2.25.31"]
    assert post(client, body(*[b"x"] * 3)).status_code == 413
    assert post(client, json.dumps([{}] * 100).encode(), "application/dicom+json").status_code == 413


def test_who_is_not_signed_in_stores_nothing(client: TestClient, center: Center) -> None:
    assert post(client, body(ct_slice(1)), **{"X-Nobody": "1"}).status_code == 401
    assert not center.instances


def test_the_answer_as_one_document_of_xml(client: TestClient) -> None:
    answer = post(client, body(ct_slice(1)), Accept="application/dicom+xml")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dicom+xml")
    assert f'keyword="ReferencedSOPInstanceUID"><Value number="1">{SERIES}.1<'.encode() in answer.content
    assert post(client, body(ct_slice(1)), Accept="image/png").status_code == 406


def test_a_body_in_a_content_coding_is_refused(client: TestClient, center: Center) -> None:
    assert post(client, gzip.compress(body(ct_slice(1))), **{"Content-Encoding": "gzip"}).status_code == 415
    assert kept(center) == []


def test_an_instance_without_a_study_is_named_among_the_failed(client: TestClient) -> None:
    ds = dcmread(io.BytesIO(ct_slice(1)))
    del ds.StudyInstanceUID
    ds.save_as(out := io.BytesIO())
    answer = post(client, body(out.getvalue()))
    assert answer.status_code == 400
    [failed] = answer.json()[FAILED]["Value"]
    assert (values(failed, UID), values(failed, CLASS)) == ([f"{SERIES}.1"], [ds.SOPClassUID])
    assert OTHER not in answer.json()
    other = out.getvalue()
    at = other.rindex(f"{SERIES}.1".encode())
    answer = post(client, body(other[:at] + b"9" + other[at + 1 :]))
    assert FAILED not in answer.json(), "meta information that the data set does not repeat names nothing"


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        ("00280010", "US", 99999), ("00280010", "US", -1), ("00280010", "US", 10**30), ("00280010", "US", 1.5), ("00280010", "US", True),
        ("00280010", "US", "8"), ("00280106", "SS", 70000), ("00720078", "UL", -1), ("0018605A", "FL", 1e300), ("00081195", "UV", -1),
        ("0072007B", "SV", 2**70), ("00200013", "IS", 10**400), ("00200013", "IS", 1.5), ("00200013", "IS", "x"), ("00281052", "DS", "NaN"),
        ("00280009", "AT", "zz"), ("00280009", "AT", "0020916"), ("00100020", "LO", "\ud800"), ("00100010", "PN", {"Alphabetic": "\udfff"}),
        ("00280010", "US", {"a": 1}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("nested", [False, True], ids=["top", "item"])
def test_a_value_that_its_representation_cannot_hold_fails_that_instance_alone(
    client: TestClient, center: Center, tag: str, vr: str, value: object, nested: bool
) -> None:
    """Nothing is cut, rounded or replaced in silence."""
    good, bad = (dcmread(io.BytesIO(ct_slice(n))).to_json_dict() for n in (1, 2))
    element = {"vr": vr, "Value": [value]}
    bad |= {"00400275": {"vr": "SQ", "Value": [{tag: element}]}} if nested else {tag: element}
    answer = post(client, json.dumps([good, bad]).encode(), "application/dicom+json")
    assert answer.status_code == 202
    [failed] = answer.json()[FAILED]["Value"]
    assert (values(failed, UID), values(failed, REASON)) == ([f"{SERIES}.2"], [0xC000])
    [stored] = answer.json()[STORED]["Value"]
    assert values(stored, UID) == [f"{SERIES}.1"]
    assert len(center.instances) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"00400275": {"vr": "SQ", "Value": ["x"]}}, {"00400275": {"vr": "SQ", "Value": [7]}}, {"00400275": {"vr": "SQ", "Value": 7}},
        {"00400275": {"vr": "SQ", "Value": [{"00100020": 7}]}}, {"7FE00010": {"vr": "OW", "BulkDataURI": 7}},
        {"00420011": {"vr": "OB", "BulkDataURI": ["x"]}},
    ],
    ids=str,
)  # fmt: skip
def test_metadata_of_an_impossible_shape_fails_that_instance_alone(client: TestClient, center: Center, bad: dict[str, Any]) -> None:
    one, two = (dcmread(io.BytesIO(ct_slice(n))).to_json_dict() for n in (1, 2))
    answer = post(client, json.dumps([two | bad, one]).encode(), "application/dicom+json")
    assert answer.status_code == 202
    assert [values(failed, UID) for failed in answer.json()[FAILED]["Value"]] == [[f"{SERIES}.2"]]
    assert len(center.instances) == 1


def test_values_that_just_fit(client: TestClient, center: Center) -> None:
    metadata = dcmread(io.BytesIO(ct_slice(1))).to_json_dict()
    metadata |= {
        "00280106": {"vr": "SS", "Value": [-32768]},
        "00720078": {"vr": "UL", "Value": [4294967295]},
        "00081195": {"vr": "UV", "Value": [2**64 - 1]},
        "00200013": {"vr": "IS", "Value": ["7"]},
        "0018605A": {"vr": "FL", "Value": [-3.4028234e38]},
        "00280009": {"vr": "AT", "Value": ["00181063"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Zhang^San", "Ideographic": "张^三"}]},
        "00181000": {"vr": "LO", "Value": [None, "b"]},
    }
    assert post(client, json.dumps([metadata]).encode(), "application/dicom+json").status_code == 200
    got = dcmread(io.BytesIO(kept(center)[0]))
    assert (got[0x00280106].value, got[0x00720078].value, got.InstanceNumber) == (-32768, 4294967295, 7)
    assert got[0x00280009].value == 0x00181063


def test_the_answer_in_xml(client: TestClient) -> None:
    answer = post(client, body(ct_slice(1)), Accept='multipart/related; type="application/dicom+xml"')
    assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom+xml"')
    assert f'keyword="ReferencedSOPInstanceUID"><Value number="1">{SERIES}.1<'.encode() in answer.content


def bulk(metadata: list[dict[str, Any]], parts: list[tuple[str, str, bytes]], xml: bool = False) -> tuple[bytes, str]:
    """A body of metadata and bulk data parts of (Content-Location, Content-Type, bytes), and its Content-Type."""
    kind = "application/dicom+xml" if xml else "application/dicom+json"
    texts = [to_xml(m) for m in metadata] if xml else [json.dumps(metadata).encode()]
    head = "\r\n--XX\r\nContent-Type: {1}\r\nContent-Location: {0}\r\n\r\n"
    pieces = [*((f"meta{n}", kind, text) for n, text in enumerate(texts)), *parts]
    content = b"".join(head.format(*piece[:2]).encode() + piece[2] for piece in pieces) + b"\r\n--XX--\r\n"
    return content, f'multipart/related; type="{kind}"; boundary=XX'


def described(data: bytes) -> tuple[dict[str, Any], Any]:
    """The metadata of an instance with its pixels linked, and its data set."""
    ds = dcmread(io.BytesIO(data))
    metadata = ds.to_json_dict(bulk_data_threshold=1 << 40)
    metadata["7FE00010"] = {"vr": "OW", "BulkDataURI": "pixels/1"}
    return metadata, ds


@pytest.mark.parametrize("xml", [False, True], ids=["json", "xml"])
def test_metadata_with_bulk_data(client: TestClient, center: Center, xml: bool) -> None:
    metadata, ds = described(ct_slice(1))
    content, kind = bulk([metadata], [("pixels/1", "application/octet-stream", ds.PixelData)], xml)
    answer = post(client, content, kind)
    assert answer.status_code == 200
    [file] = kept(center)
    got = dcmread(io.BytesIO(file))
    assert got == ds
    assert got.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"


def test_metadata_with_compressed_frames(client: TestClient, center: Center) -> None:
    metadata, ds = described(bundled()["frames"])
    frames = [get_frame(ds.PixelData, n, number_of_frames=2) for n in range(2)]
    content, kind = bulk(
        [metadata], [("pixels/1", "image/dicom-rle; transfer-syntax=1.2.840.10008.1.2.5", frame) for frame in frames]
    )
    assert post(client, content, kind).status_code == 200
    [file] = kept(center)
    got = dcmread(io.BytesIO(file))
    assert got.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.5"
    assert np.array_equal(got.pixel_array, ds.pixel_array)


def test_metadata_alone_and_bulk_data_inside_a_sequence(client: TestClient, center: Center) -> None:
    report = dcmread(io.BytesIO(bundled()["report"]))
    assert post(client, json.dumps([report.to_json_dict()]).encode(), "application/dicom+json").status_code == 200
    wave = dcmread(io.BytesIO(bundled()["waveform"]))
    metadata = wave.to_json_dict(bulk_data_threshold=1 << 40)
    for number, item in enumerate(metadata["54000100"]["Value"]):
        item["54001010"] = {"vr": "OW", "BulkDataURI": f"http://x/w{number}"}
    parts = [(f"http://x/w{n}", "application/octet-stream", item.WaveformData) for n, item in enumerate(wave.WaveformSequence)]
    assert post(client, *bulk([metadata], parts)).status_code == 200
    assert [dcmread(io.BytesIO(file)).SOPClassUID for file in kept(center)] == [report.SOPClassUID, wave.SOPClassUID]
    assert dcmread(io.BytesIO(kept(center)[1])).WaveformSequence == wave.WaveformSequence


def test_bulk_data_that_is_missing_fails_that_instance_alone(client: TestClient, center: Center) -> None:
    (good, ds), (bad, _) = described(ct_slice(1)), described(ct_slice(2))
    bad["7FE00010"]["BulkDataURI"] = "pixels/none"
    answer = post(client, *bulk([bad, good], [("pixels/1", "application/octet-stream", ds.PixelData)]))
    assert answer.status_code == 202
    [failed] = answer.json()[FAILED]["Value"]
    assert (values(failed, UID), values(failed, REASON)) == ([f"{SERIES}.2"], [0xC000])
    assert len(center.instances) == 1
    assert not list((center.home / "cache" / "stow").iterdir())


def test_a_sender_that_goes_away_loses_only_what_was_not_whole(center: Center) -> None:
    import socket
    import time

    with served(center.app()) as address:
        host, port = address.removeprefix("http://").split(":")
        content = body(ct_slice(1), ct_slice(2))
        with socket.create_connection((host, int(port))) as sender:
            lines = (
                "POST /dicom-web/studies HTTP/1.1",
                f"Host: {host}:{port}",
                f"Content-Type: {KIND}",
                f"Content-Length: {len(content)}",
            )
            sender.sendall("\r\n".join((*lines, "\r\n")).encode() + content[:-5000])
        deadline = time.monotonic() + 10
        while not center.instances and time.monotonic() < deadline:
            time.sleep(0.02)
        assert kept(center) == [ct_slice(1)]
        assert DICOMwebClient(f"{address}/dicom-web").retrieve_instance(STUDY, SERIES, f"{SERIES}.1") == dcmread(
            io.BytesIO(ct_slice(1))
        )


def test_dicomweb_client_stores(center: Center) -> None:
    with served(center.app()) as address:
        web = DICOMwebClient(f"{address}/dicom-web")
        datasets = [dcmread(io.BytesIO(ct_slice(n))) for n in range(1, 6)]
        answer = web.store_instances(datasets)
        assert [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence] == [ds.SOPInstanceUID for ds in datasets]
        assert web.retrieve_series(STUDY, SERIES) == datasets
