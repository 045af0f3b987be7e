"""The whole center, in front of its web server: no event, no answer; the audit pages; FHIR AuditEvent; who has looked."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from lxml import etree
from starlette.testclient import TestClient

from panorad.access import gate
from panorad.access.web.session import COOKIE
from panorad.app.web import build
from panorad.data import process
from panorad.data.process.audit import MEANINGS
from panorad.management import sharing
from panorad.management.sharing import Grantee, Scope
from panorad.model.actor import SYSTEM
from panorad.model.event import Event
from panorad.testing import Databases, Site
from panorad.testing import center as whole_center
from tests.data.imaging.arrivals import instance

STUDY = "2.25.1"
PASSWORD = "a password of the tests"
PIXELS = {
    "Rows": 2, "Columns": 2, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "SamplesPerPixel": 1, "PixelRepresentation": 0,
    "PhotometricInterpretation": "MONOCHROME2", "PixelData": bytes(4),
}  # fmt: skip


@pytest.fixture
def site(databases: Databases, tmp_path: Any) -> Iterator[Site]:
    with whole_center(databases, tmp_path / "home", open=True) as made:
        made.put([instance(1, 1, 1, PatientName="Zhang^San", PatientID="P-1", **PIXELS), instance(2, 2, 2, PatientID="P-2")])
        yield made


@pytest.fixture
def closed(databases: Databases, tmp_path: Any) -> Iterator[Site]:
    with whole_center(databases, tmp_path / "home") as made:
        made.institution("COUNTY")
        yield made


@pytest.fixture
def client(site: Site) -> TestClient:
    return TestClient(build(site.center), base_url="http://127.0.0.1", client=("10.0.0.7", 5))


@contextmanager
def unwritable(site: Site) -> Iterator[None]:
    """Nothing can be added to the event log."""
    with site.center.owner() as owner, owner(SYSTEM) as tx:
        tx.connection.execute("revoke insert on event from panorad_app")
    try:
        yield
    finally:
        with site.center.owner() as owner, owner(SYSTEM) as tx:
            tx.connection.execute("grant insert on event to panorad_app")


def uids(site: Site) -> tuple[str, str, str]:
    with site.center.begin(SYSTEM) as tx:
        header = site.center.archive.stored(tx, STUDY)[0].header
    return header.study_uid, header.series_uid, header.sop_uid


def reading(site: Site) -> list[str]:
    """Every address that gives something of a patient."""
    study, series, sop = uids(site)
    web = f"/dicom-web/studies/{study}"
    one = f"{web}/series/{series}/instances/{sop}"
    return [
        "/", "/studies.json", f"/studies/{study}", f"/studies/{study}.json", f"/studies/{study}/preview",
        f"/studies/{study}/series/{series}/instances/{sop}", "/dicom-web/studies", "/dicom-web/series", "/dicom-web/instances",
        "/dicom-web/patients", f"{web}/series", f"{web}/instances", web, f"{web}/series/{series}", one, f"{web}/metadata",
        f"{web}/series/{series}/metadata", f"{one}/metadata", f"{one}/frames/1", f"{one}/rendered", f"{web}/rendered",
        f"{web}/thumbnail", f"{one}/thumbnail", f"{one}/bulkdata/7FE00010",
        f"/wado?requestType=WADO&studyUID={study}&seriesUID={series}&objectUID={sop}&contentType=application/dicom",
        "/audit", f"/audit/looked?study={study}", "/audit/export", "/fhir/AuditEvent",
    ]  # fmt: skip


def test_what_cannot_be_recorded_is_not_answered(site: Site, client: TestClient) -> None:
    with unwritable(site):
        answers = {path: client.get(path) for path in reading(site)}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 503)
    assert not any(b"Zhang" in answer.content or b"P-1" in answer.content for answer in answers.values())


def test_the_same_addresses_answer_once_it_can_be_recorded_and_each_has_left_its_event(site: Site, client: TestClient) -> None:
    for path in reading(site):
        before = len(site.events())
        accept = {"accept": "*/*"}
        status = client.get(path, headers=accept).status_code
        assert status == 200, path
        site.center.recorder.flush()
        deadline = time.monotonic() + 10  # the center's own thread may be writing the count at this moment
        while len(site.events()) == before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(site.events()) > before, path
    [first, *_] = site.events(kind="study.opened")
    assert (first.source, first.objects["study"]) == ("10.0.0.7", STUDY)


def test_frames_that_follow_within_the_window_are_answered_and_counted(site: Site, client: TestClient) -> None:
    path = next(path for path in reading(site) if path.endswith("/frames/1"))
    assert client.get(path).status_code == 200
    with unwritable(site):
        assert client.get(path).status_code == 200
        site.center.recorder.flush()
    site.center.recorder.flush()
    told = site.events(kind="instances.retrieved")
    assert [event.detail["frames"] for event in told] == [1, 1]


def test_the_page_filters_pages_by_number_and_exports(site: Site, client: TestClient) -> None:
    for number in range(120):
        with site.center.begin(SYSTEM) as tx:
            tx.emit(Event("instances.exported", {"study": STUDY}, {"n": number, "to": "=cmd()"}))
    first = client.get("/audit.json?kind=instances.exported").json()
    assert [row["detail"]["n"] for row in first["rows"]] == list(range(119, 69, -1))
    second = client.get(f"/audit.json?kind=instances.exported&before={first['older']}").json()
    assert [row["detail"]["n"] for row in second["rows"]] == list(range(69, 19, -1))
    assert client.get("/audit.json?outcome=refused").json()["rows"] == []
    assert len(client.get(f"/audit.json?study={STUDY}").json()["rows"]) == 50
    assert client.get("/audit.json?until=2001-01-01").json()["rows"] == []
    assert client.get("/audit?since=yesterday").status_code == 400
    by_patient = client.get("/audit.json?patient=P-1").json()["rows"]
    assert {row["objects"].get("study", STUDY) for row in by_patient} == {STUDY}
    assert by_patient[0]["patients"] == [["P-1", "CENTER"]] or by_patient[0]["kind"] == "audit.read"
    page = client.get(f"/audit?study={STUDY}").text
    assert "Images were exported to files" in page
    assert "Zhang" not in page
    rows = list(csv.DictReader(io.StringIO(client.get("/audit/export?kind=instances.exported").text)))
    assert len(rows) == 120
    document = etree.fromstring(client.get("/audit/export?format=dicom&kind=instances.exported").content)
    assert len(document.findall("AuditMessage")) == 120
    lines = client.get("/audit/export?format=fhir&kind=instances.exported").text.splitlines()
    assert all(AuditEvent.model_validate_json(line) for line in lines)
    assert client.get("/audit/export?format=doc").status_code == 400


def test_searches_and_retrievals_are_found_by_patient(site: Site, client: TestClient) -> None:
    client.get("/dicom-web/studies?PatientID=P-1")
    client.get("/dicom-web/studies?PatientID=P-2")
    client.get(f"/dicom-web/studies/{STUDY}/metadata")
    found = client.get("/audit.json?patient=P-1").json()["rows"]
    kinds = [row["kind"] for row in found]
    assert kinds.count("query") == 1
    assert "instances.retrieved" in kinds
    assert all("P-2" not in json.dumps(row) for row in found)


def test_who_has_looked_across_institutions_for_the_one_that_holds_the_study(site: Site) -> None:
    county, town = site.institution("COUNTY"), site.institution("TOWN")
    for _ in range(3):
        with site.center.begin(town) as tx:
            tx.emit(Event("instances.retrieved", {"study": STUDY}, {"instances": 1}))
    holder = site.reader("CENTER")
    with site.center.begin(holder) as tx:
        [looker] = process.looked(tx, [STUDY])
    assert (looker.actor, looker.institution, looker.times, looker.purposes) == ("reader-town", "TOWN", 3, ("treatment",))
    assert looker.first < looker.last
    for other in (county, town):
        with site.center.begin(other) as tx:
            assert process.looked(tx, [STUDY]) == []
            assert process.studies_of(tx, "P-1") == []


def test_fhir_searches_page_and_every_resource_is_one(site: Site, client: TestClient) -> None:
    for path in reading(site):
        client.get(path)
    site.center.recorder.flush()
    seen: list[str] = []
    url = "/fhir/AuditEvent?_count=7&date=ge2020-01-01"
    while url:
        answer = client.get(url)
        assert answer.headers["content-type"].startswith("application/fhir+json")
        bundle = Bundle.model_validate_json(answer.content)
        seen += [entry.resource.id for entry in bundle.entry or []]
        assert all(isinstance(entry.resource, AuditEvent) for entry in bundle.entry or [])
        url = next((link.url for link in bundle.link if link.relation == "next"), "")
    assert seen == sorted(seen, key=int, reverse=True)
    expected = {str(event.id) for event in site.events() if event.kind in MEANINGS}
    assert set(seen) <= expected
    assert len(expected - set(seen)) <= len(seen) // 7 + 1  # the reading of the log itself
    one = client.get(f"/fhir/AuditEvent/{seen[-1]}").json()
    assert one["id"] == seen[-1]


@pytest.mark.parametrize(
    "query, kinds",
    [
        ("type=110112", {"query"}),
        ("type=http://dicom.nema.org/resources/ontology/DCM|110103", {"study.opened"}),
        ("patient=P-1", {"instances.received", "query", "study.opened"}),
        (f"entity=urn:oid:{STUDY}&type=110103", {"study.opened"}),
        ("agent=nobody", set()),
        ("outcome=8", set()),
        ("date=lt2020", set()),
        ("date=gt2020&date=le2999-12&type=110112", {"query"}),
    ],
)
def test_fhir_search_parameters(site: Site, client: TestClient, query: str, kinds: set[str]) -> None:
    client.get("/dicom-web/studies?PatientID=P-1")
    client.get(f"/studies/{STUDY}")
    bundle = client.get(f"/fhir/AuditEvent?{query}").json()
    assert {entry["resource"]["subtype"][-1]["code"] for entry in bundle.get("entry", [])} == kinds


@pytest.mark.parametrize("query", ["date=soon", "date=2026-13", "_count=many", "colour=red", "outcome=9"])
def test_fhir_refuses_what_it_cannot_read(client: TestClient, query: str) -> None:
    answer = client.get(f"/fhir/AuditEvent?{query}")
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")


def test_fhir_says_what_is_not_there_and_what_is(client: TestClient) -> None:
    for number in ("0", "x", "9" * 30):
        answer = client.get(f"/fhir/AuditEvent/{number}")
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (404, "not-found")
    statement = CapabilityStatement.model_validate_json(client.get("/fhir/metadata").content)
    assert [one.type for one in statement.rest[0].resource] == ["AuditEvent"]


def test_nobody_reads_without_a_session(databases: Databases, tmp_path: Any) -> None:
    with whole_center(databases, tmp_path / "home") as closed:
        visitor = TestClient(build(closed.center), base_url="http://127.0.0.1")
        assert visitor.get("/fhir/AuditEvent").status_code == 401
        assert visitor.get("/fhir/AuditEvent").json()["issue"][0]["code"] == "login"
        for path in ("/audit.json", "/audit/export", "/audit/looked.json?study=1"):
            assert visitor.get(path, headers={"accept": "application/json"}).status_code == 401


def signed_in(site: Site, login: str, role: str, institution: str) -> TestClient:
    """Somebody with one role, in front of the center."""
    with site.center.begin(SYSTEM) as tx:
        gate.add_account(tx, login, login, PASSWORD, institution, [role])
        token = gate.sign_in(tx, login, PASSWORD)[1]
    return TestClient(
        build(site.center), base_url="http://127.0.0.1", cookies={COOKIE: token}, headers={"accept": "application/json"}
    )


@pytest.mark.parametrize(
    "role, reads, exports",
    [("audit-administrator", 200, 200), ("department-head", 200, 403), ("quality-officer", 200, 403), ("radiologist", 403, 403),
     ("system-administrator", 403, 403), ("security-administrator", 403, 403)],
)  # fmt: skip
def test_who_may_read_the_trail_and_who_may_take_it_along(closed: Site, role: str, reads: int, exports: int) -> None:
    visitor = signed_in(closed, "somebody", role, "COUNTY")
    paths = ("/audit", f"/audit/looked?study={STUDY}", "/fhir/AuditEvent", "/fhir/AuditEvent/1", "/api/events", "/audit/export")
    answers = {path: visitor.get(path).status_code for path in paths}
    assert answers == dict.fromkeys(paths, reads) | {"/audit/export": exports, "/fhir/AuditEvent/1": 404 if reads == 200 else reads}
    refused = [event.detail["action"] for event in closed.events(kind="access.refused")]
    assert refused == ["read"] * (5 if reads == 403 else 0) + ["export"] * (exports == 403)
    if reads == 200:
        assert visitor.get("/audit.json").json()["exports"] is (exports == 200)


def test_an_auditor_reads_the_events_of_its_institution_and_those_below(closed: Site) -> None:
    town = closed.institution("TOWN", parent="COUNTY")
    other = closed.institution("OTHER")
    for actor in (town, other):
        with closed.center.begin(actor) as tx:
            tx.emit(Event("instances.exported", {}, {"by": actor.name}))
    process.verify(closed.center.begin, lambda count: None)
    visitor = signed_in(closed, "auditor", "audit-administrator", "COUNTY")
    page = visitor.get("/audit.json").json()
    assert "reader-town" in {row["actor"] for row in page["rows"]}
    assert {row["institution"] for row in page["rows"]} == {"COUNTY", "TOWN"}
    assert page["seals"]["verified"] is not None, "an event of no institution, told to every auditor"
    told = visitor.get("/api/events").json()["events"]
    assert "reader-other" not in json.dumps([told, page])
    [exported] = csv.DictReader(io.StringIO(visitor.get("/audit/export?kind=instances.exported").text))
    assert (exported["actor"], exported["institution"]) == ("reader-town", "TOWN")
    bundle = visitor.get("/fhir/AuditEvent?type=110106").json()
    assert [entry["resource"]["agent"][0]["who"]["display"] for entry in bundle["entry"]] == ["reader-town"]


def test_a_grant_of_one_study_lets_nobody_ask_who_has_looked_at_it(site: Site) -> None:
    town = site.institution("TOWN")
    with site.center.begin(site.reader("CENTER")) as tx:
        sharing.give(tx, Scope("study", "CENTER", study=STUDY), Grantee("institution", "TOWN"), ["treatment"], "manual")
    with site.center.begin(town) as tx:
        assert site.center.lists.study(tx, STUDY) is not None
        assert process.looked(tx, [STUDY]) == []
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"),
        site.center.database.begin_ingest(town) as tx,
    ):
        tx.connection.execute("select * from who_looked('{}')")
