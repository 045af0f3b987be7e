"""dcmtk's programs as the scanner, the workstation and the destination.

What a dcmtk sender puts on the wire is not the file (it drops group lengths, it may change encodings), so the oracle for
"kept byte for byte" is a second receiver: dcmtk's ``storescp`` with ``--bit-preserving`` gets the same call.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, generate_uid

from .dcmtk import StoreScp, call, dcmtk, find
from .dicomweb import instance_paths, retrieve, stow
from .images import ct_series, ct_slice, encode, read, renewed
from .part10 import EXPLICIT, Part10, join, split
from .processes import Center
from .scu import SUCCESS, StoreAssociation

pytestmark = pytest.mark.peers

SENT = [
    ("CT_small.dcm", "-x="),
    ("MR_small_implicit.dcm", "-xi"),
    ("MR_small_bigendian.dcm", "-xb"),
    ("MR_small_RLE.dcm", "-xr"),
    ("MR_small_jp2klossless.dcm", "-xv"),
    ("JPEG2000.dcm", "-xw"),
    ("MR_small_jpeg_ls_lossless.dcm", "-xt"),
    ("JPEGLSNearLossless_16.dcm", "-xu"),
    ("SC_rgb_jpeg_gdcm.dcm", "-xs"),
    ("SC_rgb_jpeg_dcmtk.dcm", "-xy"),
    ("JPGExtended.dcm", "-xx"),
    ("image_dfl.dcm", "-xd"),
    ("rtplan.dcm", "-xi"),
    ("waveform_ecg.dcm", "-x="),
    ("test-SR.dcm", "-x="),
    ("examples_ybr_color.dcm", "-xy"),
]


def kept(center: Center, file: Part10, study: str) -> Part10:
    """Return what the center keeps under the SOP Instance UID of a file."""
    paths = instance_paths(center.dicomweb, study)
    assert file.sop_instance in paths, f"not listed in study {study}"
    [raw] = retrieve(paths[file.sop_instance])
    return split(raw)


def whole(file: Part10) -> Dataset:
    """Parse a file that was cut."""
    return read(join(file.sop_class, file.sop_instance, file.transfer_syntax, file.dataset))


def test_echo(center: Center) -> None:
    dcmtk("echoscu", "-aec", center.title, "127.0.0.1", str(center.dimse))


def test_wrong_called_title_is_refused(center: Center) -> None:
    done = call("echoscu", "-aec", "SOMEBODY", "127.0.0.1", str(center.dimse))
    assert done.returncode != 0
    assert "Called AE Title Not Recognized" in done.stdout


@pytest.mark.parametrize(("name", "propose"), SENT, ids=[name for name, _ in SENT])
def test_store_keeps_the_bytes_of_the_wire(center: Center, storescp: StoreScp, tmp_path: Path, name: str, propose: str) -> None:
    file = tmp_path / "image.dcm"
    file.write_bytes(renewed(name))
    ds = read(file.read_bytes())
    for title, port in ((center.title, center.dimse), (storescp.title, storescp.port)):
        dcmtk("storescu", "-R", propose, "-aec", title, "127.0.0.1", str(port), str(file))
    oracle = storescp.received()[ds.SOPInstanceUID]
    ours = kept(center, oracle, ds.StudyInstanceUID)
    assert ours.transfer_syntax == oracle.transfer_syntax
    assert ours.sop_class == oracle.sop_class
    assert ours.dataset == oracle.dataset


def test_private_sop_class_is_kept(center: Center) -> None:
    ds = ct_slice(generate_uid(prefix=None), generate_uid(prefix=None), 1, patient="PRIVATE-1", size=16)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID("1.3.46.670589.11.0.0.12.1")
    file = split(encode(ds))
    with StoreAssociation(center.dimse, [(file.sop_class, EXPLICIT)]) as association:
        assert association.store(file).status == SUCCESS
    assert kept(center, file, ds.StudyInstanceUID).dataset == file.dataset


def test_sending_again_changes_nothing(center: Center, tmp_path: Path) -> None:
    [(uid, raw)] = ct_series(1, patient="AGAIN-1", size=16)
    (tmp_path / "image.dcm").write_bytes(raw)
    for _ in range(2):
        dcmtk("storescu", "-aec", center.title, "127.0.0.1", str(center.dimse), str(tmp_path / "image.dcm"))
    assert list(instance_paths(center.dicomweb, read(raw).StudyInstanceUID)) == [uid]


def test_same_uid_with_other_content_never_overwrites(center: Center) -> None:
    [(_, raw)] = ct_series(1, patient="TWICE-1", size=16)
    first, other = split(raw), read(raw)
    other.PatientComments = "other content"
    with StoreAssociation(center.dimse, [(first.sop_class, EXPLICIT)]) as association:
        assert association.store(first).status == SUCCESS
        association.store(split(encode(other)))
    assert kept(center, first, other.StudyInstanceUID).dataset == first.dataset


@pytest.fixture(scope="module")
def indexed(center: Center) -> dict[str, Dataset]:
    """Five small studies to be found: name in the code that they were sent in, date, modality."""
    rows = {
        "FIND-1": ("张三", "GB18030", "20240110", "CT"),
        "FIND-2": ("Zhang^San=张^三", "ISO_IR 192", "20240215", "MR"),
        "FIND-3": ("李四", "ISO_IR 192", "20240310", "CT"),
        "FIND-4": ("Äneas^Jürgen", "ISO_IR 100", "20240310", "CT"),
        "FIND-5": ("Doe^Anna", "ISO_IR 192", "20250101", "CR"),
    }
    sent = dict[str, Dataset]()
    for patient, (name, charset, date, modality) in rows.items():
        study, series = generate_uid(prefix=None), generate_uid(prefix=None)
        ds = ct_slice(study, series, 1, patient=patient, name=name, charset=charset, size=16)
        ds.StudyDate, ds.Modality, ds.StudyDescription = date, modality, f"Study of {patient}"
        sent[patient] = ds
    assert stow(center.dicomweb, [encode(ds) for ds in sent.values()]).status_code == 200
    return sent


Find = Callable[..., set[str]]


@pytest.fixture
def found(center: Center, indexed: dict[str, Dataset], tmp_path: Path) -> Find:
    """Ask for studies of the patients FIND-* and return their Patient IDs."""

    def ask(*keys: str | bytes, model: str = "-S") -> set[str]:
        scope = [] if any("PatientID=" in str(key) for key in keys) else ["PatientID=FIND-*"]
        words = ["QueryRetrieveLevel=STUDY", "StudyInstanceUID", *scope]
        return {str(ds.PatientID) for ds in find(center.dimse, model, tmp_path / "answers", [*words, *keys])}

    return ask


FINDS: list[tuple[tuple[str | bytes, ...], set[str]]] = [
    ((), {"FIND-1", "FIND-2", "FIND-3", "FIND-4", "FIND-5"}),
    (("PatientID=FIND-3",), {"FIND-3"}),
    (("PatientID=FIND-?",), {"FIND-1", "FIND-2", "FIND-3", "FIND-4", "FIND-5"}),
    (("StudyDate=20240215-20240310",), {"FIND-2", "FIND-3", "FIND-4"}),
    (("StudyDate=20240310-",), {"FIND-3", "FIND-4", "FIND-5"}),
    (("StudyDate=-20240110",), {"FIND-1"}),
    (("ModalitiesInStudy=MR",), {"FIND-2"}),
    (("PatientName=doe*",), {"FIND-5"}),
    (("SpecificCharacterSet=ISO_IR 192", "PatientName=李*".encode()), {"FIND-3"}),
    (("SpecificCharacterSet=GB18030", "PatientName=张三".encode("gb18030")), {"FIND-1"}),
    (("SpecificCharacterSet=ISO_IR 100", "PatientName=Äneas*".encode("latin-1")), {"FIND-4"}),
    (("AccessionNumber=A-FIND-5",), {"FIND-5"}),
    (("PatientName=Nobody",), set()),
]


@pytest.mark.parametrize(("keys", "patients"), FINDS, ids=[str(keys) for keys, _ in FINDS])
def test_find_studies(found: Find, keys: tuple[str | bytes, ...], patients: set[str]) -> None:
    assert found(*keys) == patients


def test_find_with_a_list_of_uids(found: Find, indexed: dict[str, Dataset]) -> None:
    uids = [str(indexed[p].StudyInstanceUID) for p in ("FIND-1", "FIND-5")]
    assert found("StudyInstanceUID=" + "\\".join(uids)) == {"FIND-1", "FIND-5"}


@pytest.mark.parametrize("charset", ["GB18030", "ISO_IR 192"])
def test_names_come_back_readable_whatever_code_is_asked_in(
    center: Center, indexed: dict[str, Dataset], tmp_path: Path, charset: str
) -> None:
    keys = ["QueryRetrieveLevel=STUDY", "PatientID=FIND-*", "PatientName", "StudyDescription", f"SpecificCharacterSet={charset}"]
    answers = find(center.dimse, "-S", tmp_path / "answers", keys)
    assert {str(ds.PatientID): str(ds.PatientName) for ds in answers} == {p: str(ds.PatientName) for p, ds in indexed.items()}
    assert {str(ds.StudyDescription) for ds in answers} == {f"Study of {p}" for p in indexed}


def test_find_walks_all_levels_of_the_patient_root(center: Center, indexed: dict[str, Dataset], tmp_path: Path) -> None:
    sent = indexed["FIND-2"]
    keys = ["PatientID=FIND-2", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
    levels = {"PATIENT": 1, "STUDY": 2, "SERIES": 3, "IMAGE": 4}
    values = [str(sent.PatientID), str(sent.StudyInstanceUID), str(sent.SeriesInstanceUID), str(sent.SOPInstanceUID)]
    names = ["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
    for level, depth in levels.items():
        words = [f"{n}={v}" for n, v in zip(names, values, strict=True)][: depth - 1] or keys[:1]
        words += [names[depth - 1]] if depth > 1 else []
        [answer] = find(center.dimse, "-P", tmp_path / level, [f"QueryRetrieveLevel={level}", *words])
        assert str(answer[names[depth - 1]].value) == values[depth - 1]
        assert answer.QueryRetrieveLevel.strip() == level


def test_find_counts_related_objects(center: Center, indexed: dict[str, Dataset], tmp_path: Path) -> None:
    keys = ["QueryRetrieveLevel=STUDY", "PatientID=FIND-1", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"]
    [answer] = find(center.dimse, "-S", tmp_path / "answers", keys)
    assert (answer.NumberOfStudyRelatedSeries, answer.NumberOfStudyRelatedInstances) == (1, 1)


def move(center: Center, destination: str, *keys: str) -> None:
    words = [word for key in keys for word in ("-k", key)]
    dcmtk("movescu", "-S", "-aec", center.title, "-aem", destination, *words, "127.0.0.1", str(center.dimse))


def test_move_delivers_the_bytes_that_came(center: Center, storescp: StoreScp) -> None:
    series = {uid: split(raw) for uid, raw in ct_series(5, patient="MOVE-1", size=64)}
    compressed = split(renewed("MR_small_RLE.dcm", PatientID="MOVE-2"))
    contexts = {(f.sop_class, f.transfer_syntax) for f in [*series.values(), compressed]}
    with StoreAssociation(center.dimse, contexts) as association:
        assert {association.store(f).status for f in [*series.values(), compressed]} == {SUCCESS}
    for file in (next(iter(series.values())), compressed):
        study = whole(file).StudyInstanceUID
        move(center, storescp.title, "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={study}")
    received = storescp.received()
    for uid, file in {**series, compressed.sop_instance: compressed}.items():
        assert received[uid].transfer_syntax == file.transfer_syntax
        assert received[uid].dataset == file.dataset


def test_move_of_one_instance_sends_one(center: Center, storescp: StoreScp) -> None:
    files = dict(ct_series(3, patient="MOVE-3", size=16))
    assert stow(center.dicomweb, files.values()).status_code == 200
    uid = list(files)[1]
    ds = read(files[uid])
    move(
        center, storescp.title, "QueryRetrieveLevel=IMAGE",
        f"StudyInstanceUID={ds.StudyInstanceUID}", f"SeriesInstanceUID={ds.SeriesInstanceUID}", f"SOPInstanceUID={uid}",
    )  # fmt: skip
    assert files.keys() & storescp.received().keys() == {uid}


def test_move_to_an_unknown_destination_is_refused(center: Center) -> None:
    [(_, raw)] = ct_series(1, patient="MOVE-4", size=16)
    assert stow(center.dicomweb, [raw]).status_code == 200
    words = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={read(raw).StudyInstanceUID}"]
    done = call("movescu", "-v", "-S", "-aec", center.title, "-aem", "NOWHERE", *words, "127.0.0.1", str(center.dimse))
    assert "MoveDestinationUnknown" in done.stdout.replace(" ", ""), done.stdout


def test_get_brings_a_study(center: Center, tmp_path: Path) -> None:
    series = {uid: split(raw) for uid, raw in ct_series(4, patient="GET-1", size=64)}
    with StoreAssociation(center.dimse, [(next(iter(series.values())).sop_class, EXPLICIT)]) as association:
        assert {association.store(file).status for file in series.values()} == {SUCCESS}
    study = whole(next(iter(series.values()))).StudyInstanceUID
    received = get(center, tmp_path, study)
    assert {uid: file.dataset for uid, file in received.items()} == {uid: file.dataset for uid, file in series.items()}


def test_get_by_a_peer_that_takes_only_uncompressed_transcodes(center: Center, tmp_path: Path) -> None:
    raw = renewed("MR_small_jp2klossless.dcm", PatientID="GET-2")
    ds = read(raw)
    assert stow(center.dicomweb, [raw]).status_code == 200
    [file] = get(center, tmp_path, ds.StudyInstanceUID).values()
    assert file.transfer_syntax == EXPLICIT
    assert np.array_equal(whole(file).pixel_array, ds.pixel_array)


def get(center: Center, folder: Path, study: str) -> dict[str, Part10]:
    """C-GET a study with ``getscu`` and return what arrived."""
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
    dcmtk("getscu", "-S", "+B", "-od", str(folder), "-aec", center.title, *keys, "127.0.0.1", str(center.dimse))
    files = [split(path.read_bytes()) for path in folder.iterdir()]
    return {file.sop_instance: file for file in files}
