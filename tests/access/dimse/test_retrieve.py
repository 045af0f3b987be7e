"""C-MOVE and C-GET: DCMTK and pynetdicom get exactly what is stored, or the same pixels in what they can take."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, RLELossless
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    MRImageStorage,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from panorad.access.dimse import Destination

from .archive import Archive, keep, make
from .conftest import Center
from .raw import EXPLICIT, IMPLICIT, Peer, command, pdata, pdv, request

Dcmtk = Callable[..., "subprocess.CompletedProcess[str]"]
MOVE, GET = StudyRootQueryRetrieveInformationModelMove, StudyRootQueryRetrieveInformationModelGet


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def identifier(level: str = "STUDY", **values: Any) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    for keyword, value in (values or {"StudyInstanceUID": "1.2.3.1"}).items():
        setattr(dataset, keyword, value)
    return dataset


def fill(archive: Archive) -> list[Dataset]:
    """Two series of two CT images and one compressed, in one study."""
    datasets = [make(SeriesInstanceUID=f"1.2.3.1.{number // 2 + 1}", InstanceNumber=number) for number in range(4)]
    compressed = make(SeriesInstanceUID="1.2.3.1.3", PixelData=np.arange(256, dtype="<u2").tobytes())
    compressed.compress(RLELossless, generate_instance_uid=False)
    datasets.append(compressed)
    for dataset in datasets:
        keep(archive, dataset)
    return datasets


@contextmanager
def receiver(
    archive: Archive, syntaxes: list[str], status: int = 0, classes: tuple[str, ...] = (CTImageStorage,)
) -> Iterator[list[Any]]:
    """A pynetdicom node called READER to move to; gives the requests it gets."""
    got: list[Any] = []

    def store(event: Any) -> int:
        got.append(event)
        return status

    ae = AE("READER")
    for sop_class in classes:
        ae.add_supported_context(sop_class, syntaxes)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    archive.destinations["READER"] = Destination("READER", "127.0.0.1", server.server_address[1])
    try:
        yield got
    finally:
        server.shutdown()


def move(center: Center, wanted: Dataset, model: Any = MOVE, destination: str = "READER") -> list[tuple[Dataset, Any]]:
    ae = AE("ASKER")
    ae.add_requested_context(model)
    association = ae.associate("127.0.0.1", center.port, ae_title="PANORAD")
    assert association.is_established
    answers = list(association.send_c_move(wanted, destination, model, msg_id=77))
    association.release()
    return answers


def counts(status: Dataset) -> tuple[int, int, int]:
    return (status.NumberOfCompletedSuboperations, status.NumberOfFailedSuboperations, status.NumberOfWarningSuboperations)


@pytest.mark.peers
def test_movescu_receives_every_byte(center: Center, dcmtk: Dcmtk, tmp_path: Path) -> None:
    fill(center.archive)
    port, out = free_port(), tmp_path / "out"
    out.mkdir()
    center.archive.destinations["MOVER"] = Destination("MOVER", "127.0.0.1", port)
    done = dcmtk(
        *("movescu", "-S", "-aet", "MOVER", "-aec", "PANORAD", "-aem", "MOVER", "+P", port, "+B", "+xr"),
        *("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3.1", "127.0.0.1", center.port),
        cwd=out,  # with +B, movescu does not heed -od
    )
    assert done.returncode == 0, done.stderr
    received = {pydicom.dcmread(path, force=True).SOPInstanceUID for path in out.iterdir()}
    assert received == {stored.header.sop_uid for stored in center.archive.instances}
    event = center.archive.events[-1]
    assert (event.kind, event.detail["instances"], event.objects["node"]) == ("instances.sent", 5, "MOVER")


@pytest.mark.peers
@pytest.mark.parametrize("root", ["-S", "-P"])
def test_getscu(center: Center, dcmtk: Dcmtk, tmp_path: Path, root: str) -> None:
    fill(center.archive)
    out = tmp_path / "out"
    out.mkdir()
    done = dcmtk(
        *("getscu", root, "-aec", "PANORAD", "-od", out, "+B", "127.0.0.1", center.port),
        *("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3.1", "-k", "PatientID=P1"),
    )
    assert done.returncode == 0, done.stderr
    received = {pydicom.dcmread(path, force=True).SOPInstanceUID for path in out.iterdir()}
    assert received == {stored.header.sop_uid for stored in center.archive.instances}
    event = center.archive.events[-1]
    assert (event.kind, event.detail["instances"], event.detail["failed"]) == ("instances.retrieved", 5, 0)


@pytest.mark.parametrize(
    "wanted, expected",
    [
        (identifier("PATIENT", PatientID="P1"), 5),
        (identifier("STUDY", StudyInstanceUID=["1.2.3.1", "1.2.9.9"]), 5),
        (identifier("SERIES", StudyInstanceUID="1.2.3.1", SeriesInstanceUID=["1.2.3.1.1", "1.2.3.1.3"]), 3),
        (identifier("SERIES", SeriesInstanceUID="1.2.3.1.2"), 2),
        (identifier("STUDY", StudyInstanceUID="9.9"), 0),
    ],
)
def test_every_level_moves_what_it_names(center: Center, wanted: Dataset, expected: int) -> None:
    fill(center.archive)
    with receiver(center.archive, [EXPLICIT, IMPLICIT, RLELossless]) as got:
        answers = move(center, wanted, PatientRootQueryRetrieveInformationModelMove)
    assert [status.Status for status, _ in answers] == [0xFF00] * max(expected - 1, 0) + [0]
    assert counts(answers[-1][0]) == (expected, 0, 0)
    by_uid = {stored.header.sop_uid: stored for stored in center.archive.instances}
    for event in got:
        stored = by_uid[event.request.AffectedSOPInstanceUID]
        assert event.context.transfer_syntax == stored.header.transfer_syntax
        assert event.request.DataSet.getvalue() == center.archive.data_set(stored)
        assert event.request.MoveOriginatorApplicationEntityTitle == "ASKER"
        assert event.request.MoveOriginatorMessageID == 77
    assert len(got) == expected


def test_one_instance(center: Center) -> None:
    datasets = fill(center.archive)
    wanted = identifier(
        "IMAGE", StudyInstanceUID="1.2.3.1", SeriesInstanceUID="1.2.3.1.1", SOPInstanceUID=datasets[1].SOPInstanceUID
    )
    with receiver(center.archive, [EXPLICIT]) as got:
        answers = move(center, wanted)
    assert [status.Status for status, _ in answers] == [0]
    assert [event.request.AffectedSOPInstanceUID for event in got] == [datasets[1].SOPInstanceUID]


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_what_the_destination_cannot_take_is_transcoded(center: Center, syntax: str) -> None:
    datasets = fill(center.archive)
    with receiver(center.archive, [syntax]) as got:
        answers = move(center, identifier())
    assert counts(answers[-1][0]) == (5, 0, 0)
    assert {event.context.transfer_syntax for event in got} == {syntax}
    received = got[-1].dataset
    received.file_meta = got[-1].file_meta
    assert (received.pixel_array == datasets[-1].pixel_array).all()


def test_what_the_destination_refuses_is_counted_and_named(center: Center) -> None:
    datasets = fill(center.archive)
    other = make(SOPClassUID=MRImageStorage, SeriesInstanceUID="1.2.3.1.4")
    keep(center.archive, other)
    with receiver(center.archive, [EXPLICIT]) as got:
        answers = move(center, identifier())
    final, failed = answers[-1]
    assert (final.Status, counts(final)) == (0xB000, (5, 1, 0))
    assert failed.FailedSOPInstanceUIDList == other.SOPInstanceUID
    assert len(got) == len(datasets)


@pytest.mark.parametrize("status, final, expected", [(0xA700, 0xA702, (0, 5, 0)), (0xB000, 0xB000, (0, 0, 5))])
def test_what_the_destination_answers_is_counted(center: Center, status: int, final: int, expected: tuple[int, int, int]) -> None:
    fill(center.archive)
    with receiver(center.archive, [EXPLICIT], status):
        answers = move(center, identifier())
    assert (answers[-1][0].Status, counts(answers[-1][0])) == (final, expected)


def test_an_unknown_destination_and_one_that_is_away(center: Center) -> None:
    fill(center.archive)
    [(status, _)] = move(center, identifier(), destination="NOWHERE")
    assert status.Status == 0xA801
    assert center.archive.events[-1].outcome == "failure"
    center.archive.destinations["READER"] = Destination("READER", "127.0.0.1", free_port())
    answers = move(center, identifier())
    assert (answers[-1][0].Status, counts(answers[-1][0])) == (0xA702, (0, 5, 0))
    assert len(answers[-1][1].FailedSOPInstanceUIDList) == 5


@pytest.mark.parametrize(
    "wanted",
    [
        identifier("STUDY", PatientID="P1"),
        identifier("PATIENT", StudyInstanceUID="1.2.3.1"),
        identifier("PATIENT", PatientID="P*"),
        identifier("SERIES", StudyInstanceUID="1.2.3.1"),
    ],
)
def test_identifiers_that_name_nothing_are_refused(center: Center, wanted: Dataset) -> None:
    fill(center.archive)
    with receiver(center.archive, [EXPLICIT]) as got:
        [(status, _)] = move(center, wanted, PatientRootQueryRetrieveInformationModelMove)
    assert status.Status == 0xA900
    assert got == []


def get(center: Center, contexts: list[tuple[str, list[str]]], model: Any = GET) -> tuple[list[tuple[Dataset, Any]], list[Any]]:
    got: list[Any] = []

    def store(event: Any) -> int:
        got.append(event)
        return 0

    ae = AE("ASKER")
    ae.add_requested_context(model)
    for sop_class, syntaxes in contexts:
        ae.add_requested_context(sop_class, syntaxes)
    roles = [build_role(sop_class, scp_role=True) for sop_class, _ in contexts]
    association = ae.associate(
        "127.0.0.1", center.port, ae_title="PANORAD", ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, store)]
    )
    assert association.is_established
    answers = list(association.send_c_get(identifier(), model))
    association.release()
    return answers, got


def test_get_with_roles_sends_as_stored_where_it_can(center: Center) -> None:
    fill(center.archive)
    answers, got = get(center, [(CTImageStorage, [JPEG2000Lossless, EXPLICIT])])
    assert counts(answers[-1][0]) == (5, 0, 0)
    assert {event.context.transfer_syntax for event in got} == {EXPLICIT}
    for event in got[:4]:
        stored = next(one for one in center.archive.instances if one.header.sop_uid == event.request.AffectedSOPInstanceUID)
        assert event.request.DataSet.getvalue() == center.archive.data_set(stored)


def test_get_without_a_context_for_the_class(center: Center) -> None:
    fill(center.archive)
    answers, got = get(center, [(MRImageStorage, [EXPLICIT])])
    assert (answers[-1][0].Status, counts(answers[-1][0]), got) == (0xA702, (0, 5, 0), [])


def test_patient_root_get(center: Center) -> None:
    fill(center.archive)
    answers, _ = get(center, [(CTImageStorage, [EXPLICIT])], PatientRootQueryRetrieveInformationModelGet)
    assert answers[-1][0].Status == 0


def test_cancel_stops_the_sub_operations(center: Center) -> None:
    fill(center.archive)
    wanted = b"\x08\x00\x52\x00\x06\x00\x00\x00STUDY " + b"\x20\x00\x0d\x00\x08\x00\x00\x001.2.3.1\0"
    with receiver(center.archive, [EXPLICIT]) as got, Peer(center.port) as peer:
        peer.associate(request([(MOVE, [IMPLICIT])]))
        order = command(e0002=MOVE, e0100=0x21, e0110=9, e0600="READER", e0700=0, e0800=0)
        cancel = command(e0100=0x0FFF, e0120=9, e0800=0x0101)
        peer.send(pdata(pdv(1, 3, order), pdv(1, 2, wanted), pdv(1, 3, cancel)))
        while (answer := peer.response())[0x0900] == b"\x00\xff":
            pass
        assert answer[0x0900] == b"\x00\xfe"
        assert int.from_bytes(answer[0x1020], "little") == 5
        peer.release()
    assert got == []


def test_a_study_of_more_classes_than_one_association_has_contexts(center: Center) -> None:
    classes = tuple(f"1.3.12.2.1107.5.9.{number}" for number in range(70))
    for sop_class in classes:
        keep(center.archive, make(SOPClassUID=sop_class))
    with receiver(center.archive, [EXPLICIT], classes=classes) as got:
        answers = move(center, identifier())
    assert counts(answers[-1][0])[2] == 0
    assert sum(counts(answers[-1][0])) == 70
    assert len({id(event.assoc) for event in got}) <= 2
