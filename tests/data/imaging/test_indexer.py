"""The index under many writers, a database that goes away, and instances that it cannot hold."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from panorad.kit.errors import DatabaseDown
from panorad.model.actor import SYSTEM, Actor
from panorad.model.instance import Receipt
from panorad.model.query import Level
from panorad.testing import Databases, Site
from panorad.testing import center as whole_center
from panorad.testing.center import Databases as OwnDatabases

from .arrivals import body, instance

WRITER = """
import sys
from pathlib import Path
from panorad.app.center import Center
from panorad.settings import from_json
from panorad.testing import Site
settings = from_json(sys.argv[1])
with Center(settings, settings.database) as center:
    files = sorted(Path(sys.argv[2]).iterdir())
    site = Site(center)
    for n in range(0, len(files), 10):
        for receipt in site.put(files[n : n + 10]):
            print(receipt.sop_uid, receipt.fate, flush=True)
"""


def counts(site: Site) -> dict[str, int]:
    with site.center.begin(SYSTEM) as tx:
        return site.center.archive.statistics(tx)


def test_writers_side_by_side_lose_double_and_block_nothing(center: Site, tmp_path: Path) -> None:
    """Four threads and two processes send the same series, everyone in an order of its own."""
    from panorad.settings import to_json

    files = [instance(study, series, number) for study in (1, 2) for series in (1, 2) for number in range(1, 21)]
    folder = tmp_path / "files"
    folder.mkdir()
    for n, data in enumerate(files):
        (folder / f"{n:03}.dcm").write_bytes(data)
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITER, to_json(center.settings), str(folder)], stdout=subprocess.PIPE, text=True)
        for _ in "ab"
    ]
    reader = center.reader()

    def send(turn: int) -> list[Receipt]:
        ordered = files[turn * 20 :] + files[: turn * 20]
        return [receipt for n in range(0, len(ordered), 16) for receipt in center.put(ordered[n : n + 16], reader)]

    with ThreadPoolExecutor(4) as pool:
        fates = Counter(receipt.fate for receipts in pool.map(send, range(4)) for receipt in receipts)
    for process in processes:
        told, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        fates.update(line.split()[1] for line in told.splitlines())
    assert fates == {"stored": 80, "duplicate": 5 * 80}
    assert {name: counts(center)[name] for name in ("studies", "series", "instances", "conflicts")} == {
        "studies": 2,
        "series": 4,
        "instances": 80,
        "conflicts": 0,
    }
    for study in (1, 2):
        assert sorted(center.read(f"2.25.{study}")) == sorted(body(data) for data in files[(study - 1) * 40 : study * 40])
    assert sum(event.kind == "study.stored" for event in center.events()) == 2


def test_other_contents_from_many_writers_are_all_kept(center: Site) -> None:
    contents = [instance(PatientComments=f"content {n}") for n in range(12)]
    reader = center.reader()
    with ThreadPoolExecutor(6) as pool:
        fates = Counter(receipts[0].fate for receipts in pool.map(lambda data: center.put([data], reader), contents * 2))
    assert fates == {"stored": 1, "conflict": 11, "duplicate": 12}
    assert counts(center)["instances"] == 1
    assert counts(center)["conflicts"] == 11


def test_receipt_goes_on_while_the_database_is_away(tmp_path: Path) -> None:
    """Acknowledged on disk without it, and indexed when it is back; a flush that cannot wait says so."""
    own = OwnDatabases(tmp_path / "postgres")
    own.start()
    try:
        with whole_center(own, tmp_path / "home") as site:
            reader = site.reader()
            site.put([instance(1, 1, 1)], reader)
            own.stop()
            intake = site.center.intakes.open(reader, "dimse")
            for number in range(2, 40):
                incoming = intake.begin_part10()
                incoming.write(instance(1, 1, number))
                incoming.finish()
            with pytest.raises(DatabaseDown, match="safe on disk"):
                intake.flush(0.5)
            own.server.start()
            intake.flush(30)
            intake.close()
            assert [receipt.fate for receipt in intake.receipts] == ["stored"] * 38
            assert len(site.read("2.25.1")) == 39
            assert site.find(Level.STUDY).rows[0]["00201208"]["Value"] == [39]
    finally:
        own.stop()


def test_what_the_index_cannot_hold_is_quarantined_and_the_rest_indexed(center: Site) -> None:
    """A rule in the database stands for any value that PostgreSQL refuses."""
    with center.center.owner() as begin, begin(SYSTEM) as tx:
        tx.connection.execute("alter table instance add constraint picky check (sop_uid <> '2.25.1.1.5')")
    receipts = center.put([instance(1, 1, number) for number in range(1, 11)])
    assert sorted(receipt.sop_uid for receipt in receipts) == sorted(f"2.25.1.1.{n}" for n in range(1, 11) if n != 5)
    with center.center.begin(SYSTEM) as tx:
        [row], _ = center.center.lists.quarantined(tx, 10, 0)
        kept = center.center.lists.quarantined_file(tx, row.id)
    assert (row.kind, row.sop_uid) == ("not-indexed", "2.25.1.1.5")
    assert kept is not None
    assert kept.read_bytes() == instance(1, 1, 5)
    with center.center.owner() as begin, begin(SYSTEM) as tx:
        tx.connection.execute("alter table instance drop constraint picky")


def test_events_and_rows_stand_or_fall_together(center: Site) -> None:
    center.put([instance(1, 1, n) for n in range(1, 4)])
    told = sum(event.detail.get("stored", 0) for event in center.events(kind="instances.received"))
    assert told == counts(center)["instances"] == 3


def test_a_sealed_segment_loses_its_mark_when_all_it_holds_is_indexed(center: Site) -> None:
    center.put([instance()])
    assert len(list(center.settings.open_marks.iterdir())) == 1
    center.center.intakes.tidy(0)
    deadline = time.monotonic() + 10
    while list(center.settings.open_marks.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(center.settings.open_marks.iterdir()) == []


def test_threads_of_two_institutions_never_share_a_segment(center: Site) -> None:
    actors = [center.institution("COUNTY"), center.institution("TOWN")]
    wrong: list[str] = []

    def churn(actor: Actor) -> None:
        for _ in range(300):
            segment = center.center.intakes.segment(actor.institution_code)
            if f"/{actor.institution_code}/" not in segment.key:
                wrong.append(segment.key)
            center.center.intakes.release(actor.institution_code, segment)

    threads = [threading.Thread(target=churn, args=(actor,)) for actor in actors * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("signal", [9])
def test_after_a_kill_exactly_the_committed_members_come_back(databases: Databases, tmp_path: Path, signal: int) -> None:
    """A writer is killed in the middle; recovery indexes every acknowledged instance once, and the next start finds nothing more."""
    from panorad.data.imaging.recovery import recover
    from panorad.settings import to_json

    files = tmp_path / "files"
    files.mkdir()
    for n in range(1, 401):
        (files / f"{n:03}.dcm").write_bytes(instance(1, 1 + n % 3, n))
    with whole_center(databases, tmp_path / "home") as site:
        writer = subprocess.Popen([sys.executable, "-c", WRITER, to_json(site.settings), str(files)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(40)]
        os.kill(writer.pid, signal)
        told += writer.communicate()[0].splitlines()
        acknowledged = {line.split()[0] for line in told if line.strip()}
        assert 40 <= len(acknowledged) < 400
        center = site.center
        assert list(site.settings.open_marks.iterdir())
        recover(center.begin, center.indexer, center.blobs, site.settings.open_marks, center.actor_of)
        assert list(site.settings.open_marks.iterdir()) == []
        with center.begin(SYSTEM) as tx:
            stored = center.archive.stored(tx, "2.25.1")
        found = [one.header.sop_uid for one in stored]
        assert len(found) == len(set(found))
        assert acknowledged <= set(found)
        known = {body(path.read_bytes()) for path in files.iterdir()}
        assert all(center.blobs.read(one.place, one.place.data_at) in known for one in stored)
        assert recover(center.begin, center.indexer, center.blobs, site.settings.open_marks, center.actor_of) == 0
