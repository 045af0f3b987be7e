"""How pages write dates, ages, sizes and names."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from panorad.access.web import words


@pytest.mark.parametrize("value,shown", [("20260311", "2026-03-11"), ("2026.03.11", "2026-03-11"), ("", ""), ("3/11", "3/11")])
def test_dates(value: str, shown: str) -> None:
    assert words.dicom_date(value) == shown


@pytest.mark.parametrize(
    "value,shown", [("140612.123", "14:06"), ("1406", "14:06"), ("14:06:12", "14:06"), ("14", "14"), ("", "")]
)
def test_times(value: str, shown: str) -> None:
    assert words.dicom_time(value) == shown


@pytest.mark.parametrize(
    "born,at,shown",
    [
        ("19590312", "20260311", "66"),
        ("19590311", "20260311", "67"),
        ("20250101", "20260311", "14 mo"),
        ("20240311", "20260311", "2"),
        ("20260301", "20260311", "10 d"),
        ("20270101", "20260311", ""),
        ("", "20260311", ""),
        ("19590231", "20260311", ""),
    ],
)
def test_ages(born: str, at: str, shown: str) -> None:
    assert words.age("en", born, at) == shown


@pytest.mark.parametrize(
    "count,shown", [(0, "0 B"), (999, "999 B"), (525_312, "525 kB"), (1_400_000, "1.4 MB"), (9**18, "150095 TB")]
)
def test_sizes(count: int, shown: str) -> None:
    assert words.size(count) == shown


@pytest.mark.parametrize(
    "name,shown", [("Wang Lei", "WL"), ("wanglei", "WA"), ("wang.lei", "WL"), ("王雷", "王雷"), ("欧阳娜娜", "娜娜"), ("", "?")]
)
def test_badges(name: str, shown: str) -> None:
    assert words.initials(name) == shown


def test_moments_are_in_the_time_of_the_site() -> None:
    at = datetime(2026, 3, 11, 16, 30, 5, tzinfo=UTC)
    assert words.moment(at, ZoneInfo("Asia/Shanghai")) == "2026-03-12 00:30"
    assert words.second(at, ZoneInfo("UTC")) == "2026-03-11 16:30:05"


def test_what_an_event_counted() -> None:
    assert (
        words.said("en", {"instances": 1275, "reason": "no grant", "skipped": True, "note": ""}) == "instances 1,275 · no grant"
    )
    assert words.said("zh-CN", {"instances": 3, "bytes": 525_312}) == "图像 3 · 字节 525 kB"
