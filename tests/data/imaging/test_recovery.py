"""Storage read again: after a crash, from nothing, and against its digests."""

from __future__ import annotations

import fcntl
import signal
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from panorad.app.center import Center
from panorad.data.imaging import recovery, store
from panorad.data.imaging.intake import Intake, Refused
from panorad.data.imaging.segment import BLOCK, members
from panorad.model.actor import SYSTEM
from panorad.model.query import Level
from panorad.testing import Databases, Site
from panorad.testing import center as whole_center
from panorad.testing.center import databases

from .arrivals import body, instance


def recover(site: Site) -> int:
    center = site.center
    return recovery.recover(center.begin, center.indexer, center.blobs, site.settings.open_marks, center.actor_of)


def verify(site: Site) -> tuple[int, list[recovery.Damage]]:
    return recovery.verify(site.center.begin, site.center.blobs, lambda done, total: None)


def reindex(site: Site) -> int:
    center = site.center
    with center.owner() as owner:
        return recovery.reindex(
            owner, center.begin, center.indexer, center.blobs, site.settings.quarantine, center.actor_of, lambda done, total: None
        )


def index_of(site: Site) -> tuple[object, ...]:
    """Everything that the index says, but for row ids and times of receipt."""
    with site.center.begin(SYSTEM) as tx:
        stored = [(one.header, one.place, one.digest, one.institution, one.variant) for one in store.stored_after(tx, 0, 10_000)]
        quarantined = [(row.key, row.reason, row.source, row.bytes) for row in site.center.lists.quarantined(tx, 100, 0)[0]]
        conflicts = [(row.sop_uid, row.kept_as, row.reason) for row in site.center.lists.conflicts(tx, 100, 0)[0]]
        figures = site.center.archive.statistics(tx)
        names = sorted(map(tuple, tx.connection.execute("select k.key, s.study_uid from name_key k join study s on s.id = k.study_id")))
    figures.pop("unsettled")
    rows = [site.find(level, include=None).rows for level in (Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE)]
    return sorted(stored, key=repr), sorted(quarantined), sorted(conflicts), figures, names, [sorted(map(repr, found)) for found in rows]


def fill(site: Site) -> None:
    county = site.institution("COUNTY", issuer="COUNTY-HIS")
    site.put(
        [instance(1, s, n, PatientName="Zhang^San=张^三", SpecificCharacterSet="ISO_IR 192") for s in (1, 2) for n in (1, 2, 3)], county
    )
    site.put([instance(1, 1, 1), instance(2, 1, 1), instance(2, 1, 1, PatientComments="other")])
    for data in (b"nothing" * 90, instance(5)[:-7]):
        try:
            site.put([data], county)
        except Refused:
            continue
        raise AssertionError("garbage was taken")


def test_the_index_built_from_storage_is_the_index_that_was(center: Site) -> None:
    fill(center)
    before = index_of(center)
    with center.center.begin(SYSTEM) as tx:
        old = {row[0] for row in tx.connection.execute("select id from series")}
    assert reindex(center) == 9
    assert index_of(center) == before
    with center.center.begin(SYSTEM) as tx:
        assert old.isdisjoint(row[0] for row in tx.connection.execute("select id from series")), "the cache goes by ids"
    assert "archive.reindexed" in [event.kind for event in center.events()]
    center.put([instance(2, 1, 2)])
    assert len(center.read("2.25.2")) == 2


def test_a_reindex_keeps_when_things_came(center: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def times() -> list[tuple[object, ...]]:
        with center.center.begin(SYSTEM) as tx:
            return sorted(
                tx.connection.execute(
                    "select s.study_uid, e.series_uid, e.first_received, e.last_received, s.first_received, s.last_received"
                    " from series e join study s on s.id = e.study_id"
                )
            )

    other = instance(1, 1, 3, PatientID="another")  # the same study and series under another patient
    arrivals = ((1000, instance(1, 1, 1)), (3000, instance(1, 2, 1)), (2000, instance(1, 1, 2)), (4000, instance(1, 1, 1)), (5000, other))
    for moment, one in arrivals:  # the fourth is the first one again
        monkeypatch.setattr("panorad.data.imaging.segment.time.time", lambda moment=moment: 1_600_000_000 + moment)
        center.put([one])
    monkeypatch.undo()
    reindex(center)
    one, two, three, five = (datetime.fromtimestamp(1_600_000_000 + moment, UTC) for moment in (1000, 2000, 3000, 5000))
    assert times() == [
        ("2.25.1", "2.25.1.1", one, two, one, three),
        ("2.25.1", "2.25.1.1", five, five, five, five),
        ("2.25.1", "2.25.1.2", three, three, one, three),
    ]


def test_what_the_database_lost_in_a_crash_is_found_again(tmp_path: Path) -> None:
    """Rows that were committed without waiting for the disk die with the server, and their ids are given to other rows."""
    with databases() as server, whole_center(server, tmp_path / "home") as site:
        with psycopg.connect(site.center.dsn, autocommit=True) as owner:
            owner.execute("alter system set wal_writer_delay = '10s'")
            owner.execute("select pg_reload_conf()")
        center, beside = site.center, Center(site.settings, site.center.dsn)
        beside.open()
        try:
            site.put([instance(1, 1, 1)])
            center.intakes.tidy(0)  # its segment is sealed, which waits for the disk
            deadline = time.monotonic() + 10
            while list(site.settings.open_marks.iterdir()) and time.monotonic() < deadline:
                time.sleep(0.05)
            with psycopg.connect(center.dsn, autocommit=True) as owner:
                owner.execute("checkpoint")
            with center.intakes.open(site.reader(), "a") as first:
                put(first, instance(1, 1, 2))
                crash(server)
                with beside.intakes.open(site.reader(), "b") as second:
                    put(second, instance(7, 1, 1))
                put(first, instance(1, 1, 3))
            center.intakes.tidy(0)
            deadline = time.monotonic() + 20
            while len(found := {row["00080018"]["Value"][0] for row in site.find(Level.INSTANCE).rows}) < 4 and time.monotonic() < deadline:
                recover(site)
                time.sleep(0.2)
            assert found == {"2.25.1.1.1", "2.25.1.1.2", "2.25.1.1.3", "2.25.7.1.1"}
            assert verify(site) == (4, [])
        finally:
            beside.close()


def put(intake: Intake, data: bytes) -> None:
    incoming = intake.begin_part10()
    incoming.write(data)
    incoming.finish()
    intake.flush()


def crash(shared: Databases) -> None:
    """The server dies at once, and is started again as the supervisor does."""
    process = shared.server._process
    assert process is not None
    process.send_signal(signal.SIGQUIT)
    process.wait(20)
    shared.server.start()


def test_verify_finds_the_one_flipped_byte_also_after_a_reindex(center: Site) -> None:
    fill(center)
    assert verify(center) == (9, [])
    with center.center.begin(SYSTEM) as tx:
        victim = center.center.archive.stored(tx, "2.25.1", "2.25.1.2", "2.25.1.2.2")[0]
    path = center.center.blobs.path(victim.place.key)
    data = bytearray(path.read_bytes())
    data[victim.place.offset + victim.place.length - 1] ^= 0x20
    path.write_bytes(data)
    for _ in range(2):
        count, damaged = verify(center)
        assert (count, [damage.stored.header.sop_uid for damage in damaged]) == (9, ["2.25.1.2.2"])
        assert damaged[0].reason == "its bytes have changed"
        reindex(center)
    assert center.events(kind="archive.verified")[-1].outcome == "failure"


def test_verify_names_a_lost_object(center: Site) -> None:
    center.put([instance()])
    center.center.intakes.tidy(0)
    [path] = center.settings.objects.rglob("*.tar")
    center.center.blobs.close()
    path.unlink()
    count, [damage] = verify(center)
    assert count == 1
    assert "not where the index says" in damage.reason


def crashed(site: Site, contents: list[bytes]) -> Path:
    """A segment as a killed process leaves it: marked open, nothing of it in the index."""
    with site.center.intakes.open(site.reader(), "dimse") as intake:
        for data in contents:
            incoming = intake.begin_part10()
            incoming.write(data)
            incoming.finish()
    [mark] = site.settings.open_marks.iterdir()
    with site.center.owner() as begin, begin(SYSTEM) as tx:
        store.clear_index(tx)
    site.center.indexer._memory.clear()
    for _, segment in site.center.intakes._idle:
        fcntl.flock(segment.fileno(), fcntl.LOCK_UN)  # as the end of its process does
    return site.center.blobs.path(recovery.Segment.key_of_mark(mark.name))


def test_a_segment_torn_at_any_edge_gives_back_what_was_committed(center: Site) -> None:
    contents = [instance(1, 1, n) for n in (1, 2, 3)]
    path = crashed(center, contents)
    whole = path.read_bytes()
    found = list(members(path))
    [mark] = center.settings.open_marks.iterdir()
    edges = {edge + d for m in found for edge in (m.at - BLOCK, m.at, m.at + m.length) for d in (-1, 0, 1, 300)}
    for cut in sorted(edge for edge in edges if 0 <= edge <= len(whole)):
        path.write_bytes(whole[:cut])
        mark.touch()
        complete = sum(m.at + m.length <= cut for m in found)
        assert recover(center) == complete, cut
        assert center.read("2.25.1") == [body(data) for data in contents[:complete]]
        with tarfile.open(path) as tar:
            assert len(tar.getmembers()) == complete
        with center.center.owner() as begin, begin(SYSTEM) as tx:
            store.clear_index(tx)
        center.center.blobs.close()


def test_a_member_whose_bytes_never_reached_the_disk_is_left_out_and_can_be_sent_again(center: Site) -> None:
    """After a loss of power the header may be there and the pixels zeros; it was not acknowledged."""
    pixels = {"Rows": 8, "Columns": 8, "BitsAllocated": 16, "SamplesPerPixel": 1, "PixelData": b"\x11\x22" * 64}
    contents = [instance(1, 1, n, **pixels) for n in (1, 2)]
    path = crashed(center, contents)
    last = list(members(path))[-1]
    data = bytearray(path.read_bytes())
    data[last.at + last.length - 100 : last.at + last.length] = bytes(100)
    path.write_bytes(data)
    assert recover(center) == 1
    assert [receipt.fate for receipt in center.put([contents[1]])] == ["stored"]
    assert center.read("2.25.1") == [body(one) for one in contents]
    reindex(center)
    assert center.read("2.25.1") == [body(one) for one in contents]
    assert verify(center) == (2, [])


def test_recovery_runs_twice_without_doubling(center: Site) -> None:
    crashed(center, [instance(1, 1, n) for n in (1, 2)])
    assert recover(center) == 2
    assert recover(center) == 0
    assert center.find(Level.STUDY).rows[0]["00201208"]["Value"] == [2]


def test_recovery_leaves_alone_what_another_process_still_writes(center: Site) -> None:
    intake = center.center.intakes.open(center.institution("COUNTY"), "import")
    incoming = intake.begin_part10()
    data = instance(7)
    incoming.write(data[: len(data) // 2])
    assert recover(center) == 0
    incoming.write(data[len(data) // 2 :])
    incoming.finish()
    intake.close()
    assert len(list(center.settings.open_marks.iterdir())) == 1
    assert verify(center) == (1, [])
