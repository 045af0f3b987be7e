"""The audit trail at a real collector: all arrives, in order, over TLS alone; a collector that was away misses nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from panorad.data import process
from panorad.data.process.dicom_audit import AuditSource
from panorad.data.process.syslog import Collector, CollectorAway, CollectorUntrusted
from panorad.model.actor import SYSTEM
from panorad.model.event import Event
from panorad.testing import Databases, Site, center
from panorad.testing.center import free_port

from .collector import Rsyslog, certificates

pytestmark = pytest.mark.peers
SOURCE = AuditSource("PANORAD", "CENTER")


@pytest.fixture
def site(databases: Databases, tmp_path: Path) -> Iterator[Site]:
    with center(databases, tmp_path / "home") as made:
        yield made


@pytest.fixture
def rsyslog(peer: Callable[[str], str], tmp_path: Path) -> Iterator[Rsyslog]:
    folder = tmp_path / "collector"
    folder.mkdir()
    certificates(folder)
    made = Rsyslog(peer("rsyslogd"), folder, free_port())
    made.start()
    yield made
    made.stop()


@pytest.fixture
def collector(rsyslog: Rsyslog) -> Collector:
    folder = rsyslog.folder
    return Collector("127.0.0.1", rsyslog.port, folder / "ca.pem", folder / "client.pem", folder / "client.key")


def happen(site: Site, numbers: range) -> None:
    for number in numbers:
        with site.center.begin(SYSTEM) as tx:
            tx.emit(Event("instances.retrieved", {"study": f"1.2.{number}"}, {"instances": 1, "frames": 0}))
            tx.emit(Event("study.stored", {"study": f"1.2.{number}"}))


def studies(rsyslog: Rsyslog) -> list[int]:
    found = []
    for msgid, text in rsyslog.received:
        assert msgid == "DICOM+RFC3881"
        root = etree.fromstring(text)
        for one in root.findall("ParticipantObjectIdentification"):
            if one.find("ParticipantObjectIDTypeCode").get("csd-code") == "110180":
                found.append(int(one.get("ParticipantObjectID", "").removeprefix("1.2.")))
    return found


def wait(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def standing(site: Site) -> process.Standing:
    with site.center.begin(SYSTEM) as tx:
        return process.standing(tx)


def test_all_arrives_in_order_and_once(site: Site, rsyslog: Rsyslog, collector: Collector) -> None:
    happen(site, range(700))
    assert standing(site).waiting > 1400
    while process.forward(site.center.begin, collector, SOURCE):
        pass
    wait(lambda: len(studies(rsyslog)) >= 700)
    assert studies(rsyslog) == list(range(700))
    assert standing(site) == process.Standing(0, 0.0, "")


@pytest.mark.parametrize("kill", [False, True])
def test_a_collector_that_was_away_misses_nothing(site: Site, rsyslog: Rsyslog, collector: Collector, kill: bool) -> None:
    happen(site, range(50))
    while process.forward(site.center.begin, collector, SOURCE):
        pass
    wait(lambda: len(studies(rsyslog)) == 50)  # it has them on its disk
    rsyslog.stop(kill=kill)
    happen(site, range(50, 100))
    with pytest.raises(CollectorAway):
        process.forward(site.center.begin, collector, SOURCE)
    assert "cannot be reached" in standing(site).fault
    assert standing(site).waiting == 100
    rsyslog.start()
    stopping = threading.Event()
    follower = threading.Thread(target=process.keep_forwarding, args=(site.center.begin, collector, SOURCE, stopping))
    follower.start()
    try:
        wait(lambda: set(studies(rsyslog)) == set(range(100)))
        happen(site, range(100, 120))
        wait(lambda: set(studies(rsyslog)) == set(range(120)))
    finally:
        stopping.set()
        follower.join(30)
    assert studies(rsyslog) == list(range(120))  # none came half, so that none had to be sent again
    assert standing(site).fault == ""


def test_a_collector_that_does_not_prove_who_it_is_gets_nothing(site: Site, rsyslog: Rsyslog, collector: Collector, tmp_path: Path) -> None:
    happen(site, range(3))
    other = tmp_path / "other"
    other.mkdir()
    certificates(other)
    for wrong in (
        replace(collector, ca=other / "ca.pem"),
        replace(collector, ca=None),
        replace(collector, certificate=other / "client.pem", key=other / "client.key"),
    ):
        with pytest.raises((CollectorUntrusted, CollectorAway)):
            process.forward(site.center.begin, wrong, SOURCE)
    assert rsyslog.received == []
    assert standing(site).waiting >= 6


def test_two_followers_send_nothing_twice(site: Site, rsyslog: Rsyslog, collector: Collector) -> None:
    happen(site, range(200))

    def follow() -> None:
        while standing(site).waiting:
            process.forward(site.center.begin, collector, SOURCE)

    threads = [threading.Thread(target=follow) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    wait(lambda: len(studies(rsyslog)) >= 200)
    assert studies(rsyslog) == list(range(200))
