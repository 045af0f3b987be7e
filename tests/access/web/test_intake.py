"""The intake page: input kept aside and conflicts."""

from pathlib import Path

from starlette.testclient import TestClient

from panorad.model.actor import Actor
from tests.access.web.twins import Region, aside_rows, region
from tests.access.web.visits import signed_in, visit


def test_kept_aside_with_reason_sender_and_size(client: TestClient) -> None:
    page = client.get("/intake").text
    for text in (
        "Not readable as DICOM",
        "pixel data of 524288 bytes are cut after 131072",
        "dimse YL_CT2@10.20.1.31",
        "132 kB",
        "Conflicts 3",
    ):
        assert text in page


def test_in_chinese(client: TestClient) -> None:
    page = client.get("/intake", headers={"accept-language": "zh"}).text
    assert "无法按 DICOM 读取" in page
    assert "原始数据已原样保留" in page


def test_filter_paging_and_twin() -> None:
    made = region(1)
    made.imaging.aside = aside_rows(130)
    client = signed_in(made)
    assert client.get("/intake").text.count("<tr>") == 51
    twin = client.get("/intake.json?page=3").json()
    assert (len(twin["quarantined"]), twin["quarantined_total"]) == (30, 130)
    found = client.get("/intake.json?q=uid-mismatch").json()
    assert found["quarantined"] == []
    assert client.get("/intake.json?q=missing").json()["quarantined_total"] == 44
    assert "Nothing fits" in client.get("/intake?q=nowhere").text


def test_conflicts_lead_to_their_study(made: Region, client: TestClient) -> None:
    page = client.get("/intake?show=conflicts").text
    assert page.count(f'href="/studies/{made.imaging.twice[0].study_uid}"') == 3
    assert "version 2" in page
    assert client.get("/intake?show=nonsense").status_code == 200


def test_the_original_is_for_administrators(made: Region, client: TestClient, tmp_path: Path) -> None:
    assert client.get("/intake/1/original").status_code == 404
    made.imaging.original = tmp_path / "x.dcm"
    made.imaging.original.write_bytes(b"\0as it came")
    answer = client.get("/intake/1/original")
    assert answer.content == b"\0as it came"
    assert answer.headers["content-disposition"] == 'attachment; filename="quarantine-1.dcm"'
    made.gate.sessions = {token: Actor("person", "wanglei", 1, (1,), account=1) for token in made.gate.sessions}
    assert client.get("/intake/1/original").status_code == 403
    assert "/original" not in client.get("/intake").text
    assert visit(made).get("/intake/1/original").status_code == 303


def test_an_empty_intake_is_good_news() -> None:
    made = region(0, open_center=True)
    made.imaging.aside, made.imaging.twice = [], []
    client = visit(made)
    assert "Everything that was sent could be taken." in client.get("/intake").text
    assert "No image has come twice" in client.get("/intake?show=conflicts").text
