from __future__ import annotations

import email
import email.policy
import gzip
import io
import zipfile
from typing import Any

import numpy as np
import pytest
from dicomweb_client import DICOMwebClient
from PIL import Image
from pydicom import dcmread
from starlette.testclient import TestClient

from panorad.access.dicomweb.deps import DicomWebDeps
from panorad.access.dicomweb.visible import FRESH_S, Visible
from panorad.data.imaging.frames import FrameAbsent
from panorad.kit.errors import PanoradError

from .center import READER, STRANGER, Center, values
from .images import SERIES, STUDY, address_of, bundled, ct_slice

EXPLICIT_LE = "1.2.840.10008.1.2.1"
AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
NATIVE = 'multipart/related; type="application/octet-stream"'
STUDY_URL = f"/dicom-web/studies/{STUDY}"
SERIES_URL = f"{STUDY_URL}/series/{SERIES}"
CT_URL = f"{SERIES_URL}/instances/{SERIES}.1"


def url_of(name: str) -> str:
    study, series, uid = address_of(name)
    return f"/dicom-web/studies/{study}/series/{series}/instances/{uid}"


def parts(answer: Any) -> list[tuple[str, bytes]]:
    """The Content-Type and bytes of each part of a multipart answer, which must be one to Python's own parser too."""
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + answer.content, policy=email.policy.HTTP)
    boundary = str(message.get_boundary()).encode()
    pieces = [piece.split(b"\r\n\r\n", 1) for piece in answer.content.split(b"\r\n--" + boundary)[1:-1]]
    assert len(list(message.iter_parts())) == len(pieces)
    return [(head.strip().splitlines()[0].decode().removeprefix("Content-Type: "), body) for head, body in pieces]


# -- instances --------------------


def test_a_study_comes_as_it_was_stored(viewer: TestClient) -> None:
    answer = viewer.get(STUDY_URL, headers={"Accept": AS_STORED})
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert [body for _, body in parts(answer)] == [*(ct_slice(n) for n in (1, 2, 3)), ct_slice(1, series="2.25.30")]


@pytest.mark.parametrize("name", bundled())
def test_every_transfer_syntax_comes_as_it_was_stored(viewer: TestClient, name: str) -> None:
    answer = viewer.get(url_of(name), headers={"Accept": AS_STORED})
    [(kind, body)] = parts(answer)
    assert body == bundled()[name]
    assert kind == f"application/dicom; transfer-syntax={dcmread(io.BytesIO(body)).file_meta.TransferSyntaxUID}"


@pytest.mark.parametrize("name", ["RLE", "JPEG 2000", "JPEG-LS", "implicit", "big endian", "deflated"])
def test_dicom_without_a_transfer_syntax_is_explicit_little_endian(viewer: TestClient, name: str) -> None:
    answer = viewer.get(url_of(name), headers={"Accept": "application/dicom"})
    assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={EXPLICIT_LE}"
    got, stored = dcmread(io.BytesIO(answer.content)), dcmread(io.BytesIO(bundled()[name]))
    assert got.file_meta.TransferSyntaxUID == EXPLICIT_LE
    assert np.array_equal(got.pixel_array, stored.pixel_array)


def test_one_instance_without_envelope_and_by_range(viewer: TestClient) -> None:
    headers = {"Accept": "application/dicom"}
    whole = viewer.get(CT_URL, headers=headers)
    assert whole.content == ct_slice(1)
    part = viewer.get(CT_URL, headers={**headers, "Range": "bytes=128-131"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (
        206,
        b"DICM",
        f"bytes 128-131/{len(whole.content)}",
    )
    assert viewer.get(CT_URL, headers={**headers, "Range": "bytes=99999999-"}).status_code == 416
    again = viewer.get(CT_URL, headers={**headers, "If-None-Match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_study_as_zip(viewer: TestClient) -> None:
    answer = viewer.get(STUDY_URL, headers={"Accept": "application/zip"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {archive.read(name) for name in archive.namelist()} == {*map(ct_slice, (1, 2, 3)), ct_slice(1, series="2.25.30")}


def test_a_damaged_instance_does_not_cost_the_study(tmp_path: Any) -> None:
    center = Center(tmp_path)
    whole = bundled()["JPEG 2000"]
    at = whole.index(b"\xff\x4f\xff\x51")
    center.add(whole[: at + 40] + bytes(200) + whole[at + 240 :])
    study, series, uid = address_of("JPEG 2000")
    client = TestClient(center.app())
    accept = {"Accept": f"multipart/related; type=application/dicom; transfer-syntax={EXPLICIT_LE}"}
    address = f"/dicom-web/studies/{study}/series/{series}/instances/{uid}"
    assert client.get(address, headers=accept).status_code == 406
    assert client.get(f"{address}/rendered").status_code == 406, "nothing is wrong with the request"
    bare = client.get(address, headers={"Accept": "application/dicom"})
    assert (bare.status_code, bare.headers["content-type"]) == (200, "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90")
    [(kind, _)] = parts(client.get(address, headers={"Accept": "multipart/related; type=application/dicom"}))
    assert kind.endswith("1.2.840.10008.1.2.4.90")
    center.add(ct_slice(9, study=study, series=series))
    kinds = [kind for kind, _ in parts(client.get(f"/dicom-web/studies/{study}", headers=accept))]
    assert sorted(kind.rsplit("=", 1)[1] for kind in kinds) == [EXPLICIT_LE, "1.2.840.10008.1.2.4.90"]


# -- metadata --------------------


def test_metadata_of_study_series_and_instance(viewer: TestClient) -> None:
    study, series, one = (viewer.get(f"{url}/metadata").json() for url in (STUDY_URL, SERIES_URL, CT_URL))
    assert [values(m, "00080018")[0] for m in study] == [f"{SERIES}.1", f"{SERIES}.2", f"{SERIES}.3", "2.25.30.1"]
    assert series == study[:3]
    assert one == study[:1]
    assert one[0]["7FE00010"]["BulkDataURI"] == f"http://testserver{CT_URL}/bulkdata/7FE00010"


def test_metadata_is_one_immutable_document_until_the_series_changes(tmp_path: Any) -> None:
    center = Center(tmp_path)
    center.add(ct_slice(1))
    client = TestClient(center.app())
    for url in (f"{STUDY_URL}/metadata", f"{SERIES_URL}/metadata", f"{CT_URL}/metadata"):
        first = client.get(url)
        assert client.get(url).content == first.content
        assert first.headers["etag"].startswith('W/"'), "gzip and plain are two codings of one document"
        assert client.get(url, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    held = client.get(f"{SERIES_URL}/metadata").headers["etag"]
    center.asked.clear()
    client.get(f"{SERIES_URL}/metadata")
    assert center.asked == {"stored": 1}  # by the twin's own list of versions: the document itself is read from the cache
    center.add(ct_slice(2))
    changed = client.get(f"{SERIES_URL}/metadata", headers={"If-None-Match": held})
    assert changed.status_code == 200
    assert len(changed.json()) == 2


def test_metadata_for_who_takes_no_gzip_and_for_other_addresses(viewer: TestClient) -> None:
    packed, plain = (viewer.get(f"{STUDY_URL}/metadata", headers={"Accept-Encoding": coding}) for coding in ("gzip", "identity"))
    assert (packed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
    assert packed.content == plain.content
    other = viewer.get(f"{STUDY_URL}/metadata", headers={"Host": "pacs.example.org"})
    assert other.content == plain.content.replace(b"http://testserver/", b"http://pacs.example.org/")
    with viewer.stream("GET", f"{STUDY_URL}/metadata", headers={"Accept-Encoding": "gzip"}) as answer:
        assert gzip.decompress(b"".join(answer.iter_raw())) == plain.content


def test_a_cache_that_was_deleted_or_damaged_is_made_again(tmp_path: Any) -> None:
    center = Center(tmp_path)
    center.add(ct_slice(1))
    client = TestClient(center.app())
    first = client.get(f"{SERIES_URL}/metadata").json()
    [document] = (tmp_path / "cache").rglob("*.json.gz")
    document.write_bytes(document.read_bytes()[:-20])
    assert client.get(f"{SERIES_URL}/metadata").json() == first
    document.unlink()
    assert client.get(f"{SERIES_URL}/metadata").json() == first


def test_metadata_as_xml(viewer: TestClient) -> None:
    answer = viewer.get(f"{SERIES_URL}/metadata", headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    assert len(parts(answer)) == 3
    assert all(b"<NativeDicomModel" in body for _, body in parts(answer))


# -- frames --------------------


def test_a_native_frame(viewer: TestClient) -> None:
    pixels = dcmread(io.BytesIO(ct_slice(1))).PixelData
    for accept, kind in ((NATIVE, "multipart"), ("*/*", "multipart"), ("application/octet-stream", "bare")):
        answer = viewer.get(f"{CT_URL}/frames/1", headers={"Accept": accept})
        body = parts(answer)[0][1] if kind == "multipart" else answer.content
        assert body == pixels
        assert int(answer.headers["content-length"]) == len(answer.content)
        held = viewer.get(f"{CT_URL}/frames/1", headers={"Accept": accept, "If-None-Match": answer.headers["etag"]})
        assert held.status_code == 304


@pytest.mark.parametrize("name", ["RLE", "JPEG 2000", "JPEG-LS", "implicit", "big endian", "deflated"])
def test_compressed_frames_are_decoded_for_who_wants_octets(viewer: TestClient, name: str) -> None:
    [(kind, body)] = parts(viewer.get(f"{url_of(name)}/frames/1", headers={"Accept": NATIVE}))
    pixels = dcmread(io.BytesIO(bundled()[name])).pixel_array
    assert kind == f"application/octet-stream; transfer-syntax={EXPLICIT_LE}"
    assert np.array_equal(np.frombuffer(body[: pixels.nbytes], pixels.dtype.newbyteorder("<")).reshape(pixels.shape), pixels)


@pytest.mark.parametrize(
    ("name", "kind"), [("RLE", "image/dicom-rle"), ("JPEG 2000", "image/jp2"), ("JPEG-LS", "image/jls"), ("JPEG", "image/jpeg")]
)
def test_compressed_frames_come_as_stored_where_any_will_do(viewer: TestClient, name: str, kind: str) -> None:
    url = f"{url_of(name)}/frames/1"
    answers = [
        viewer.get(url, headers={"Accept": a}) for a in (f"multipart/related; type={kind}", f"{NATIVE}; transfer-syntax=*", "*/*")
    ]
    for answer in answers:
        assert f'type="{kind}"' in answer.headers["content-type"]
        [(part, body)] = parts(answer)
        assert part.startswith(f"{kind}; transfer-syntax=")
        assert body in bundled()[name]


def test_a_frame_encoded_on_the_way(viewer: TestClient) -> None:
    import imagecodecs

    answer = viewer.get(f"{CT_URL}/frames/1", headers={"Accept": "image/jphc"})
    pixels = dcmread(io.BytesIO(ct_slice(1))).pixel_array
    assert np.array_equal(imagecodecs.htj2k_decode(answer.content), pixels)


def test_several_frames_in_the_order_asked(viewer: TestClient) -> None:
    both = parts(viewer.get(f"{url_of('frames')}/frames/2,1"))
    assert both[::-1] == parts(viewer.get(f"{url_of('frames')}/frames/1,2"))
    assert both[0] != both[1]


@pytest.mark.parametrize(("tail", "status"), [("2", 404), ("0", 400), ("x", 400), ("1,,2", 400), ("1,9", 404), ("1-3", 400)])
def test_frames_that_are_not_there(viewer: TestClient, tail: str, status: int) -> None:
    assert viewer.get(f"{CT_URL}/frames/{tail}").status_code == status


def test_an_instance_without_pixels_has_no_frames(viewer: TestClient) -> None:
    answer = viewer.get(f"{url_of('report')}/frames/1")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_retrievals_are_recorded(tmp_path: Any) -> None:
    center = Center(tmp_path)
    center.add(ct_slice(1))
    client = TestClient(center.app())
    for tail in ("/frames/1", "", "/metadata", "/rendered"):
        client.get(CT_URL + tail)
    assert center.retrievals == [(STUDY, SERIES, 1, 1), (STUDY, SERIES, 1, 0), (STUDY, SERIES, 1, 0), (STUDY, SERIES, 1, 1)]


def test_what_may_be_seen_is_asked_once_a_second(tmp_path: Any) -> None:
    center, now = Center(tmp_path), [0.0]
    center.add(ct_slice(1))
    deps: DicomWebDeps = center.deps()
    visible = Visible(deps, lambda: now[0])
    center.asked.clear()
    for _ in range(50):
        _, span = visible.frame_span(READER, STUDY, SERIES, f"{SERIES}.1", 1)
    assert span is not None
    assert span[1] == 64 * 64 * 2
    assert center.asked == {"stored": 2}  # versions and instances, once
    center.add(ct_slice(2))
    assert visible.instance(READER, STUDY, SERIES, f"{SERIES}.2").header.number == 2  # a new one is found at once
    now[0] += FRESH_S
    center.instances.clear()  # nothing of it may be seen any more
    with pytest.raises(PanoradError):
        visible.instance(READER, STUDY, SERIES, f"{SERIES}.1")
    center.add(ct_slice(1))
    with pytest.raises(PanoradError):
        visible.instance(STRANGER, STUDY, SERIES, f"{SERIES}.1")
    with pytest.raises(FrameAbsent):
        visible.frame_span(READER, STUDY, SERIES, f"{SERIES}.1", 2)


# -- bulk data, rendered, WADO-URI --------------------


def test_bulk_data(viewer: TestClient) -> None:
    pixels = dcmread(io.BytesIO(ct_slice(1))).PixelData
    url = f"{CT_URL}/bulkdata/7FE00010"
    assert viewer.get(url, headers={"Accept": "application/octet-stream"}).content == pixels
    assert [body for _, body in parts(viewer.get(url))] == [pixels]
    part = viewer.get(url, headers={"Accept": "application/octet-stream", "Range": "bytes=-10"})
    assert (part.status_code, part.content) == (206, pixels[-10:])
    assert viewer.get(f"{CT_URL}/bulkdata/00091010").status_code == 404
    assert viewer.get(f"{CT_URL}/bulkdata/nonsense").status_code == 400


def test_bulk_data_of_a_sequence_by_the_address_in_the_metadata(viewer: TestClient) -> None:
    [metadata] = viewer.get(f"{url_of('waveform')}/metadata").json()
    address = metadata["54000100"]["Value"][0]["54001010"]["BulkDataURI"]
    stored = dcmread(io.BytesIO(bundled()["waveform"]))
    assert viewer.get(address, headers={"Accept": "application/octet-stream"}).content == stored.WaveformSequence[0].WaveformData


def test_compressed_pixels_as_bulk_data(viewer: TestClient) -> None:
    url = f"{url_of('frames')}/bulkdata/7FE00010"
    as_stored = parts(viewer.get(url, headers={"Accept": f"{NATIVE}; transfer-syntax=*"}))
    assert [kind.split(";")[0] for kind, _ in as_stored] == ["image/dicom-rle"] * 2
    native = viewer.get(url, headers={"Accept": "application/octet-stream"})
    pixels = dcmread(io.BytesIO(bundled()["frames"])).pixel_array
    assert native.content == pixels.tobytes()


def test_rendered_with_window_and_viewport(viewer: TestClient) -> None:
    def picture(url: str) -> Any:
        answer = viewer.get(url, headers={"Accept": "image/png"})
        assert answer.headers["content-type"] == "image/png"
        return np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"))

    dark, bright = (picture(f"{CT_URL}/rendered?window={center},100,linear") for center in (5000, -5000))
    assert (dark.max(), bright.min()) == (0, 255)
    assert picture(f"{CT_URL}/rendered?viewport=32,32").shape == (32, 32)
    assert picture(f"{SERIES_URL}/rendered").shape == (64, 64)
    assert picture(f"{CT_URL}/frames/1/rendered?quality=50").shape == (64, 64)


@pytest.mark.parametrize(
    ("tail", "status"),
    [
        ("/rendered?window=1", 400),
        ("/rendered?window=1,0,linear", 400),
        ("/rendered?window=1,2,cubic", 400),
        ("/rendered?viewport=x,y", 400),
        ("/rendered?quality=0", 400),
        ("/frames/2/rendered", 404),
        ("/frames/1,1/rendered", 400),
    ],
)
def test_views_that_cannot_be_rendered(viewer: TestClient, tail: str, status: int) -> None:
    assert viewer.get(CT_URL + tail).status_code == status


def test_rendered_in_a_form_nobody_makes(viewer: TestClient) -> None:
    answer = viewer.get(f"{CT_URL}/rendered", headers={"Accept": "video/mp4"})
    assert answer.status_code == 406
    assert "image/jpeg" in answer.json()["detail"]


def test_annotation_is_passed_over_with_a_warning(viewer: TestClient) -> None:
    assert "annotation" in viewer.get(f"{CT_URL}/rendered?annotation=patient").headers["warning"]


@pytest.mark.parametrize("url", [STUDY_URL, SERIES_URL, CT_URL, f"{CT_URL}/frames/1"])
def test_thumbnails(viewer: TestClient, url: str) -> None:
    answer = viewer.get(f"{url}/thumbnail?viewport=40,40")
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (40, 40)


def wado(**changes: str) -> dict[str, str]:
    return {"requestType": "WADO", "studyUID": STUDY, "seriesUID": SERIES, "objectUID": f"{SERIES}.1"} | changes


@pytest.mark.parametrize("root", ["/wado", "/dicom-web/wado", "/dicom-web"])
def test_wado_uri(viewer: TestClient, root: str) -> None:
    assert viewer.get(root, params=wado(contentType="application/dicom")).content == ct_slice(1)
    picture = viewer.get(root, params=wado(rows="32", windowCenter="0", windowWidth="100", region="0,0,0.5,0.5"))
    assert picture.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(picture.content)).size == (32, 32)


def test_wado_uri_transcodes_where_asked(viewer: TestClient) -> None:
    answer = viewer.get("/wado", params=wado(contentType="application/dicom", transferSyntax="1.2.840.10008.1.2.5"))
    assert dcmread(io.BytesIO(answer.content)).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.5"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"requestType": "GET"}, 400),
        ({"studyUID": ""}, 400),
        ({"objectUID": "2.25.404"}, 404),
        ({"contentType": "video/mp4"}, 406),
        ({"windowCenter": "1"}, 400),
        ({"region": "0,0,2,2"}, 400),
        ({"rows": "-1"}, 400),
        ({"frameNumber": "2"}, 404),
    ],
)
def test_wado_uri_errors(viewer: TestClient, changes: dict[str, str], status: int) -> None:
    assert viewer.get("/wado", params=wado(**changes)).status_code == status


# -- everywhere --------------------


@pytest.mark.parametrize("tail", ["", "/metadata", "/rendered", "/thumbnail", "/frames/1", "/bulkdata/7FE00010"])
def test_who_may_not_see_it_is_told_that_it_is_not_there(viewer: TestClient, tail: str) -> None:
    assert viewer.get(CT_URL + tail, headers={"X-Stranger": "1"}).status_code == 404
    assert viewer.get(CT_URL.replace("2.25.20.1", "2.25.404") + tail).status_code == 404
    assert viewer.get(CT_URL + tail, headers={"X-Nobody": "1"}).status_code == 401


def test_a_transfer_syntax_that_is_no_uid_does_not_break_the_answer(tmp_path: Any) -> None:
    center = Center(tmp_path)
    odd = ct_slice(1).replace(b"1.2.840.10008.1.2.1\0", b"odd\r\nsyntax".ljust(20))
    center.add(odd)
    client = TestClient(center.app())
    for accept in (AS_STORED, "application/dicom; transfer-syntax=*"):
        answer = client.get(CT_URL, headers={"Accept": accept})
        assert answer.status_code == 200
        assert odd in answer.content


def test_head_tells_the_length(viewer: TestClient) -> None:
    head = viewer.head(CT_URL, headers={"Accept": "application/dicom"})
    assert int(head.headers["content-length"]) == len(ct_slice(1))


def test_the_root_tells_what_there_is(viewer: TestClient) -> None:
    description = viewer.get("/dicom-web").json()
    assert {"method": "POST", "path": "/dicom-web/studies", "purpose": "Store instances."} in description["resources"]
    assert viewer.options("/dicom-web").status_code == 200


def test_dicomweb_client_on_every_route(web: DICOMwebClient, full: Center) -> None:
    one = (STUDY, SERIES, f"{SERIES}.1")
    stored = dcmread(io.BytesIO(ct_slice(1)))
    assert web.retrieve_instance(*one) == stored
    assert len(web.retrieve_series(STUDY, SERIES)) == 3
    assert len(list(web.iter_study(STUDY))) == 4
    assert web.retrieve_instance_frames(*one, [1]) == [stored.PixelData]
    assert len(web.retrieve_study_metadata(STUDY)) == 4
    assert len(web.retrieve_series_metadata(STUDY, SERIES)) == 3
    metadata = web.retrieve_instance_metadata(*one)
    assert web.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"]) == [stored.PixelData]
    assert web.retrieve_instance_rendered(*one, media_types=("image/png",)).startswith(b"\x89PNG")
    assert web.retrieve_instance_frames_rendered(*one, [1], media_types=("image/jpeg",)).startswith(b"\xff\xd8")
    assert web.retrieve_series_rendered(STUDY, SERIES, media_types=("image/jpeg",)).startswith(b"\xff\xd8")
    assert len(web.search_for_instances(STUDY, SERIES)) == 3
    assert len(web.search_for_series(STUDY)) == 2
    assert len(web.search_for_studies(limit=3, offset=1, search_filters={"PatientID": "*"})) == 3
