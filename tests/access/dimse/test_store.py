"""C-ECHO and C-STORE: DCMTK, pynetdicom and a plain socket send; the archive holds exactly what was sent."""

import errno
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pynetdicom import AE, build_role
from pynetdicom.sop_class import CTImageStorage, Verification

from panorad.kit.errors import DatabaseDown, StorageFull, StorageLost

from .archive import make, save
from .conftest import Center
from .raw import CT, EXPLICIT, IMPLICIT, VERIFICATION, Peer, command, pdata, pdv, request, store_command, window

Dcmtk = Callable[..., "subprocess.CompletedProcess[str]"]


def body(dataset: pydicom.Dataset) -> bytes:
    whole = BytesIO()
    dataset.save_as(whole, enforce_file_format=True)
    raw = whole.getvalue()
    return raw[144 + int.from_bytes(raw[140:144], "little") :]


@pytest.mark.peers
def test_echoscu(center: Center, dcmtk: Dcmtk) -> None:
    assert dcmtk("echoscu", "-aec", "PANORAD", "127.0.0.1", center.port).returncode == 0


@pytest.mark.peers
def test_storescu_keeps_every_byte(center: Center, dcmtk: Dcmtk, tmp_path: Path) -> None:
    sent = [make(InstanceNumber=number) for number in range(20)]
    paths = [save(dataset, tmp_path / f"{number}.dcm") for number, dataset in enumerate(sent)]
    done = dcmtk("storescu", "-aet", "CT1", "-aec", "PANORAD", "127.0.0.1", center.port, *paths)
    assert done.returncode == 0, done.stderr
    archive = center.archive
    assert [archive.data_set(stored) for stored in archive.instances] == [body(dataset) for dataset in sent]
    assert [stored.header.transfer_syntax for stored in archive.instances] == [EXPLICIT] * 20
    assert archive.sources == ["dimse CT1@127.0.0.1"]
    assert archive.flushed == 1  # before A-RELEASE-RP, which storescu has awaited
    center.wait(lambda: archive.closed == 1)


@pytest.mark.peers
@pytest.mark.parametrize("size", [4096, 131072])
def test_any_pdu_length(center: Center, dcmtk: Dcmtk, tmp_path: Path, size: int) -> None:
    dataset = make(Rows=400, Columns=400, PixelData=bytes(range(256)) * 1250)
    path = save(dataset, tmp_path / "large.dcm")
    done = dcmtk("storescu", "--max-send-pdu", size, "-aec", "PANORAD", "127.0.0.1", center.port, path)
    assert done.returncode == 0, done.stderr
    assert center.archive.data_set(center.archive.instances[0]) == body(dataset)


@pytest.mark.peers
def test_storescu_proposes_a_private_sop_class(center: Center) -> None:
    private = "1.3.12.2.1107.5.9.1"
    dataset = make(SOPClassUID=private)
    ae = AE("SCANNER")
    ae.add_requested_context(private, ["1.2.840.10008.1.2.4.90", IMPLICIT])
    association = ae.associate("127.0.0.1", center.port, ae_title="PANORAD")
    assert [context.transfer_syntax for context in association.accepted_contexts] == [["1.2.840.10008.1.2.4.90"]]
    association.release()
    ae = AE("SCANNER")
    ae.add_requested_context(private, EXPLICIT)
    association = ae.associate("127.0.0.1", center.port, ae_title="PANORAD")
    assert association.send_c_store(dataset).Status == 0
    association.release()
    assert center.archive.instances[0].header.sop_class == private


def test_pynetdicom_with_roles_identity_and_several_contexts(center: Center) -> None:
    ae = AE("SCANNER")
    ae.add_requested_context(CTImageStorage, EXPLICIT)
    ae.add_requested_context(CTImageStorage, IMPLICIT)
    ae.add_requested_context(Verification)
    ae.add_requested_context("1.2.840.10008.5.1.4.31")  # a worklist, which is not offered here
    association = ae.associate(
        "127.0.0.1", center.port, ae_title="PANORAD", ext_neg=[build_role(CTImageStorage, scu_role=True, scp_role=True)]
    )
    assert association.is_established
    assert [context.abstract_syntax for context in association.rejected_contexts] == ["1.2.840.10008.5.1.4.31"]
    assert association.rejected_contexts[0].result == 3
    assert association.send_c_echo().Status == 0
    assert association.send_c_store(make()).Status == 0
    association.release()
    assert len(center.archive.instances) == 1


def test_fragments_of_any_cut(center: Center) -> None:
    """Commands and data in many presentation data values, several in one PDU, one PDU in many segments, empty ones too."""
    dataset = make(SOPInstanceUID="1.2.9")
    data, order = body(dataset), store_command("1.2.9")
    with Peer(center.port) as peer:
        peer.associate()
        peer.send(pdata(pdv(1, 1, order[:10]), pdv(1, 1, order[10:11])) + pdata(pdv(1, 3, order[11:])))
        peer.send(pdata(pdv(1, 0, data[:100]), pdv(1, 0, b""), pdv(1, 0, data[100:300])))
        for byte in pdata(pdv(1, 0, data[300:320])):
            peer.send(bytes((byte,)))
        peer.send(pdata(pdv(1, 0, data[320:])) + pdata(pdv(1, 2, b"")))
        assert peer.status() == 0
        # a command and its whole data set in one PDU, and an echo right behind it
        second = body(make(SOPInstanceUID="1.2.10"))
        peer.send(pdata(pdv(1, 3, store_command("1.2.10", 2)), pdv(1, 2, second)))
        assert peer.status() == 0
        assert peer.echo() == 0
        peer.release()
    assert [center.archive.data_set(stored) for stored in center.archive.instances] == [data, second]


def test_the_first_transfer_syntax_of_the_requestor_is_taken_and_the_window_is_one(center: Center) -> None:
    with Peer(center.port) as peer:
        accept = peer.associate(
            request([(CT, ["1.2.840.10008.1.2.4.201", EXPLICIT]), ("1.9.9", [IMPLICIT])], items=[window(8, 8)])
        )
        taken = [(context.result, context.transfer_syntax) for context in accept.presentation_context]
        assert taken == [(0, "1.2.840.10008.1.2.4.201"), (0, IMPLICIT)]
        assert accept.user_information.maximum_length == 131072
        assert accept.user_information.async_ops_window.maximum_number_operations_invoked == 1
        peer.release()


@pytest.mark.parametrize("where", ["begin", "write", "finish"])
@pytest.mark.parametrize(
    "error, status",
    [
        (StorageFull(), 0xA700),
        (StorageLost(), 0xA701),
        (DatabaseDown(), 0xA702),
        (OSError(errno.ENOSPC, "full"), 0xA700),
        (OSError(errno.EIO, "gone"), 0xA701),
        (RuntimeError("a fault of ours"), 0x0110),
    ],
)
def test_a_failure_is_answered_and_the_next_instance_has_its_chance(
    center: Center, where: str, error: Exception, status: int
) -> None:
    center.archive.failing[where] = error
    with Peer(center.port) as peer:
        peer.associate()
        data = body(make(SOPInstanceUID="1.2.9"))
        peer.send(pdata(pdv(1, 3, store_command("1.2.9"))) + pdata(pdv(1, 0, data[:200])) + pdata(pdv(1, 2, data[200:])))
        answer = peer.response()
        assert int.from_bytes(answer[0x0900], "little") == status
        assert b"a fault of ours" not in answer.get(0x0902, b"")
        center.archive.failing.clear()
        peer.send(pdata(pdv(1, 3, store_command("1.2.9")), pdv(1, 2, data)))
        assert peer.status() == 0
        peer.release()
    assert len(center.archive.instances) == 1


@pytest.mark.parametrize(
    "data, sop_uid, status, comment",
    [(b"\x01\x02", "1.2.9", 0xC000, b"unreadable"), (None, "1.2.10", 0xA900, b"differs")],
)
def test_what_cannot_be_stored_is_told_why(center: Center, data: bytes | None, sop_uid: str, status: int, comment: bytes) -> None:
    with Peer(center.port) as peer:
        peer.associate()
        peer.send(pdata(pdv(1, 3, store_command(sop_uid)), pdv(1, 2, data or body(make(SOPInstanceUID="1.2.9")))))
        answer = peer.response()
        assert int.from_bytes(answer[0x0900], "little") == status
        assert comment in answer[0x0902]
        assert answer[0x1000].rstrip(b"\0").decode() == sop_uid
        peer.release()


def test_a_lost_sender_leaves_nothing_half(center: Center) -> None:
    with Peer(center.port) as peer:
        peer.associate()
        whole = body(make(SOPInstanceUID="1.2.9"))
        peer.send(pdata(pdv(1, 3, store_command("1.2.9")), pdv(1, 2, whole)))
        assert peer.status() == 0
        peer.send(pdata(pdv(1, 3, store_command("1.2.10"))) + pdata(pdv(1, 0, whole[:100])))
    center.wait(lambda: center.archive.closed == 1)
    assert center.archive.aborted == 1
    assert [stored.header.sop_uid for stored in center.archive.instances] == ["1.2.9"]


def test_unknown_operations_and_late_cancels(center: Center) -> None:
    with Peer(center.port) as peer:
        peer.associate()
        peer.send(pdata(pdv(1, 3, command(e0002=CT, e0100=0x0140, e0110=3, e0800=0)), pdv(1, 2, b"1234")))  # N-CREATE-RQ
        assert peer.status() == 0x0211
        peer.send(pdata(pdv(1, 3, command(e0100=0x0FFF, e0120=3, e0800=0x0101))))
        peer.send(pdata(pdv(3, 3, command(e0002=VERIFICATION, e0100=1, e0110=4, e0800=0, e1000="1.2")), pdv(3, 2, b"1234")))
        assert peer.status() == 0x0122
        peer.send(pdata(pdv(1, 3, command(e0002=CT, e0100=1, e0110=5, e0800=0x0101, e1000="1.2"))))
        assert peer.status() == 0xC000
        assert peer.echo() == 0
        peer.release()


@pytest.mark.peers
@pytest.mark.parametrize(
    "arguments, reason",
    [
        (("-aec", "NOBODY"), "Called AE Title Not Recognized"),
        (("-aec", "PANORAD", "-aet", "STRANGER"), "Calling AE Title Not Recognized"),
    ],
)
def test_who_is_not_known_is_rejected_and_recorded(center: Center, dcmtk: Dcmtk, arguments: tuple[str, ...], reason: str) -> None:
    done = dcmtk("echoscu", *arguments, "127.0.0.1", center.port)
    assert done.returncode != 0
    assert reason in done.stderr + done.stdout
    center.wait(lambda: bool(center.archive.events))
    event: Any = center.archive.events[0]
    assert (event.kind, event.outcome, event.objects["peer"]) == ("association.refused", "refused", "127.0.0.1")


@pytest.mark.parametrize(
    "edit, expected",
    [
        (lambda raw: raw[:7] + b"\2" + raw[8:], (1, 2, 2)),
        (lambda raw: raw.replace(b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.3.1.1.2"), (1, 1, 2)),
    ],
)
def test_another_protocol_version_or_application_context_is_rejected(
    center: Center, edit: Callable[[bytes], bytes], expected: tuple[int, int, int]
) -> None:
    with Peer(center.port) as peer:
        peer.send(edit(request()))
        kind, answer = peer.pdu()
        assert (kind, tuple(answer[1:])) == (3, expected)


def test_a_database_that_is_away_is_congestion(center: Center) -> None:
    center.archive.failing["admit"] = DatabaseDown()
    with Peer(center.port) as peer:
        peer.send(request())
        kind, answer = peer.pdu()
        assert (kind, tuple(answer[1:])) == (3, (2, 3, 1))
