"""Row-level security as a matrix: every table that tells of patients x an actor of another institution -> nothing."""

from __future__ import annotations

import psycopg
import pytest

from panorad.data.imaging.intake import Refused
from panorad.kit.db import Database
from panorad.management import sharing
from panorad.management.sharing import Grantee, Patient, Scope
from panorad.model.actor import SYSTEM, Actor
from panorad.model.event import Event
from panorad.model.query import Level
from panorad.testing import Site
from tests.data.imaging.arrivals import instance

COLUMNS = "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and attidentity = ''"
OPEN = {
    "account", "account_identity", "account_role", "assertion", "client", "consent_policy", "event_clock", "event_seal", "follower",
    "institution", "node", "node_certificate", "object", "recovery_code", "schema_version", "second_factor", "session",
    "session_identity", "sign_in_flow", "sign_in_step", "sop_class", "source_failure", "token", "transfer_syntax", "welcome",
}  # fmt: skip
"""Tables that tell of no patient; every other one must be filtered."""


@pytest.fixture
def two(center: Site) -> tuple[Site, Actor, Actor]:
    """COUNTY with something in every table, and TOWN with nothing."""
    county, town = center.institution("COUNTY"), center.institution("TOWN")
    center.put([instance(1, 1, 1, PatientName="Zhang^San"), instance(1, 1, 1, PatientComments="other")], county)
    with pytest.raises(Refused):
        center.put([b"garbage" * 99], county)
    with center.center.begin(county) as tx:
        sharing.give(tx, Scope("study", "COUNTY", study="2.25.1"), Grantee("institution", "COUNTY"), ["treatment"], "manual")
        sharing.record_consent(tx, Patient("COUNTY", "COUNTY", "P1"), "permit", ["education"])
    return center, county, town


def tables(site: Site) -> list[str]:
    with site.center.begin(SYSTEM) as tx:
        found = tx.connection.execute("select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace")
        return [row[0] for row in found]


def ask(site: Site, actor: Actor, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    with site.center.begin(actor) as tx:
        return list(tx.connection.execute(statement, parameters))  # type: ignore[arg-type]


def test_every_table_shows_its_own_rows_and_no_others(two: tuple[Site, Actor, Actor]) -> None:
    site, county, town = two
    filled = 0
    for table in tables(site):
        if table in OPEN:
            continue
        if table.startswith("event_"):
            for actor in (county, town, SYSTEM):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    ask(site, actor, f"select * from {table}")
            continue
        assert ask(site, county, f"select 1 from {table}"), f"the fixture must fill {table}"
        assert ask(site, SYSTEM, f"select 1 from {table}"), table
        others = " where kind not in ('account.added', 'role.given')" if table == "event" else ""
        told = ask(site, town, f"select * from {table}{others}")
        assert told == [], table
        assert ask(site, Actor("person", "nobody"), f"select * from {table}") == [], table
        filled += 1
    assert filled >= 8


def test_nothing_can_be_written_for_another_institution(two: tuple[Site, Actor, Actor]) -> None:
    site, _, town = two
    for table in ("object", "study", "series", "instance", "name_key", "conflict", "quarantine"):
        columns = [row[0] for row in ask(site, SYSTEM, COLUMNS, table)]
        names = ", ".join(columns)
        values = ", ".join(f"(select {column} from seen)" for column in columns)
        with site.center.begin(SYSTEM) as tx:
            tx.connection.execute(f"create temporary table seen on commit drop as select * from {table} limit 1")
            tx.connection.execute("set local panorad.everything = 'off'")
            tx.connection.execute("grant select on seen to panorad_ingest")
            for name in ("institution", "institutions", "home"):
                tx.connection.execute(f"set local panorad.{name} = '{town.institution}'")
            tx.connection.execute("savepoint before")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
                tx.connection.execute(f"insert into {table} ({names}) values ({values})")
            tx.connection.execute("rollback to before; set local role panorad_ingest")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                tx.connection.execute(f"insert into {table} ({names}) values ({values})")
            tx.connection.execute("rollback")


def test_rows_of_others_cannot_be_changed(two: tuple[Site, Actor, Actor]) -> None:
    site, county, town = two
    for actor in (county, town, SYSTEM):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"), site.center.begin(actor) as tx:
            tx.connection.execute("update study set description = 'mine'")
    with site.center.begin(town) as tx:
        assert tx.connection.execute("update series set settled_version = 99").rowcount == 0
    with site.center.database.begin_ingest(town) as tx:
        assert tx.connection.execute("update study set description = 'mine'").rowcount == 0
        assert tx.connection.execute("select * from study").rowcount == 0
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"),
        site.center.database.begin_ingest(county) as tx,
    ):
        tx.connection.execute("update study set institution_id = %s", (town.institution,))


@pytest.mark.parametrize("table", ["account", "session", "access_grant", "consent", "reach", "node", "event", "account_role"])
def test_ingest_reads_nothing_but_the_index_of_its_institution(two: tuple[Site, Actor, Actor], table: str) -> None:
    site, county, _ = two
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"),
        site.center.database.begin_ingest(county) as tx,
    ):
        tx.connection.execute(f"select * from {table}")


def test_the_archive_answers_another_institution_with_nothing(two: tuple[Site, Actor, Actor]) -> None:
    site, county, town = two
    for level in Level:
        assert site.find(level, actor=county).rows
        assert site.find(level, actor=town).rows == ()
    for keys in ({"00100020": "P1"}, {"00100010": "zhang*"}, {"0020000D": "2.25.1"}):
        assert site.find(Level.STUDY, keys, actor=town).total == 0
    assert site.read("2.25.1", actor=town) == []
    with site.center.begin(town) as tx:
        assert site.center.lists.study(tx, "2.25.1") is None
        assert site.center.lists.quarantined(tx, 10, 0) == ([], 0)
        assert site.center.lists.conflicts(tx, 10, 0) == ([], 0)
        assert site.center.lists.quarantined_file(tx, 1) is None
        assert site.center.archive.statistics(tx)["studies"] == 0
    assert {event.kind for event in site.events(town)} <= {"institution.added", "account.added", "role.given"}


def test_the_institution_above_sees_what_is_below_and_not_the_other_way(center: Site) -> None:
    region = center.institution("REGION")
    county = center.institution("COUNTY", parent="REGION")
    town = center.institution("TOWN", parent="COUNTY")
    for number, actor in enumerate((region, county, town), 1):
        center.put([instance(number)], actor)
    region, county, town = (center.reader(code) for code in ("REGION", "COUNTY", "TOWN"))
    assert [center.find(Level.STUDY, actor=actor).total for actor in (region, county, town)] == [3, 2, 1]


@pytest.mark.parametrize(
    "verb",
    [
        "update event set actor = 'nobody'",
        "delete from event",
        "truncate event",
        "delete from study",
        "truncate study",
        "update event_rest set actor = ''",
        "alter table event disable row level security",
        "drop table study",
        "create table x (a integer)",
    ],
)
def test_the_runtime_role_can_neither_rewrite_history_nor_delete_images(two: tuple[Site, Actor, Actor], verb: str) -> None:
    site, _, _ = two
    before = len(site.events())
    with pytest.raises(psycopg.Error) as refused, site.center.begin(SYSTEM) as tx:
        tx.connection.execute(verb)
    assert isinstance(refused.value, psycopg.errors.InsufficientPrivilege)
    assert len(site.events()) == before


def test_what_one_transaction_saw_is_forgotten_by_the_next_on_the_same_connection(two: tuple[Site, Actor, Actor]) -> None:
    site, county, town = two
    database = Database(site.center.dsn, lambda tx, events: None, size=1)
    database.open()
    try:
        for _ in range(3):
            for actor, count in ((SYSTEM, 1), (town, 0), (county, 1), (Actor("person", "nobody"), 0)):
                with database.begin(actor) as tx:
                    assert tx.connection.execute("select count(*) from study").fetchone() == (count,)
        with database.begin(SYSTEM) as tx:
            tx.connection.execute("commit")
            assert tx.connection.execute("select count(*) from study").fetchone() == (0,), "outside a transaction nothing is seen"
    finally:
        database.close()


def test_an_event_tells_its_actors_institution(two: tuple[Site, Actor, Actor]) -> None:
    site, county, town = two
    with site.center.begin(town) as tx:
        tx.emit(Event("query", {}, {"level": "STUDY"}))
    assert "query" in [event.kind for event in site.events(town)]
    assert "query" not in [event.kind for event in site.events(county)]
