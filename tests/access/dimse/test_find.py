"""C-FIND: what is asked reaches the archive as one query, what it answers comes back page by page in the right form."""

import re
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.sop_class import PatientRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelFind

from panorad.kit.errors import DatabaseDown
from panorad.model.query import Level, Match

from .archive import keep, make
from .conftest import Center
from .raw import EXPLICIT, IMPLICIT, Peer, command, pdata, pdv, request

Dcmtk = Callable[..., "subprocess.CompletedProcess[str]"]
STUDY_ROOT = StudyRootQueryRetrieveInformationModelFind


def ask(center: Center, identifier: Dataset, model: Any = STUDY_ROOT, syntax: str = IMPLICIT, **negotiation: Any) -> list[Any]:
    """Every (status, identifier) that a pynetdicom peer gets."""
    ae = AE("READER")
    ae.add_requested_context(model, syntax)
    association = ae.associate("127.0.0.1", center.port, ae_title="PANORAD", **negotiation)
    assert association.is_established
    answers = [(status.Status, status.get("ErrorComment"), rows) for status, rows in association.send_c_find(identifier, model)]
    association.release()
    return answers


def keys(**values: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.fixture
def filled(center: Center) -> Center:
    for number in range(3):
        keep(
            center.archive,
            make(
                StudyInstanceUID=f"1.2.{number}",
                SeriesInstanceUID=f"1.2.{number}.1",
                PatientID=f"P{number}",
                PatientName=f"N{number}^X",
            ),
        )
    return center


@pytest.mark.peers
@pytest.mark.parametrize("root", ["-S", "-P"])
def test_findscu(filled: Center, dcmtk: Dcmtk, root: str) -> None:
    done = dcmtk(
        *("findscu", root, "-aec", "PANORAD", "127.0.0.1", filled.port, "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=P1"),
        *("-k", "StudyInstanceUID", "-k", "StudyDescription", "-k", "PatientName"),
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert re.findall(r"\(0020,000d\) UI \[(.*?)\0?\s*\]", text) == ["1.2.1"]
    assert re.search(r"\(0008,1030\) LO \(no value available\)", text)
    for expected in (r"\(0008,0052\) CS \[STUDY ?\]", r"\(0008,0054\) AE \[PANORAD ?\]", r"\(0008,0056\) CS \[ONLINE\]"):
        assert re.search(expected, text), text


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_keys_become_one_query(filled: Center, syntax: str) -> None:
    item = keys(CodeValue="T-1", CodeMeaning="")
    answers = ask(
        filled,
        keys(
            QueryRetrieveLevel="SERIES",
            StudyInstanceUID=["1.2.0", "1.2.1"],
            SeriesInstanceUID="",
            StudyDate="20240101-",
            ProcedureCodeSequence=[item],
            Modality="CT",
        ),
        syntax=syntax,
    )
    assert answers == [(0x0000, None, None)]  # nothing here has that code
    query = filled.archive.queries[0]
    assert query.level is Level.SERIES
    assert set(query.matches) == {
        Match(("0020000D",), ("1.2.0", "1.2.1")),
        Match(("00080020",), ("20240101-",)),
        Match(("00081032", "00080100"), ("T-1",)),
        Match(("00080060",), ("CT",)),
    }
    assert query.include == {"0020000D", "0020000E", "00080020", "00081032", "00080060"}
    assert not query.fuzzy


def test_patient_level_and_only_what_was_asked(filled: Center) -> None:
    answers = ask(
        filled, keys(QueryRetrieveLevel="PATIENT", PatientName="N*", PatientID=""), PatientRootQueryRetrieveInformationModelFind
    )
    assert [status for status, *_ in answers] == [0xFF00] * 3 + [0]
    assert {str(rows.PatientName) for *_, rows in answers[:-1]} == {"N0^X", "N1^X", "N2^X"}
    assert {element.keyword for element in answers[0][2]} == {
        "QueryRetrieveLevel",
        "RetrieveAETitle",
        "InstanceAvailability",
        "PatientName",
        "PatientID",
    }
    event = filled.archive.events[-1]
    assert (event.kind, event.detail["matches"], event.detail["level"], event.detail["keys"]) == (
        "query",
        3,
        "PATIENT",
        ["00100010"],
    )
    assert "N*" not in str(event)


@pytest.mark.parametrize("asked, told", [("GB18030", "GB18030"), ("ISO_IR 100", "ISO_IR 192"), (None, "ISO_IR 192")])
def test_chinese_names_in_the_character_set_of_the_requestor(center: Center, asked: str | None, told: str) -> None:
    keep(center.archive, make(SpecificCharacterSet="ISO_IR 192", PatientName="Zhang^San=张^三"))
    identifier = keys(QueryRetrieveLevel="STUDY", PatientName="张^三", StudyInstanceUID="")
    identifier.SpecificCharacterSet = asked or "ISO_IR 192"
    if asked == "ISO_IR 100":
        identifier.PatientName = "Zhang*"
    if asked is None:
        del identifier.SpecificCharacterSet
        identifier.PatientName = "Zhang*"
    answers = ask(center, identifier)
    assert [status for status, *_ in answers] == [0xFF00, 0]
    answers[0][2].decode()
    assert str(answers[0][2].PatientName) == "Zhang^San=张^三"
    assert answers[0][2].SpecificCharacterSet == told


@pytest.mark.parametrize(
    "identifier, model",
    [
        (keys(PatientID="P1"), STUDY_ROOT),
        (keys(QueryRetrieveLevel="PATIENT", PatientID="P1"), STUDY_ROOT),
        (keys(QueryRetrieveLevel="FRAME", PatientID="P1"), PatientRootQueryRetrieveInformationModelFind),
    ],
)
def test_a_level_that_is_none_is_refused(center: Center, identifier: Dataset, model: Any) -> None:
    [(status, comment, rows)] = ask(center, identifier, model)
    assert (status, rows) == (0xA900, None)
    assert "Level" in comment


def test_fuzzy_matching_is_negotiated(filled: Center) -> None:
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = STUDY_ROOT, b"\1\1\1"
    ask(filled, keys(QueryRetrieveLevel="STUDY", PatientName="n1"), ext_neg=[item])
    assert filled.archive.queries[0].fuzzy


def test_answers_come_in_pages_and_end_at_the_limit(start: Callable[..., Center]) -> None:
    center = start(page=4, matches=10)
    for number in range(12):
        keep(center.archive, make(StudyInstanceUID=f"1.2.{number}"))
    answers = ask(center, keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=""))
    assert [status for status, *_ in answers] == [0xFF00] * 10 + [0xA700]
    assert "10 matches" in answers[-1][1]
    assert [(query.offset, query.limit) for query in center.archive.queries] == [(0, 4), (4, 4), (8, 4)]
    center.archive.rows.pop()
    center.archive.rows.pop()
    answers = ask(center, keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=""))
    assert [status for status, *_ in answers] == [0xFF00] * 10 + [0]


def test_a_failing_index_is_told(center: Center) -> None:
    center.archive.failing["find"] = DatabaseDown()
    [(status, comment, _)] = ask(center, keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=""))
    assert status == 0xA702
    assert "database" in comment


def test_cancel_ends_the_answers(start: Callable[..., Center]) -> None:
    center = start(page=1)
    for number in range(3):
        keep(center.archive, make(StudyInstanceUID=f"1.2.{number}"))
    go = threading.Event()
    find = center.archive.find

    def slow(tx: Any, query: Any, told: Any = None) -> Any:
        if query.offset == 1:
            go.wait(10)
        return find(tx, query, told)

    center.archive.find = slow  # type: ignore[method-assign]
    object.__setattr__(center.server._services, "find", slow)
    identifier = b"\x08\x00\x52\x00\x06\x00\x00\x00STUDY " + b"\x20\x00\x0d\x00\x00\x00\x00\x00"
    with Peer(center.port) as peer:
        peer.associate(request([(STUDY_ROOT, [IMPLICIT]), ("1.2.840.10008.1.1", [IMPLICIT])]))
        peer.send(pdata(pdv(1, 3, command(e0002=STUDY_ROOT, e0100=0x20, e0110=9, e0700=0, e0800=0)), pdv(1, 2, identifier)))
        assert peer.status() == 0xFF00
        peer.pdu()  # its identifier
        peer.send(pdata(pdv(1, 3, command(e0100=0x0FFF, e0120=9, e0800=0x0101))))
        peer.send(b"")
        go.set()
        statuses = []
        while (status := peer.status()) == 0xFF00:
            statuses.append(status)
            peer.pdu()
        assert status == 0xFE00
        assert len(statuses) <= 1
        assert peer.echo() == 0
        peer.release()
