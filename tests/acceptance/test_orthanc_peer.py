"""Orthanc on the other side: it sends to us, fetches from us and receives from us, over DIMSE and over DICOMweb.

Orthanc parses and writes data sets anew, so what arrives is compared as decoded data sets; the bytes are another story.
"""

import pytest
from pydicom.dataset import Dataset

from .dcmtk import dcmtk
from .dicomweb import instance_paths, retrieve, stow
from .images import ct_series, read, renewed
from .orthanc import Orthanc
from .processes import Center, wait_until

pytestmark = pytest.mark.peers


def comparable(ds: Dataset) -> dict[str, object]:
    """Return the elements without what a rewriting sender may change: group lengths, padding, OB or OW for pixels."""
    elements = {tag: element for tag, element in ds.to_json_dict().items() if not tag.endswith("0000") and tag != "FFFCFFFC"}
    return {tag: element.get("InlineBinary", element) for tag, element in elements.items()}


def study_of(files: dict[str, bytes]) -> str:
    return str(read(next(iter(files.values()))).StudyInstanceUID)


def assert_center_has(center: Center, files: dict[str, bytes]) -> None:
    paths = instance_paths(center.dicomweb, study_of(files))
    assert paths.keys() == files.keys()
    for uid, path in paths.items():
        [raw] = retrieve(path)
        assert comparable(read(raw)) == comparable(read(files[uid]))


def assert_orthanc_has(orthanc: Orthanc, files: dict[str, bytes]) -> None:
    wait_until(lambda: orthanc.instances(study_of(files)) == files.keys(), 30, "Orthanc has the study")
    for uid, raw in files.items():
        [identifier] = orthanc.post("/tools/lookup", uid.encode())
        tags = orthanc.get(f"/instances/{identifier['ID']}/simplified-tags")
        assert tags["PatientID"] == read(raw).PatientID


def put_into_center(center: Center, files: dict[str, bytes]) -> None:
    assert stow(center.dicomweb, files.values()).status_code == 200


def put_into_orthanc(orthanc: Orthanc, files: dict[str, bytes]) -> list[str]:
    return [orthanc.upload(raw) for raw in files.values()]


def test_orthanc_echoes_us(orthanc: Orthanc) -> None:
    orthanc.post("/modalities/panorad/echo", {})


def test_orthanc_stores_to_us(center: Center, orthanc: Orthanc) -> None:
    files = dict(ct_series(5, patient="ORTHANC-1", size=64))
    resources = put_into_orthanc(orthanc, files)
    done = orthanc.post("/modalities/panorad/store", {"Resources": resources, "Synchronous": True})
    assert int(done["FailedInstancesCount"]) == 0
    assert_center_has(center, files)


def test_orthanc_stores_a_compressed_image_to_us(center: Center, orthanc: Orthanc) -> None:
    raw = renewed("MR_small_jpeg_ls_lossless.dcm", PatientID="ORTHANC-2")
    files = {str(read(raw).SOPInstanceUID): raw}
    done = orthanc.post("/modalities/panorad/store", {"Resources": put_into_orthanc(orthanc, files), "Synchronous": True})
    assert int(done["FailedInstancesCount"]) == 0
    assert_center_has(center, files)


def test_orthanc_finds_and_moves_from_us(center: Center, orthanc: Orthanc) -> None:
    files = dict(ct_series(5, patient="ORTHANC-3", name="张^三", size=64))
    put_into_center(center, files)
    query = orthanc.post("/modalities/panorad/query", {"Level": "Study", "Query": {"PatientID": "ORTHANC-3", "PatientName": ""}})
    answers = orthanc.get(f"/queries/{query['ID']}/answers?expand&simplify")
    assert [(a["PatientID"], a["PatientName"]) for a in answers] == [("ORTHANC-3", "张^三")]
    orthanc.post(f"/queries/{query['ID']}/retrieve", b"ORTHANC")
    assert_orthanc_has(orthanc, files)


def test_we_move_to_orthanc_when_a_workstation_asks(center: Center, orthanc: Orthanc) -> None:
    files = dict(ct_series(3, patient="ORTHANC-4", size=64))
    put_into_center(center, files)
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study_of(files)}"]
    dcmtk("movescu", "-S", "-aec", center.title, "-aem", orthanc.title, *keys, "127.0.0.1", str(center.dimse))
    assert_orthanc_has(orthanc, files)


def test_orthanc_moves_to_us_when_a_workstation_asks(center: Center, orthanc: Orthanc) -> None:
    files = dict(ct_series(3, patient="ORTHANC-5", size=64))
    put_into_orthanc(orthanc, files)
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study_of(files)}"]
    dcmtk("movescu", "-S", "-aec", orthanc.title, "-aem", center.title, *keys, "127.0.0.1", str(orthanc.dimse))
    assert_center_has(center, files)


def test_orthanc_stows_to_us(center: Center, orthanc: Orthanc) -> None:
    files = dict(ct_series(5, patient="ORTHANC-6", size=64))
    orthanc.post("/dicom-web/servers/panorad/stow", {"Resources": put_into_orthanc(orthanc, files), "Synchronous": True})
    assert_center_has(center, files)


def test_orthanc_searches_us_by_qido(center: Center, orthanc: Orthanc) -> None:
    files = dict(ct_series(2, patient="ORTHANC-7", size=16))
    put_into_center(center, files)
    answers = orthanc.post("/dicom-web/servers/panorad/qido", {"Uri": "/studies", "Arguments": {"PatientID": "ORTHANC-7"}})
    assert [answer["0020000D"]["Value"] for answer in answers] == [study_of(files)]


def test_orthanc_retrieves_from_us_by_wado(center: Center, orthanc: Orthanc) -> None:
    files = dict(ct_series(5, patient="ORTHANC-8", size=64))
    put_into_center(center, files)
    body = {"Resources": [{"Study": study_of(files)}], "Synchronous": True}
    orthanc.post("/dicom-web/servers/panorad/retrieve", body)
    assert_orthanc_has(orthanc, files)
