"""The event table: written with the change it tells of, followed without a gap, never changed."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from panorad.data import process
from panorad.data.process.recorder import Recorder, Retrieval
from panorad.data.process.service import CursorInvalid
from panorad.kit.errors import DatabaseDown, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.actor import SYSTEM
from panorad.model.event import KINDS, Event
from panorad.testing import Site
from panorad.testing import center as whole_center
from panorad.testing.center import Databases as OwnDatabases


def append(tx: Transaction, *events: Event) -> None:
    """Write events now, not at the end of the transaction."""
    tx.connection.perform(process.appending(tx, events))


def emit(site: Site, *details: dict[str, object], hold_s: float = 0) -> None:
    with site.center.begin(SYSTEM) as tx:
        append(tx, *(Event("query", {"study": "1.2"}, detail) for detail in details))
        time.sleep(hold_s)


def test_followers_miss_nothing_while_writers_commit_in_any_order(center: Site) -> None:
    """Four writers hold their transactions open for random times; a follower reads all the while, in small pages."""
    stop = threading.Event()
    seen: list[tuple[int, int]] = []
    cursors: list[int] = []

    def write(writer: int) -> None:
        chance = random.Random(writer)
        for n in range(40):
            emit(center, {"writer": writer, "n": n}, {"writer": writer, "n": n + 1000}, hold_s=chance.random() / 40)

    def follow() -> None:
        after = 0
        while True:
            ended = stop.is_set()
            with center.center.begin(SYSTEM) as tx:
                page = process.feed(tx, after, "query", 7)
            assert page.after == (page.events[-1].id if page.events else after)
            seen.extend((event.detail["writer"], event.detail["n"]) for event in page.events)
            cursors.extend(event.id for event in page.events)
            after = page.after
            if ended and not page.events:
                return

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    follower = threading.Thread(target=follow)
    for thread in (*threads, follower):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    follower.join(20)
    assert len(seen) == len(set(seen)) == 320
    assert {writer for writer, _ in seen} == {0, 1, 2, 3}
    assert len(set(cursors)) == 320


def test_an_open_transaction_holds_later_events_back_instead_of_being_skipped(center: Site) -> None:
    with center.center.begin(SYSTEM) as early:
        append(early, Event("query", {}, {"n": 1}))
        emit(center, {"n": 2})
        assert center.events(kind="query") == []
    assert [event.detail["n"] for event in center.events(kind="query")] == [1, 2]


def test_what_is_rolled_back_leaves_no_event(center: Site) -> None:
    class Broken(PanoradError):
        """Broken"""

    with pytest.raises(Broken), center.center.begin(SYSTEM) as tx:
        tx.emit(Event("query", {}, {"n": 1}))
        append(tx, Event("query", {}, {"n": 2}))
        raise Broken
    assert center.events(kind="query") == []


def test_a_refusal_that_keeps_its_trace_is_written_although_it_raises(center: Site) -> None:
    class Kept(PanoradError):
        """Kept"""

        keeps = True

    with pytest.raises(Kept), center.center.begin(SYSTEM) as tx:
        tx.emit(Event("access.refused", {}, {"n": 1}, "refused"))
        raise Kept
    assert [event.outcome for event in center.events(kind="access.refused")] == ["refused"]


@pytest.mark.parametrize("cursor", [-1, 2**63, 10**30])
def test_a_cursor_that_the_feed_never_gave_is_refused(center: Site, cursor: int) -> None:
    with pytest.raises(CursorInvalid), center.center.begin(SYSTEM) as tx:
        process.feed(tx, cursor)


def test_the_beginning_is_zero(center: Site) -> None:
    with center.center.begin(SYSTEM) as tx:
        assert process.feed(tx).events[0].kind == "institution.added"


def test_after_a_restore_from_a_longer_lived_cluster_new_events_still_come_last(center: Site) -> None:
    with center.center.owner() as begin, begin(SYSTEM) as tx:
        tx.connection.execute("update event set id = id + (1::bigint << 40)")
    with center.center.begin(SYSTEM) as tx:
        process.wind_clock(tx)
    emit(center, {"n": 1})
    with center.center.begin(SYSTEM) as tx:
        found = process.feed(tx).events
    assert [event.id for event in found] == sorted(event.id for event in found)
    assert found[-1].detail == {"n": 1}


def test_a_cursor_beyond_the_end_gives_nothing_and_stays(center: Site) -> None:
    with center.center.begin(SYSTEM) as tx:
        assert process.feed(tx, 2**62) == process.Feed((), 2**62)


def test_any_text_can_be_an_event(center: Site) -> None:
    texts = ["a\0b", "\\u0000", "\\\\u0000", '"', "\ud800", "张三", "%s", "{}"]
    emit(center, {"texts": texts, "\0": 1})
    [event] = center.events(kind="query")
    assert event.detail["texts"] == ["ab", "\\u0000", "\\\\u0000", '"', "?", "张三", "%s", "{}"]


def test_what_happened_to_a_study_newest_first(center: Site) -> None:
    emit(center, {"n": 1}, {"n": 2})
    with center.center.begin(SYSTEM) as tx:
        tx.emit(Event("query", {"study": "9.9"}))
    with center.center.begin(SYSTEM) as tx:
        rows = process.about(tx, "1.2", 10)
        assert [row.detail["n"] for row in rows] == [2, 1]
        assert len(process.about(tx, "1.2", 1)) == 1


def test_an_event_of_an_unknown_kind_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        Event("something.else")
    assert all(sentence and not sentence.endswith(".") for sentence in KINDS.values())


def test_partitions_are_there_before_they_are_needed(center: Site) -> None:
    with center.center.begin(SYSTEM) as tx:
        process.ensure_partitions(tx)
        process.ensure_partitions(tx)
        names = tx.connection.execute("select count(*) from pg_inherits where inhparent = 'event'::regclass").fetchone()
        assert names == (5,)
        assert tx.connection.execute("select distinct tableoid::regclass::text from event").fetchone() != ("event_rest",)


def test_a_first_retrieval_is_an_event_at_once_and_the_following_ones_are_added_up(center: Site) -> None:
    center.center._housekeeper.join(0)
    recorder = Recorder(center.center.database.begin_relaxed)
    county, town = center.institution("COUNTY"), center.institution("TOWN")
    for _ in range(100):
        recorder.retrieved(county, [Retrieval("1.2", "1.2.3", 1, 0)])
        recorder.retrieved(town, [Retrieval("1.2", "1.2.3", 0, 2)])
    recorder.retrieved(county, [Retrieval("1.2", "", 5, 0)])
    recorder.flush()
    recorder.flush()
    events = center.events(kind="instances.retrieved")
    assert sorted((e.actor, e.detail["instances"], e.detail["frames"], "series" in e.objects) for e in events) == [
        ("reader-county", 1, 0, True), ("reader-county", 5, 0, False), ("reader-county", 99, 0, True),
        ("reader-town", 0, 2, True), ("reader-town", 0, 198, True),
    ]  # fmt: skip


def test_retrievals_wait_for_a_database_that_is_away(tmp_path: Path) -> None:
    own = OwnDatabases(tmp_path / "postgres")
    own.start()
    try:
        with whole_center(own, tmp_path / "home") as site:
            recorder = Recorder(lambda actor: site.center.database.begin(actor))
            recorder.retrieved(SYSTEM, [Retrieval("1.2", "", 1, 0)])
            recorder.retrieved(SYSTEM, [Retrieval("1.2", "", 1, 0)])
            own.stop()
            with pytest.raises(DatabaseDown):
                recorder.retrieved(SYSTEM, [Retrieval("9.9", "", 1, 0)])
            recorder.flush()
            recorder.retrieved(SYSTEM, [Retrieval("1.2", "", 1, 0)])
            own.server.start()
            found = []
            deadline = time.monotonic() + 20
            while len(found) < 2 and time.monotonic() < deadline:
                recorder.flush()
                with suppress(DatabaseDown):
                    found = site.events(kind="instances.retrieved")
            assert sum(event.detail["instances"] for event in found if event.objects["study"] == "1.2") == 3
            assert [event for event in found if event.objects["study"] == "9.9"] == []
    finally:
        own.stop()
