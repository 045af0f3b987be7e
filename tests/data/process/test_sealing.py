"""The event log under seal: whatever is changed behind the center's back is found, and named."""

from __future__ import annotations

import random
from typing import Any

import pytest

from panorad.data import process
from panorad.data.process import sealing
from panorad.model.actor import SYSTEM
from panorad.model.event import Event
from panorad.testing import Site


def happen(site: Site, count: int, transactions: int = 1) -> None:
    for n in range(transactions):
        with site.center.begin(SYSTEM) as tx:
            for m in range(count):
                tx.emit(Event("query", {"study": f"1.2.{n}"}, {"matches": m, "ratio": 0.1, "keys": ["00100010"]}))


def fault(site: Site, kept: str = "") -> str | None:
    return process.verify(site.center.begin, lambda done: None, kept).fault


def tamper(site: Site, statement: str, parameters: tuple[Any, ...] = ()) -> None:
    """As the owner of the database, past the role that the center works under."""
    with site.center.owner() as owner, owner(SYSTEM) as tx:
        tx.connection.execute(statement, parameters)


def sealed(site: Site) -> list[int]:
    with site.center.begin(SYSTEM) as tx:
        upto = tx.connection.execute("select max(last_id) from event_seal").fetchone()[0]
        return [row[0] for row in tx.connection.execute("select id from event where id <= %s order by id", (upto,))]


@pytest.fixture
def site(center: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Some sealed events, five under one seal."""
    monkeypatch.setattr(sealing, "MOST", 5)
    happen(center, 3, 6)
    assert process.seal_some(center.center.begin, 100) >= 18
    return center


def test_every_event_is_sealed_once_and_the_chain_holds(site: Site) -> None:
    before = sealed(site)
    verdict = process.verify(site.center.begin, lambda done: None)
    assert (verdict.fault, verdict.events) == (None, len(before))
    assert verdict.seals == -(-len(before) // 5)
    happen(site, 1)
    process.seal_some(site.center.begin)
    after = process.verify(site.center.begin, lambda done: None, verdict.head)
    assert (after.fault, after.events) == (None, len(before) + 2)  # the new one, and that the log was read
    assert [event.kind for event in site.events(kind="audit.verified")] == ["audit.verified"] * 2


CHANGES = [
    "actor = actor || ' '",
    "at = at + interval '1 microsecond'",
    "kind = 'study.stored'",
    "outcome = 'refused'",
    "actor_kind = 'person'",
    "account_id = 7",
    "institution_id = coalesce(institution_id, 0) + 1",
    "purpose = 'treatment'",
    "source = '10.0.0.1'",
    """objects = objects || '{"patient": "1"}'""",
    """detail = detail || '{"ratio": 0.10000000000000001}'""",
]


@pytest.mark.parametrize("change", CHANGES)
def test_one_changed_value_is_named(site: Site, change: str) -> None:
    victim = random.Random(change).choice(sealed(site))
    tamper(site, f"update event set {change} where id = %s", (victim,))
    assert fault(site).startswith(f"event {victim} was changed")  # type: ignore[union-attr]


@pytest.mark.parametrize("position", [0, 4, 7, -1])
def test_a_lost_event_is_told_by_its_place(site: Site, position: int) -> None:
    ids = sealed(site)
    victim = ids[position]
    tamper(site, "delete from event where id = %s", (victim,))
    said = fault(site)
    assert said is not None
    assert "is missing" in said
    neighbours = [str(ids[n]) for n in (ids.index(victim) - 1, (ids.index(victim) + 1) % len(ids))]
    assert any(neighbour in said for neighbour in neighbours), said


@pytest.mark.parametrize("position", [0, 3, 9])
def test_an_added_event_is_named(site: Site, position: int) -> None:
    fresh = sealed(site)[position] + 100  # between two transactions
    tamper(site, "insert into event (id, kind, actor_kind, actor, purpose) values (%s, 'query', 'system', 'x', 'operation')", (fresh,))
    assert f"event {fresh} was added" in (fault(site) or "")


def test_a_whole_batch_lost_and_two_rows_changed_places(site: Site) -> None:
    ids = sealed(site)
    tamper(site, "delete from event where id = any (%s)", (ids[5:10],))
    assert fault(site) == "an event of this batch is missing (seal 2)"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("update event_seal set rows = set_byte(rows, 20, 255 - get_byte(rows, 20)) where number = 2", "seal 2 was changed"),
        ("update event_seal set chain = set_byte(chain, 0, 255 - get_byte(chain, 0)) where number = 2", "seal 2 was changed"),
        ("update event_seal set last_id = last_id + 1 where number = 1", "seal 1 was changed"),
        ("delete from event_seal where number = 2", "seal 2 is missing"),
        ("delete from event_seal where number = 1", "seal 1 is missing"),
    ],
)
def test_a_seal_that_is_not_what_it_was(site: Site, statement: str, said: str) -> None:
    tamper(site, statement)
    assert fault(site) == said


def test_a_log_sealed_anew_is_told_by_a_head_that_was_noted(site: Site) -> None:
    noted = process.verify(site.center.begin, lambda done: None).head
    assert fault(site, noted) is None
    tamper(site, "update event set actor = 'nobody' where id = %s", (sealed(site)[0],))
    tamper(site, "truncate event_seal")
    process.seal_some(site.center.begin, 100)
    assert fault(site) is None
    assert fault(site, noted) == f"the chain does not lead through {noted}"
    assert site.events(kind="audit.verified")[-1].outcome == "failure"


def test_events_that_are_not_final_wait(center: Site) -> None:
    process.seal_some(center.center.begin)
    with center.center.begin(SYSTEM) as older:
        older.connection.execute("select pg_current_xact_id()")
        happen(center, 2)
        assert process.seal_some(center.center.begin) == 0
    assert process.seal_some(center.center.begin) == 2


def test_two_processes_do_not_seal_at_once(center: Site) -> None:
    happen(center, 1)
    with center.center.begin(SYSTEM) as tx:
        assert sealing.seal(tx) > 0
        assert process.seal_some(center.center.begin) == 0


def test_the_center_itself_can_change_neither_events_nor_seals(site: Site) -> None:
    for statement in ("update event set actor = 'x'", "delete from event", "update event_seal set number = 9", "delete from event_seal"):
        with pytest.raises(Exception, match="permission denied"), site.center.begin(SYSTEM) as tx:
            tx.connection.execute(statement)
