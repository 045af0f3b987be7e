from __future__ import annotations

import gzip
from typing import Any
from xml.etree import ElementTree

import pytest
from starlette.testclient import TestClient

from panorad.access.dicomweb.deps import Limits
from panorad.access.dicomweb.errors import MalformedQuery
from panorad.access.dicomweb.query import warning
from panorad.access.dicomweb.search import parse
from panorad.model.query import Level, Match

from .center import Center, values
from .images import SERIES, STUDY, ct_slice

QUERIES: list[tuple[list[tuple[str, str]], tuple[Match, ...]]] = [
    ([("PatientID", "P1")], (Match(("00100020",), ("P1",)),)),
    ([("00100020", "P1")], (Match(("00100020",), ("P1",)),)),
    ([("0010,0020", "P1")], (Match(("00100020",), ("P1",)),)),
    ([("PatientName", "Zhang, San")], (Match(("00100010",), ("Zhang, San",)),)),
    ([("PatientName", "")], (Match(("00100010",), ()),)),
    ([("StudyInstanceUID", "1.2,1.3\\1.4")], (Match(("0020000D",), ("1.2", "1.3", "1.4")),)),
    (
        [("StudyInstanceUID", "1.2"), ("StudyInstanceUID", "1.3"), ("StudyInstanceUID", "1.2")],
        (Match(("0020000D",), ("1.2", "1.3")),),
    ),
    ([("ModalitiesInStudy", "CT,MR")], (Match(("00080061",), ("CT", "MR")),)),
    ([("PatientID", "a,b\\c")], (Match(("00100020",), ("a,b", "c")),)),
    ([("StudyDate", "20240101-20241231")], (Match(("00080020",), ("20240101-20241231",)),)),
    ([("RequestAttributesSequence.ScheduledProcedureStepID", "x")], (Match(("00400275", "00400009"), ("x",)),)),
    ([("00400275.00400009", "x")], (Match(("00400275", "00400009"), ("x",)),)),
    ([("00091001", "private")], (Match(("00091001",), ("private",)),)),
]


@pytest.mark.parametrize(("parameters", "matches"), QUERIES, ids=lambda v: str(v)[:50])
def test_keys(parameters: list[tuple[str, str]], matches: tuple[Match, ...]) -> None:
    found = parse(parameters, Level.STUDY, {}, Limits())
    assert found.query.matches == matches
    assert found.query.include == {match.path[0] for match in matches}
    assert not found.warnings


def test_paging_fuzziness_and_fields() -> None:
    fields = [("includefield", "StudyDescription,00081190"), ("includefield", "(0040,0275),PatientAge")]
    found = parse([("limit", "7"), ("offset", "3"), ("fuzzymatching", "true"), *fields], Level.STUDY, {}, Limits()).query
    assert (found.limit, found.offset, found.fuzzy) == (7, 3, True)
    assert found.include == {"00081030", "00081190", "00400275", "00101010"}
    assert parse([*fields, ("includefield", "all")], Level.STUDY, {}, Limits()).query.include is None


def test_the_limit_is_never_unbounded() -> None:
    limits = Limits(default_page=5, largest_page=9)
    assert parse([], Level.STUDY, {}, limits).query.limit == 5
    capped = parse([("limit", "100000")], Level.STUDY, {}, limits)
    assert (capped.query.limit, capped.warnings) == (9, ("The limit is 9 results at a time.",))


BAD = [
    ("limit", "x", "limit"),
    ("limit", "-1", "limit"),
    ("limit", "1.5", "limit"),
    ("offset", "-1", "offset"),
    ("fuzzymatching", "perhaps", "fuzzymatching"),
    ("NoSuchKeyword", "1", "NoSuchKeyword"),
    ("PatientID.Nonsense", "1", "Nonsense"),
    ("includefield", "Nonsense", "Nonsense"),
]


@pytest.mark.parametrize(("name", "value", "word"), BAD)
def test_what_cannot_be_meant_is_named(name: str, value: str, word: str) -> None:
    with pytest.raises(MalformedQuery, match=word):
        parse([(name, value)], Level.STUDY, {}, Limits())


def test_foreign_parameters_are_passed_over_with_a_warning(viewer: TestClient) -> None:
    answer = viewer.get("/dicom-web/studies?_=1&colour=blue")
    assert answer.status_code == 200
    assert answer.headers["warning"] == '299 testserver/dicom-web: "The parameter colour is not supported and was ignored."'


SEARCHES: list[tuple[str, str, set[str]]] = [
    ("/studies?PatientID=P1", "0020000D", {STUDY}),
    ("/studies?PatientName=Zhang*", "0020000D", {STUDY}),
    (f"/studies/{STUDY}/series", "0020000E", {SERIES, "2.25.30"}),
    (f"/series?StudyInstanceUID={STUDY}", "0020000E", {SERIES, "2.25.30"}),
    (f"/studies/{STUDY}/series/{SERIES}/instances", "00080018", {f"{SERIES}.1", f"{SERIES}.2", f"{SERIES}.3"}),
    (f"/studies/{STUDY}/instances?InstanceNumber=1", "00080018", {f"{SERIES}.1", "2.25.30.1"}),
    (f"/instances?SOPInstanceUID={SERIES}.1,{SERIES}.3", "00080018", {f"{SERIES}.1", f"{SERIES}.3"}),
    ("/series?RequestAttributesSequence.ScheduledProcedureStepID=SPS-1", "0020000E", {SERIES, "2.25.30"}),
    ("/studies?PatientID=nobody", "0020000D", set()),
]


@pytest.mark.parametrize(("url", "tag", "found"), SEARCHES, ids=[url for url, _, _ in SEARCHES])
def test_searches(viewer: TestClient, url: str, tag: str, found: set[str]) -> None:
    answer = viewer.get(f"/dicom-web{url}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert answer.headers["x-total-count"] == str(len(found))
    rows = answer.json()
    assert {values(row, tag)[0] for row in rows} == found
    for row in rows:
        assert list(row) == sorted(row)
        assert values(row, "00081190")[0].endswith(values(row, tag)[0])


def test_retrieve_urls_lead_to_the_instances(viewer: TestClient) -> None:
    [row] = viewer.get(f"/dicom-web/instances?SOPInstanceUID={SERIES}.2").json()
    assert values(row, "00081190") == [f"http://testserver/dicom-web/studies/{STUDY}/series/{SERIES}/instances/{SERIES}.2"]
    assert viewer.get(values(row, "00081190")[0]).status_code == 200


def test_a_cut_list_says_so(full: Center) -> None:
    client = TestClient(full.app(Limits(default_page=2, largest_page=4)))
    cut, asked, capped = (client.get(f"/dicom-web/studies{tail}") for tail in ("", "?limit=2", "?limit=50"))
    assert [len(answer.json()) for answer in (cut, asked, capped)] == [2, 2, 4]
    assert {answer.headers["x-total-count"] for answer in (cut, asked, capped)} == {"11"}
    said = '299 testserver/dicom-web: "There are 9 additional results that can be requested"'
    assert cut.headers["warning"] == asked.headers["warning"] == said
    assert "There are 7 additional results" in capped.headers["warning"]
    rest = client.get("/dicom-web/studies?limit=4&offset=8")
    assert len(rest.json()) == 3
    assert "warning" not in rest.headers


def test_xml(viewer: TestClient) -> None:
    answer = viewer.get("/dicom-web/studies?PatientID=P1", headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom+xml"')
    document = answer.content.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
    names = ElementTree.fromstring(document).findall(".//*[@keyword='PatientName']//{*}Ideographic/{*}FamilyName")
    assert [name.text for name in names] == ["张"]


def test_big_answers_are_compressed_for_those_who_take_it(viewer: TestClient) -> None:
    url = "/dicom-web/studies?includefield=all"
    packed, plain = (viewer.get(url, headers={"Accept-Encoding": coding}) for coding in ("gzip", "identity"))
    assert (packed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
    assert packed.json() == plain.json()
    with viewer.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
        assert gzip.decompress(b"".join(answer.iter_raw())) == plain.content


@pytest.mark.parametrize(("tail", "status"), [("?limit=x", 400), ("?NoSuchKeyword=1", 400)])
def test_errors_are_problem_documents(viewer: TestClient, tail: str, status: int) -> None:
    answer = viewer.get(f"/dicom-web/studies{tail}")
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["status"], answer.headers["content-type"]) == (status, status, "application/problem+json")
    assert problem["detail"]


def test_media_types_that_searches_do_not_have(viewer: TestClient) -> None:
    answer = viewer.get("/dicom-web/studies", headers={"Accept": "text/csv"})
    assert answer.status_code == 406
    assert "application/dicom+json" in answer.json()["detail"]


def test_warnings_are_safe_header_values() -> None:
    assert warning("http://h/dicom-web", ['a "b"\r\nX: y', "张"]) == '299 h/dicom-web: "a \'b\'??X: y", 299 h/dicom-web: "?"'


def test_who_is_not_signed_in_gets_nothing(viewer: TestClient) -> None:
    answer = viewer.get("/dicom-web/studies", headers={"X-Nobody": "1"})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Session realm="panorad"')


def test_who_may_not_see_it_finds_nothing(viewer: TestClient) -> None:
    assert viewer.get("/dicom-web/studies", headers={"X-Stranger": "1"}).json() == []


def test_the_query_reaches_the_archive_as_asked(client: TestClient, center: Center) -> None:
    center.add(ct_slice(1))
    client.get(f"/dicom-web/studies/{STUDY}/series?Modality=CT&fuzzymatching=true")
    [query] = center.queries
    assert query.matches == (Match(("0020000D",), (STUDY,)), Match(("00080060",), ("CT",)))
    assert (query.level, query.fuzzy, query.limit) == (Level.SERIES, True, 200)
    [event] = center.events
    assert event.kind == "query"
    assert (event.detail["keys"], event.detail["matches"]) == (["0020000D", "00080060"], 1)
