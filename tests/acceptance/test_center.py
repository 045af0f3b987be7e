"""Start, health, metrics, events and a clean end."""

from collections.abc import Callable

import requests

from .dicomweb import search, stow
from .images import ct_series
from .processes import Center

Fresh = Callable[..., Center]


def test_health_and_metrics_answer_without_sign_in(center: Center) -> None:
    for path in ("/health/live", "/health/ready"):
        assert requests.get(center.url + path, timeout=10).status_code == 200, path
    metrics = requests.get(center.url + "/metrics", timeout=10)
    assert metrics.status_code == 200
    assert "# TYPE " in metrics.text


def test_ready_line_names_the_address(center: Center) -> None:
    assert str(center.http) in center.ready_line


def test_viewer_is_served(center: Center) -> None:
    page = requests.get(center.url + "/viewer", timeout=30)
    assert page.status_code == 200
    assert "text/html" in page.headers["Content-Type"]


def test_receipt_shows_in_the_event_feed_once_and_in_order(center: Center) -> None:
    def feed(after: int) -> list[dict[str, object]]:
        answer = requests.get(f"{center.url}/api/events", params={"after": after, "limit": 1000}, timeout=30)
        assert answer.status_code == 200
        events: list[dict[str, object]] = answer.json()["events"]
        return events

    newest = 0
    while events := feed(newest):
        newest = int(str(events[-1]["id"]))
    [(uid, file)] = ct_series(1, patient="EVENT-1", size=16)
    assert stow(center.dicomweb, [file]).status_code == 200
    events = feed(newest)
    numbers = [int(str(event["id"])) for event in events]
    assert numbers == sorted(set(numbers))
    assert all(number > newest for number in numbers)
    assert any(uid in str(event) or "EVENT-1" in str(event) or "Stored" in str(event) for event in events), events


def test_sigterm_ends_cleanly_and_a_second_start_has_everything(fresh_center: Fresh) -> None:
    center = fresh_center()
    files = dict(ct_series(3, patient="STOP-1", size=16))
    assert stow(center.dicomweb, files.values()).status_code == 200
    assert center.stop() == 0
    center.start(60)
    found = search(center.dicomweb, "instances", PatientID="STOP-1")
    assert {match["00080018"]["Value"][0] for match in found} == set(files)
