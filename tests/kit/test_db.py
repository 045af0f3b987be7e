"""Transactions, the text PostgreSQL can hold, and a database that comes back."""

from __future__ import annotations

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panorad.kit import db
from panorad.kit.db import Database
from panorad.kit.errors import DatabaseDown, Kind, PanoradError
from panorad.model.actor import SYSTEM, Actor
from panorad.testing import Databases, Site

anything = st.text(st.characters(exclude_categories=()))


def clean(value: object) -> object:
    """What PostgreSQL can hold of a JSON value."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [clean(one) for one in value]
    return {clean(name): clean(one) for name, one in value.items()} if isinstance(value, dict) else value


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.recursive(
        anything | st.integers(-(2**53), 2**53) | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(anything, inner, max_size=3),
    )
)
@pytest.mark.filterwarnings("ignore")
def test_any_value_goes_into_jsonb_and_comes_back(center: Site, value: object) -> None:
    with center.center.begin(SYSTEM) as tx:
        row = db.one(tx, "select %s::jsonb::text", (db.as_json(value),))
    assert row is not None
    assert json.loads(row[0]) == clean(json.loads(json.dumps(value)))


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "'", "\\", "%", "张三", ""])
def test_any_text_is_a_parameter(center: Site, text: str) -> None:
    with center.center.begin(SYSTEM) as tx:
        assert db.rows(tx, "select %s::text, %s::text[]", (text, [text])) == [(clean(text), [clean(text)])]


def test_short_transactions_of_a_process_follow_each_other(center: Site) -> None:
    inside: list[int] = []

    def perform(number: int) -> bool:
        """Whether another transaction was under way when this one began."""
        time.sleep(0.001)
        with center.center.begin(SYSTEM) as tx:
            met = bool(inside)
            inside.append(number)
            db.rows(tx, "select pg_sleep(0.0005)")
            inside.remove(number)
        return met

    perform(0)
    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(perform, range(400))) < 100


def test_a_long_transaction_does_not_stop_others(center: Site) -> None:
    with center.center.begin(SYSTEM) as tx:
        db.check(tx)
        with ThreadPoolExecutor(1) as thread:
            thread.submit(_check, center).result(5)


def _check(center: Site) -> None:
    with center.center.begin(SYSTEM) as tx:
        db.check(tx)


def test_no_turn_is_lost_where_the_database_cannot_be_reached() -> None:
    away = Database("host=127.0.0.1 port=1 user=nobody", lambda tx, events: (), timeout_s=0.05)
    away.open()
    try:
        for _ in range(2):
            with pytest.raises(DatabaseDown), away.begin(SYSTEM):
                pass
        assert not away._turn.locked()
    finally:
        away.close()


def test_a_block_that_raises_leaves_nothing(center: Site) -> None:
    with pytest.raises(ZeroDivisionError), center.center.begin(SYSTEM) as tx:
        db.run(tx, "insert into sop_class (uid) values ('1.2')")
        raise ZeroDivisionError
    with center.center.begin(SYSTEM) as tx:
        assert db.rows(tx, "select * from sop_class") == []


def test_an_error_in_the_database_leaves_the_connection_usable(center: Site) -> None:
    database = Database(center.center.dsn, lambda tx, events: [], size=1)
    database.open()
    try:
        for _ in range(3):
            with pytest.raises(psycopg.errors.DivisionByZero), database.begin(SYSTEM) as tx:
                db.one(tx, "select 1 / 0")
            with database.begin(SYSTEM) as tx:
                assert db.one(tx, "select 1") == (1,)
    finally:
        database.close()


def test_a_statement_that_takes_too_long_is_told_as_unavailable(center: Site) -> None:
    with pytest.raises(DatabaseDown, match="too long") as told, center.center.begin(SYSTEM) as tx:
        db.run(tx, "set local statement_timeout = 20")
        db.one(tx, "select pg_sleep(5)")
    assert told.value.kind is Kind.UNAVAILABLE


def test_conflicts_are_tried_again_and_then_told() -> None:
    tries: list[int] = []

    def attempt() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise psycopg.errors.DeadlockDetected
        return "done"

    assert db.retry(attempt) == "done"

    def hopeless() -> None:
        raise psycopg.errors.SerializationFailure

    with pytest.raises(DatabaseDown):
        db.retry(hopeless, times=2)


def test_no_database_is_one_sentence(tmp_path: Path) -> None:
    database = Database(f"host={tmp_path} dbname=none", lambda tx, events: [], timeout_s=0.3)
    database.open()
    try:
        with pytest.raises(DatabaseDown) as told, database.begin(SYSTEM):
            raise AssertionError("it cannot be opened")
        assert told.value.message == "The center's database cannot be reached"
    finally:
        database.close()


def test_connections_cut_by_the_server_are_replaced_without_an_error(center: Site, databases: Databases) -> None:
    with center.center.begin(SYSTEM) as tx:
        mine = db.one(tx, "select pg_backend_pid()")
    with psycopg.connect(center.center.dsn, autocommit=True) as other:
        others = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        other.execute(f"select pg_terminate_backend(pid) {others}")
        while other.execute(f"select count(*) {others}").fetchone() != (0,):
            time.sleep(0.01)
    with center.center.begin(SYSTEM) as tx:
        assert db.one(tx, "select pg_backend_pid()") != mine


def test_errors_say_what_their_class_says() -> None:
    class DiskGone(PanoradError):
        """The disk is gone.

        More for programmers.
        """

    assert DiskGone().message == "The disk is gone."
    assert str(DiskGone("sda")) == "The disk is gone: sda"


def test_whoever_comes_after_whom_each_transaction_sees_for_its_own_actor(center: Site) -> None:
    """One connection serves actors in any order, with failures in between; the database is told right each time."""
    database = Database(center.center.dsn, lambda tx, events: [], size=1)
    database.open()
    actors = [SYSTEM, Actor("person", "a", 1, (1,)), Actor("person", "b", 2, (2, 3)), Actor("person", "nobody", None, ())]
    chance = random.Random(7)
    asked = (
        "select current_setting('panorad.everything'), current_setting('panorad.institutions'), current_setting('synchronous_commit'),"
        " current_user::text"
    )
    try:
        for _ in range(300):
            actor, durable, fails = chance.choice(actors), chance.random() < 0.7, chance.random() < 0.2
            try:
                with database.begin(actor, durable=durable) as tx:
                    everything, institutions, commit, user = db.rows(tx, asked)[0]
                    assert everything == ("on" if actor.sees is None else "off")
                    assert institutions == ",".join(map(str, actor.sees or ()))
                    assert (commit, user) == ("on" if durable else "off", "panorad_app")
                    if fails:
                        db.one(tx, "select 1 / 0")
            except psycopg.errors.DivisionByZero:
                assert fails
    finally:
        database.close()


def test_statements_are_prepared_once_and_never_too_many(center: Site) -> None:
    """Named and positional parameters, statements of which some fail, many more than are kept prepared."""
    database = Database(center.center.dsn, lambda tx, events: [], size=1)
    database.open()
    try:
        for n in range(300):
            with database.begin(SYSTEM) as tx:
                assert db.rows(tx, f"select %(a)s::int + %(b)s::int, %(a)s::int, '%%', {n} -- a comment", {"a": n, "b": 2}) == [
                    (n + 2, n, "%", n)
                ]
                assert db.one(tx, "select %s::int - %s::int", (n, -3)) == (n + 3,)
            if n % 7 == 0:
                with pytest.raises(psycopg.errors.DivisionByZero), database.begin(SYSTEM) as tx:
                    db.one(tx, f"select {n} / %s::int", (0,))
                with pytest.raises(psycopg.errors.UndefinedColumn), database.begin(SYSTEM) as tx:
                    db.one(tx, f"select nothing{n}, %s::int", (0,))
        with database.begin(SYSTEM) as tx:
            again = "count(*) filter (where statement like '%AS select $1::int - $2::int%')"
            [prepared] = db.rows(tx, f"select count(*), {again} from pg_prepared_statements")
            assert prepared[0] <= 200
            assert prepared[1] == 1
    finally:
        database.close()


def test_what_was_sent_before_a_failing_statement_is_taken_back_with_it(center: Site) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation), center.center.begin(SYSTEM) as tx:
        twice = ("insert into sop_class (uid) values (%s)", ("1.2",))
        tx.connection.perform([twice, twice])
    with center.center.begin(SYSTEM) as tx:
        assert db.rows(tx, "select * from sop_class") == []
        assert db.run(tx, "insert into sop_class (uid) values (%s), (%s)", ("1.2", "1.3")) == 2


def test_a_transaction_without_a_statement_says_nothing(center: Site) -> None:
    with center.center.begin(SYSTEM) as tx:
        session = tx.connection
    assert session.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    with center.center.begin(SYSTEM) as tx:
        begun = tx.connection.execute("select now() < statement_timestamp()").fetchone()
        assert begun == (True,), "a cursor of psycopg is inside the transaction too"
