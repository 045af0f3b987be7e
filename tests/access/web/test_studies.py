"""The study list and the study pages."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from panorad.application.studies import tags
from tests.access.web.twins import Region, region
from tests.access.web.visits import signed_in, visit

FIRST, THIRD = "1.2.826.0.1.3680043.8.498.1000", "1.2.826.0.1.3680043.8.498.1002"


def test_the_list_shows_fifty_studies_and_how_many_there_are(client: TestClient) -> None:
    page = client.get("/").text
    assert page.count("data-uid=") == 50
    assert "120 studies" in page
    assert "1–50 of 120" in page
    assert "张三 ZHANG San" in page
    assert "ZHANG^San" not in page
    last = client.get("/?page=3").text
    assert last.count("data-uid=") == 20
    assert 'rel="next"' not in last


@pytest.mark.parametrize("page", ["0", "-1", "x", "²", "99999999999"])
def test_an_unreadable_page_number_is_no_error(client: TestClient, page: str) -> None:
    assert client.get("/", params={"page": page}).status_code == 200


def test_the_twin_says_what_the_page_says(client: TestClient) -> None:
    twin = client.get("/studies.json?modality=CT&order=patient").json()
    page = client.get("/?modality=CT&order=patient").text
    assert client.get("/?modality=CT&order=patient", headers={"accept": "application/json"}).json()["rows"] == twin["rows"]
    assert [row["study_uid"] for row in twin["rows"]] == [part.partition('"')[0] for part in page.split('data-uid="')[1:]]
    assert twin["paging"]["total"] == sum("CT" in row["modalities"] for row in twin["rows"])
    assert twin["wanted"]["order"] == "patient"


@pytest.mark.parametrize("text", ["zs", "zhang san", "张三", "C20260000", FIRST, "A600000"])
def test_one_box_finds_by_everything(client: TestClient, text: str) -> None:
    rows = client.get("/studies.json", params={"q": text}).json()["rows"]
    assert FIRST in [row["study_uid"] for row in rows]
    assert len(rows) < 120


def test_what_was_searched_is_shown_harmlessly(client: TestClient) -> None:
    page = client.get("/", params={"q": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page
    assert "No study fits" in page
    assert client.get("/", params={"q": "x" * 5000}).status_code == 200


def test_names_from_images_are_shown_harmlessly() -> None:
    made = region(3)
    made.imaging.rows[0] = replace(
        made.imaging.rows[0], patient_name="<img src=x>^A", description="<s>", patient_id='"><i>', modalities=("<u>",)
    )
    client = signed_in(made)
    for path in ("/", f"/studies/{FIRST}", f"/studies/{FIRST}/preview"):
        text = client.get(path).text
        assert all(tag not in text for tag in ("<img src=x", "<s>", "<i>", "<u>"))
        assert "&lt;" in text


def test_facets_narrow_and_can_be_taken_back(client: TestClient) -> None:
    page = client.get("/?modality=CT&institution=YUNLING").text
    assert 'href="/?institution=YUNLING" aria-current="true"' in page
    assert 'href="/?modality=CT" aria-current="true"' in page
    assert 'name="modality" value="CT"' in page
    assert 'name="institution" value="YUNLING"' in page


def test_an_unknown_order_or_date_is_ignored(client: TestClient) -> None:
    wanted = client.get("/studies.json?order=password;drop&date=yesterday").json()["wanted"]
    assert (wanted["order"], wanted["recency"]) == ("-received", "")


def test_nothing_is_asked_again_while_nothing_changes(made: Region, client: TestClient) -> None:
    first = client.get("/?q=zs")
    asked = made.imaging.asked
    again = client.get("/?q=zs", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, made.imaging.asked) == (304, b"", asked)
    made.imaging.rows.append(replace(made.imaging.rows[0], study_uid="1.2.3"))
    assert client.get("/?q=zs", headers={"if-none-match": first.headers["etag"]}).status_code == 200


def test_an_etag_is_of_one_address_and_one_visitor(made: Region, client: TestClient) -> None:
    etags = {client.get(path).headers["etag"] for path in ("/", "/?page=2", "/?q=zs", "/studies.json")}
    etags.add(signed_in(made).get("/").headers["etag"])
    etags.add(client.get("/", headers={"accept-language": "zh"}).headers["etag"])
    assert len(etags) == 6


def test_an_empty_center_says_what_will_happen() -> None:
    client = visit(region(0, open_center=True))
    assert "No studies yet" in client.get("/").text
    assert "The list is shorter than that" in client.get("/?page=7").text


def test_the_open_center_says_so() -> None:
    assert "Not for real patients" in visit(region(1, open_center=True)).get("/").text


def test_a_study_page_has_its_series_instances_and_events(client: TestClient) -> None:
    page = client.get(f"/studies/{THIRD}").text
    assert "王五 WANG Wu" in page
    assert page.count("series-card card") + page.count("card series-card") == 2
    assert "CT Image" in page
    assert "Explicit VR Little Endian" in page
    assert "A study was seen for the first time" in page
    assert "came again with the same UID" in page
    second = client.get(f"/studies/{THIRD}.json?series={THIRD}.2&page=2").json()
    assert second["chosen"]["series_uid"] == f"{THIRD}.2"
    assert second["instances"][0]["number"] == 51
    assert second["events"][0]["at"].startswith("2026-03-11T06:30:00")


@pytest.mark.parametrize(
    "path", ["/studies/9.9", "/studies/9.9.json", "/studies/9.9/preview", "/studies/9.9/series/1/instances/2"]
)
def test_what_is_not_there_or_not_yours_is_one_answer(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_an_instance_shows_its_attributes(client: TestClient) -> None:
    page = client.get(f"/studies/{FIRST}/series/{FIRST}.1/instances/{FIRST}.1.1").text
    for text in (
        "(0010,0010)",
        "Patient&#39;s Name",
        "ZHANG^San=张^三",
        "CT Image Storage",
        "Private or unknown",
        "6 B",
        "/rendered?viewport",
    ):
        assert text in page


def test_attributes_of_nested_sequences_are_indented_in_order() -> None:
    inner = {"00080100": {"vr": "SH", "Value": ["X"]}}
    rows, complete = tags.table({"00400260": {"vr": "SQ", "Value": [inner, {}]}, "00080005": {"vr": "CS", "Value": ["GB18030"]}})
    assert complete
    assert [(row.depth, row.tag, row.name) for row in rows] == [
        (0, "(0008,0005)", "Specific Character Set"),
        (0, "(0040,0260)", "Performed Protocol Code Sequence"),
        (1, "", "#1"),
        (2, "(0008,0100)", "Code Value"),
        (1, "", "#2"),
    ]


def test_a_huge_data_set_is_cut_and_says_so() -> None:
    rows, complete = tags.table({"52009230": {"vr": "SQ", "Value": [{"00080008": {"vr": "CS", "Value": ["A"]}}] * 4000}})
    assert (len(rows), complete) == (tags.MOST_ROWS, False)
