"""The intake page: input kept aside and conflicts."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from panorad.data.imaging.elements import DatasetInvalid
from panorad.data.imaging.header import scan
from panorad.management.intake import reasons
from panorad.model.actor import Actor
from tests.access.web.twins import Region, aside_rows, region
from tests.access.web.visits import signed_in, visit

HEAD = b"\x08\0\x16\0UI\x1a\0" + b"1.2.840.10008.5.1.4.1.1.2\0" + b"\x08\0\x18\0UI\x06\0" + b"1.2.3\0" + b"\x10\0\x20\0LO\xff\0"
"""A data set in explicit VR little endian that promises more than it holds."""


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
    assert "缺少 SOP Instance UID (0008,0018)" in page


@pytest.mark.parametrize(
    "reason,chinese",
    [
        ("pixel data of 524288 bytes are cut after 131072", "像素数据应为 524288 字节，在 131072 字节处中断"),
        (
            "behind the pixel data: zeros stand at byte 9 where an element must be",
            "像素数据之后：第 9 字节处应为数据元素，却是零",
        ),
        ("Rows (0028,0010) at byte 170 is not a UID: 1.2 is empty", "第 170 字节处的 Rows (0028,0010) 不是 UID：1.2 is empty"),
        ("something new: 100% odd %(what)s", "something new: 100% odd %(what)s"),
    ],
)
def test_reasons_are_said_in_the_language_of_the_reader(reason: str, chinese: str) -> None:
    assert reasons.said("zh-CN", reason) == chinese
    assert reasons.said("en", reason) == reason


def test_the_archives_own_reasons_are_known() -> None:
    for cut in (0, 5, 40, None):
        with pytest.raises(DatasetInvalid) as error:
            scan(HEAD[:cut], "1.2.840.10008.1.2.1")
        assert reasons.said("zh-CN", error.value.detail) != error.value.detail


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


def test_the_original_is_for_who_may_take_it(made: Region, client: TestClient, tmp_path: Path) -> None:
    assert client.get("/intake/1/original").status_code == 404
    made.imaging.original = tmp_path / "x.dcm"
    made.imaging.original.write_bytes(b"\0as it came")
    answer = client.get("/intake/1/original")
    assert client.get(f"/intake/{1 << 63}/original").status_code == 404
    assert answer.content == b"\0as it came"
    assert answer.headers["content-disposition"] == 'attachment; filename="quarantine-1.dcm"'
    registrar = Actor("person", "wanglei", 1, (1,), account=1, roles=frozenset({"registrar"}))
    made.gate.sessions = dict.fromkeys(made.gate.sessions, registrar)
    assert client.get("/intake/1/original").status_code == 403
    assert "/original" not in client.get("/intake").text
    assert visit(made).get("/intake/1/original").status_code == 303


def test_an_empty_intake_is_good_news() -> None:
    made = region(0, open_center=True)
    made.imaging.aside, made.imaging.twice = [], []
    client = visit(made)
    assert "Everything that was sent could be taken." in client.get("/intake").text
    assert "No image has come twice" in client.get("/intake?show=conflicts").text
