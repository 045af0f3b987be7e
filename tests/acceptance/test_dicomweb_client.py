"""``dicomweb-client`` on every route; its file client, reading the same files from a folder, says what the answers should be."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import requests
from dicomweb_client.api import DICOMfileClient, DICOMwebClient
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import UID

from .dicomweb import Json
from .images import ct_series, read, renewed
from .processes import Center

# What the file client does otherwise, and why that is no fault of ours:
#   00080005 the file client answers with the file's character set, DICOM JSON is always UTF-8 (PS3.18 annex F.2)
#   00080056 Instance Availability, 00081190 Retrieve URL: the file client has no URL to give
#   00080201 Timezone Offset From UTC: only in ours, where the file has it
#   00280008 Number of Frames: the file client says 1 where the attribute is absent
DIFFERS = {"00080005", "00080056", "00081190", "00080201", "00280008"}
# The file client adds attributes that no table asks for at that level; where we give them too, they must agree.
STUDY = {"00080020", "00080030", "00080050", "00080061", "00080090", "00100010", "00100020", "00100030", "00100040", "0020000D",
         "00200010", "00201206", "00201208"}  # fmt: skip
SERIES = {"00080060", "0020000E", "00200011", "00201209"}
INSTANCE = {"00080016", "00080018", "00200013", "00280010", "00280011", "00280100"}


@dataclass(frozen=True)
class Both:
    """A client of the center and a client of a folder that hold the same instances."""

    web: DICOMwebClient
    files: DICOMfileClient
    raw: dict[str, bytes]
    study: str
    series: str

    def data_set(self, name: str) -> Dataset:
        """Return the only instance of the patient ``name``."""
        return next(ds for ds in map(read, self.raw.values()) if ds.PatientID == name)

    def address(self, name: str) -> tuple[str, str, str]:
        """Return the study, series and instance UID of the only instance of the patient ``name``."""
        ds = self.data_set(name)
        return str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID), str(ds.SOPInstanceUID)


SINGLES = {
    "DWC-RLE": "MR_small_RLE.dcm",
    "DWC-J2K": "MR_small_jp2klossless.dcm",
    "DWC-JLS": "MR_small_jpeg_ls_lossless.dcm",
    "DWC-JPEG": "SC_rgb_jpeg_dcmtk.dcm",
    "DWC-CT": "CT_small.dcm",
    "DWC-IMPLICIT": "MR_small_implicit.dcm",
    "DWC-ECG": "waveform_ecg.dcm",
    "DWC-FRAMES": "examples_ybr_color.dcm",
}


@pytest.fixture(scope="module")
def both(center: Center, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Send a CT series and one image of several kinds with ``store_instances``, and write the same files to a folder."""
    folder = tmp_path_factory.mktemp("files")
    raw = dict(ct_series(6, patient="DWC-1", name="Zhang^San=张^三", size=64))
    study, series = (str(getattr(read(next(iter(raw.values()))), k)) for k in ("StudyInstanceUID", "SeriesInstanceUID"))
    for patient, name in SINGLES.items():
        file = renewed(name, PatientID=patient)
        raw[str(read(file).SOPInstanceUID)] = file
    for uid, file in raw.items():
        (folder / f"{uid}.dcm").write_bytes(file)
    web = DICOMwebClient(center.dicomweb)
    answer = web.store_instances([read(file) for file in raw.values()])
    assert {item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence} == raw.keys()
    assert not answer.get("FailedSOPSequence")
    return Both(web, DICOMfileClient(folder.as_uri(), in_memory=True), raw, study, series)


def same(ours: list[Json], oracle: list[Json], key: str, required: set[str]) -> None:
    """Assert that the same objects were found, that what is required is there, and that nothing contradicts the oracle."""
    by_uid = [{m[key]["Value"][0]: m for m in found} for found in (ours, oracle)]
    assert len(by_uid[0]) == len(ours), "an object was found twice"
    assert by_uid[0].keys() == by_uid[1].keys()
    for uid, wanted in by_uid[1].items():
        got = by_uid[0][uid]
        assert {tag for tag in wanted.keys() & required if _value(wanted[tag])} <= got.keys()
        for tag in wanted.keys() & got.keys() - DIFFERS:
            assert _value(got[tag]) == _value(wanted[tag]), tag


def _value(element: Json) -> Any:
    found = [v for v in element.get("Value", []) if v not in (None, "", {"Alphabetic": ""})]
    return sorted(found) if element.get("vr") == "CS" else found


STUDY_FILTERS: list[dict[str, str]] = [
    {"PatientID": "DWC-*"},
    {"PatientID": "DWC-1"},
    {"PatientID": "DWC-J*"},
    {"PatientID": "DWC-J?S"},
    {"PatientID": "DWC-NOBODY"},
    {"PatientID": "DWC-*", "PatientSex": "O"},
    {"PatientID": "DWC-*", "StudyDate": "20240501"},
    {"PatientID": "DWC-*", "PatientName": "CompressedSamples^MR*"},
]


@pytest.mark.parametrize("filters", STUDY_FILTERS, ids=str)
def test_search_for_studies(both: Both, filters: dict[str, str]) -> None:
    ours = both.web.search_for_studies(search_filters=filters)
    same(ours, both.files.search_for_studies(search_filters=filters), "0020000D", STUDY)


BEYOND_THE_ORACLE = [
    ({"AccessionNumber": "A-DWC-1"}, {"DWC-1"}),
    ({"PatientID": "DWC-*", "ModalitiesInStudy": "CT"}, {"DWC-1", "DWC-CT"}),
    ({"PatientID": "DWC-*", "StudyDate": "20240430-20240502"}, {"DWC-1"}),
    ({"PatientID": "DWC-1\\DWC-CT"}, {"DWC-1", "DWC-CT"}),
    ({"PatientName": "*张*", "PatientID": "DWC-*"}, {"DWC-1"}),
    ({"00100020": "DWC-1"}, {"DWC-1"}),
]


@pytest.mark.parametrize(("filters", "patients"), BEYOND_THE_ORACLE, ids=str)
def test_search_for_studies_by_what_the_file_client_cannot(both: Both, filters: dict[str, str], patients: set[str]) -> None:
    assert {match["00100020"]["Value"][0] for match in both.web.search_for_studies(search_filters=filters)} == patients


@pytest.mark.parametrize("filters", [{}, {"Modality": "CT"}, {"SeriesNumber": "1"}, {"Modality": "US"}], ids=str)
def test_search_for_series(both: Both, filters: dict[str, str]) -> None:
    ours = both.web.search_for_series(both.study, search_filters=filters)
    same(ours, both.files.search_for_series(both.study, search_filters=filters), "0020000E", SERIES)


def test_search_for_series_without_a_study(both: Both) -> None:
    filters = {"SeriesInstanceUID": both.series}
    ours = both.web.search_for_series(search_filters=filters)
    same(ours, both.files.search_for_series(search_filters=filters), "0020000E", STUDY | SERIES)


@pytest.mark.parametrize("filters", [{}, {"InstanceNumber": "3"}, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}], ids=str)
def test_search_for_instances(both: Both, filters: dict[str, str]) -> None:
    for series in (None, both.series):
        ours = both.web.search_for_instances(both.study, series, search_filters=filters)
        same(ours, both.files.search_for_instances(both.study, series, search_filters=filters), "00080018", INSTANCE)


def test_search_for_instances_without_a_study(both: Both) -> None:
    filters = {"SOPInstanceUID": next(iter(both.raw))}
    ours = both.web.search_for_instances(search_filters=filters)
    same(ours, both.files.search_for_instances(search_filters=filters), "00080018", STUDY | SERIES | INSTANCE)


def test_paging_covers_everything_once(both: Both) -> None:
    seen = []
    for offset in range(0, 8, 2):
        seen += both.web.search_for_instances(both.study, limit=2, offset=offset)
    same(seen, both.files.search_for_instances(both.study), "00080018", INSTANCE)


def test_included_fields(both: Both) -> None:
    [found] = both.web.search_for_studies(fields=["StudyDescription"], search_filters={"PatientID": "DWC-1"})
    assert found["00081030"]["Value"] == ["Thorax"]
    [everything] = both.web.search_for_studies(fields=["all"], search_filters={"PatientID": "DWC-1"})
    assert found.keys() <= everything.keys()


def test_fuzzy_search_finds_by_pinyin(both: Both) -> None:
    for asked in ("zhang san", "zs", "张三"):
        found = both.web.search_for_studies(fuzzymatching=True, search_filters={"PatientName": asked})
        assert both.study in {match["0020000D"]["Value"][0] for match in found}, asked


Metadata = Callable[[Both, Any], list[Json]]
METADATA: dict[str, Metadata] = {
    "study": lambda both, client: list(client.retrieve_study_metadata(both.study)),
    "series": lambda both, client: list(client.retrieve_series_metadata(both.study, both.series)),
    "RLE": lambda both, client: [client.retrieve_instance_metadata(*both.address("DWC-RLE"))],
    "waveform": lambda both, client: [client.retrieve_instance_metadata(*both.address("DWC-ECG"))],
    "implicit": lambda both, client: [client.retrieve_instance_metadata(*both.address("DWC-IMPLICIT"))],
}


def plain(element: Json) -> Any:
    """Reduce a DICOM JSON element to what both writers must agree on; bulk data is compared by the bytes behind it."""
    if "InlineBinary" in element or "BulkDataURI" in element:
        return "bulk"
    if element["vr"] == "SQ":
        return [{tag: plain(e) for tag, e in item.items() if e.keys() - {"vr"}} for item in element.get("Value", [])]
    return [str(v) if not isinstance(v, float | int) else float(v) for v in element.get("Value", [])]


@pytest.mark.parametrize("what", METADATA)
def test_metadata(both: Both, what: str) -> None:
    ours, oracle = (METADATA[what](both, client) for client in (both.web, both.files))
    found = [{m["00080018"]["Value"][0]: m for m in answer} for answer in (ours, oracle)]
    assert found[0].keys() == found[1].keys()
    for uid, wanted in found[1].items():
        for tag, element in wanted.items():
            if element.keys() - {"vr"} and not tag.endswith("0000") and tag not in DIFFERS:
                assert tag in found[0][uid], f"{tag} is missing"
                assert plain(found[0][uid][tag]) == plain(element), tag
        assert found[0][uid].keys() - wanted.keys() <= {"7FE00010", "FFFCFFFC", "00083002", *DIFFERS}


def test_metadata_of_a_quiet_series_is_not_sent_twice(both: Both) -> None:
    url = f"{both.web.base_url}/studies/{both.study}/series/{both.series}/metadata"
    first = requests.get(url, headers={"Accept": "application/dicom+json"}, timeout=30)
    assert first.status_code == 200
    again = requests.get(url, headers={"Accept": "application/dicom+json", "If-None-Match": first.headers["ETag"]}, timeout=30)
    assert (again.status_code, again.content) == (304, b"")


def test_retrieve_study_series_and_instance(both: Both) -> None:
    wanted = {uid: read(raw) for uid, raw in both.raw.items() if read(raw).StudyInstanceUID == both.study}
    answers: list[list[Dataset]] = [
        both.web.retrieve_study(both.study),
        list(both.web.iter_study(both.study)),
        both.web.retrieve_series(both.study, both.series),
        list(both.web.iter_series(both.study, both.series)),
        [both.web.retrieve_instance(both.study, both.series, uid) for uid in wanted],
    ]
    for answer in answers:
        assert {ds.SOPInstanceUID: ds for ds in answer} == wanted
        assert len(answer) == len(wanted)


@pytest.mark.parametrize("patient", SINGLES)
def test_retrieve_as_stored_equals_the_file(both: Both, patient: str) -> None:
    address = both.address(patient)
    ours = both.web.retrieve_instance(*address, media_types=(("application/dicom", "*"),))
    assert ours == both.data_set(patient)
    assert ours.file_meta.TransferSyntaxUID == both.data_set(patient).file_meta.TransferSyntaxUID


@pytest.mark.parametrize("patient", ["DWC-RLE", "DWC-J2K", "DWC-JLS", "DWC-IMPLICIT"])
def test_retrieve_uncompressed_has_the_same_pixels(both: Both, patient: str) -> None:
    ours = both.web.retrieve_instance(*both.address(patient), media_types=(("application/dicom", "1.2.840.10008.1.2.1"),))
    assert ours.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert np.array_equal(ours.pixel_array, both.data_set(patient).pixel_array)


def test_native_frames(both: Both) -> None:
    address = (both.study, both.series, next(iter(both.raw)))
    kinds = (("application/octet-stream", "1.2.840.10008.1.2.1"),)
    wanted = both.files.retrieve_instance_frames(*address, [1])
    assert both.web.retrieve_instance_frames(*address, [1], media_types=kinds) == wanted
    assert list(both.web.iter_instance_frames(*address, [1], media_types=kinds)) == wanted


ENCAPSULATED = {
    "DWC-RLE": ("image/dicom-rle", "1.2.840.10008.1.2.5"),
    "DWC-J2K": ("image/jp2", "1.2.840.10008.1.2.4.90"),
    "DWC-JLS": ("image/jls", "1.2.840.10008.1.2.4.80"),
    "DWC-JPEG": ("image/jpeg", "1.2.840.10008.1.2.4.50"),
}


@pytest.mark.parametrize("patient", ENCAPSULATED)
def test_encapsulated_frames_come_as_stored(both: Both, patient: str) -> None:
    ds = both.data_set(patient)
    [frame] = both.web.retrieve_instance_frames(*both.address(patient), [1], media_types=(ENCAPSULATED[patient],))
    wanted = get_frame(ds.PixelData, 0, number_of_frames=1)
    assert frame.rstrip(b"\0") == wanted.rstrip(b"\0")


@pytest.mark.parametrize("patient", ["DWC-RLE", "DWC-J2K", "DWC-JLS"])
def test_encapsulated_frames_uncompressed_on_request(both: Both, patient: str) -> None:
    kinds = (("application/octet-stream", "1.2.840.10008.1.2.1"),)
    [frame] = both.web.retrieve_instance_frames(*both.address(patient), [1], media_types=kinds)
    pixels = both.data_set(patient).pixel_array
    assert np.array_equal(np.frombuffer(frame, pixels.dtype.newbyteorder("<")).reshape(pixels.shape), pixels)


def test_several_frames_in_the_order_asked(both: Both) -> None:
    ds, address = both.data_set("DWC-FRAMES"), both.address("DWC-FRAMES")
    count = int(ds.NumberOfFrames)
    kinds = (("image/jpeg", "1.2.840.10008.1.2.4.50"),)
    got = both.web.retrieve_instance_frames(*address, [count, 1], media_types=kinds)
    assert got == [get_frame(ds.PixelData, i, number_of_frames=count) for i in (count - 1, 0)]


def test_a_frame_that_is_not_there_is_not_found(both: Both) -> None:
    with pytest.raises(requests.HTTPError) as error:
        both.web.retrieve_instance_frames(*both.address("DWC-CT"), [2])
    assert error.value.response is not None
    assert error.value.response.status_code == 404


def test_bulk_data_of_the_metadata(both: Both) -> None:
    metadata = both.web.retrieve_instance_metadata(*both.address("DWC-CT"))
    [data] = both.web.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"])
    assert data == both.data_set("DWC-CT").PixelData
    [streamed] = both.web.iter_bulkdata(metadata["7FE00010"]["BulkDataURI"])
    assert streamed == data


def test_bulk_data_inside_a_sequence(both: Both) -> None:
    ds, metadata = both.data_set("DWC-ECG"), both.web.retrieve_instance_metadata(*both.address("DWC-ECG"))
    for group, item in zip(metadata["54000100"]["Value"], ds.WaveformSequence, strict=True):
        waveform = group["54001010"]
        if "BulkDataURI" in waveform:
            [data] = both.web.retrieve_bulkdata(waveform["BulkDataURI"])
            assert data == item.WaveformData


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png"])
def test_rendered(both: Both, kind: str) -> None:
    address = (both.study, both.series, next(iter(both.raw)))
    size = (64, 64)
    assert picture(both.web.retrieve_instance_rendered(*address, media_types=(kind,)), kind) == size
    assert picture(both.web.retrieve_instance_frames_rendered(*address, [1], media_types=(kind,)), kind) == size


def test_rendered_follows_the_window(both: Both) -> None:
    address = (both.study, both.series, next(iter(both.raw)))
    dark, bright = (
        both.web.retrieve_instance_rendered(*address, media_types=("image/png",), params={"window": f"{centre},400,linear"})
        for centre in (2000, -2000)
    )
    means = [float(np.asarray(Image.open(io.BytesIO(raw)).convert("L")).mean()) for raw in (dark, bright)]
    assert means[0] < 10
    assert means[1] > 245


def test_rendered_series_and_thumbnail(both: Both, center: Center) -> None:
    rendered = both.web.retrieve_series_rendered(both.study, both.series, media_types=("image/jpeg",))
    assert picture(rendered, "image/jpeg") == (64, 64)
    for level in ("", f"/series/{both.series}", f"/series/{both.series}/instances/{next(iter(both.raw))}"):
        answer = requests.get(f"{center.dicomweb}/studies/{both.study}{level}/thumbnail", timeout=30)
        assert answer.status_code == 200, level
        assert max(picture(answer.content, answer.headers["Content-Type"])) <= 512


def picture(raw: bytes, kind: str) -> tuple[int, int]:
    """Return the size of a picture that must be of the media type ``kind``."""
    with Image.open(io.BytesIO(raw)) as image:
        assert Image.MIME[str(image.format)] == kind
        return image.size


def test_wado_uri(both: Both, center: Center) -> None:
    study, series, uid = both.address("DWC-CT")
    keys = {"requestType": "WADO", "studyUID": study, "seriesUID": series, "objectUID": uid}
    file = requests.get(f"{center.url}/wado", params={**keys, "contentType": "application/dicom"}, timeout=30)
    assert read(file.content) == both.data_set("DWC-CT")
    image = requests.get(f"{center.url}/wado", params={**keys, "contentType": "image/jpeg"}, timeout=30)
    assert picture(image.content, "image/jpeg") == (128, 128)


@pytest.mark.parametrize("level", ["studies/{0}", "studies/{1}/series/{0}", "studies/{1}/series/{2}/instances/{0}"])
@pytest.mark.parametrize("tail", ["", "/metadata", "/rendered"])
def test_what_is_not_there_is_not_found(both: Both, center: Center, level: str, tail: str) -> None:
    url = f"{center.dicomweb}/{level.format(UID('2.25.404'), both.study, both.series)}{tail}"
    assert requests.get(url, timeout=30).status_code == 404


def test_what_cannot_be_given_is_not_acceptable(both: Both, center: Center) -> None:
    study, series, uid = both.address("DWC-CT")
    url = f"{center.dicomweb}/studies/{study}/series/{series}/instances/{uid}"
    assert requests.get(url, headers={"Accept": "video/h265"}, timeout=30).status_code == 406


@pytest.mark.parametrize("query", ["limit=x", "offset=-1", "StudyDate=yesterday", "NoSuchKeyword=1"])
def test_a_bad_query_is_a_bad_request(center: Center, query: str) -> None:
    assert requests.get(f"{center.dicomweb}/studies?{query}", timeout=30).status_code == 400


def test_patients_can_be_searched_as_well(center: Center, both: Both) -> None:
    keys = {"PatientID": "DWC-1", "includefield": "NumberOfPatientRelatedStudies"}
    answer = requests.get(f"{center.dicomweb}/patients", keys, timeout=30)
    [patient] = answer.json()
    assert patient["00100020"]["Value"] == ["DWC-1"]
    assert patient["00201200"]["Value"] == [1]
    assert "00081190" not in patient
