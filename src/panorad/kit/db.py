"""PostgreSQL through psycopg: a small pool, transactions under an actor, and the few verbs that stores use.

The runtime role `panorad_app` owns nothing and cannot bypass row-level security; what a transaction sees is set on it from its actor
(`panorad.institutions`, `panorad.everything`), so that a slice that forgets to ask gets nothing.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg.types.string import StrDumperUnknown
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from panorad.kit.errors import DatabaseDown, PanoradError
from panorad.kit.transaction import Party, Transaction

T = TypeVar("T")
Sink = Callable[[Transaction, list[Any]], None]
_RETRYABLE = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class _Text(StrDumperUnknown):
    """Text as PostgreSQL can hold it: without NUL and lone surrogates."""

    def dump(self, obj: str) -> Any:
        return _clean(obj).encode()


def _clean(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def as_json(value: Any) -> str:
    """JSON as PostgreSQL's jsonb can hold it: without NUL and lone surrogates."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return _clean(_NUL.sub(r"\1", text) if "\\u0000" in text else text)


def _configure(connection: psycopg.Connection[Any]) -> None:
    connection.adapters.register_dumper(str, _Text)


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """Remembers whom its session was last set up for, and whom its last transaction was for."""

    session: _Scope | None = None
    last: _Scope | None = None

    @cached_property
    def statement(self) -> psycopg.Cursor[tuple[Any, ...]]:
        """The one cursor for statements whose rows are taken at once."""
        return self.cursor()


class _Scope(NamedTuple):
    """What a transaction tells the database of its actor, and whether its commit waits for the disk."""

    everything: bool
    institutions: tuple[int, ...]
    durable: bool

    def settings(self, local: str) -> str:
        """The statements that set it, for the session or (`LOCAL`) for the transaction."""
        everything, durable = ("on" if flag else "off" for flag in (self.everything, self.durable))
        return (
            f"SET {local} panorad.everything = '{everything}';"
            f" SET {local} panorad.institutions = '{','.join(str(int(number)) for number in self.institutions)}';"
            f" SET {local} synchronous_commit = '{durable}'"
        )


def _command(connection: _Connection, statements: str) -> None:
    """Run statements that return nothing, by libpq's own call: BEGIN and COMMIT are half of all that is said to the database."""
    result = connection.pgconn.exec_(statements.encode())
    if connection.pgconn.status != psycopg.pq.ConnStatus.OK:
        raise psycopg.OperationalError(connection.pgconn.error_message.decode("utf-8", "replace").strip())
    if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(result)


def _open(connection: _Connection, scope: _Scope) -> None:
    """Begin a transaction for a scope, in one round trip.

    A session that serves the same scope again is set up for it once; a transaction for another scope than its session's says so itself.
    """
    if connection.session != scope and connection.last == scope:
        connection.session = None
        _command(connection, scope.settings("SESSION"))
        connection.session = scope
    connection.last = scope
    _command(connection, "BEGIN" if connection.session == scope else f"BEGIN; {scope.settings('LOCAL')}")


class Database:
    """One process's door to PostgreSQL. `sink` writes the events of a transaction just before it commits."""

    def __init__(self, dsn: str, sink: Sink, *, role: str | None = "panorad_app", size: int = 4, timeout_s: float = 10.0) -> None:
        self._sink = sink
        switch = f"-c role={role} " if role else ""
        options = f"{switch}-c jit=off -c statement_timeout=60000 -c TimeZone=UTC"
        self._pool: ConnectionPool[_Connection] = ConnectionPool(
            dsn,
            min_size=1,
            max_size=size,
            open=False,
            timeout=timeout_s,
            max_idle=60,
            num_workers=1,
            reconnect_timeout=3,
            configure=_configure,
            connection_class=_Connection,
            kwargs={"autocommit": True, "options": options, "application_name": "panorad"},
        )

    def open(self) -> None:
        """Start the pool; connections are made on demand."""
        self._pool.open(wait=False)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close(timeout=2)

    @contextmanager
    def begin(self, actor: Party, *, durable: bool = True) -> Iterator[Transaction]:
        """Open a transaction for `actor`; commit at the end of the block, roll back when it raises.

        `durable=False` lets the commit reach the disk a moment later: for changes that can be rebuilt (the index from the objects).
        Raises DatabaseDown when PostgreSQL cannot be reached.
        """
        connection = self._opened(_Scope(actor.sees is None, actor.sees or (), durable))
        try:
            tx = Transaction(actor, connection)
            try:
                yield tx
            except PanoradError as error:
                if error.keeps:
                    self._commit(tx, connection)
                raise
            self._commit(tx, connection)
        except BaseException as error:
            if not connection.closed and connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                try:
                    connection.execute("ROLLBACK")
                except psycopg.Error:
                    connection.close()
            if isinstance(error, psycopg.errors.QueryCanceled):
                raise DatabaseDown("a statement took too long") from error
            if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) and not isinstance(error, _RETRYABLE):
                raise DatabaseDown from error
            raise
        finally:
            self._pool.putconn(connection)

    def _opened(self, scope: _Scope) -> _Connection:
        """A connection with its transaction begun; connections that an ended server has left in the pool are thrown away."""
        for n in range(self._pool.max_size + 1):
            try:
                connection = self._pool.getconn()
            except (PoolTimeout, PoolClosed, psycopg.OperationalError) as error:
                raise DatabaseDown from error
            try:
                _open(connection, scope)
                return connection
            except psycopg.OperationalError as error:
                self._pool.putconn(connection)
                if n == self._pool.max_size:
                    raise DatabaseDown from error
            except BaseException:
                self._pool.putconn(connection)
                raise
        raise AssertionError("unreachable")

    def _commit(self, tx: Transaction, connection: _Connection) -> None:
        if tx.events:
            self._sink(tx, tx.events)
        _command(connection, "COMMIT")

    def begin_relaxed(self, actor: Party) -> Any:
        """Like `begin`, with a commit that may reach the disk a moment later."""
        return self.begin(actor, durable=False)


def retry(attempt: Callable[[], T], times: int = 5) -> T:
    """Run `attempt` again when PostgreSQL broke a deadlock or a serialization conflict."""
    for n in range(times):
        try:
            return attempt()
        except _RETRYABLE as error:
            if n == times - 1:
                raise DatabaseDown("too many transactions are in each other's way") from error
            time.sleep(0.01 * 2**n)
    raise AssertionError("unreachable")


def rows(tx: Transaction, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """All rows of a statement."""
    return tx.connection.statement.execute(statement, parameters).fetchall()  # type: ignore[no-any-return]


def one(tx: Transaction, statement: str, parameters: Any = None) -> tuple[Any, ...] | None:
    """The first row of a statement, or None."""
    return tx.connection.statement.execute(statement, parameters).fetchone()  # type: ignore[no-any-return]


def run(tx: Transaction, statement: str, parameters: Any = None) -> int:
    """Run a statement and return the number of rows it touched."""
    return int(tx.connection.statement.execute(statement, parameters).rowcount)


def run_many(tx: Transaction, statement: str, parameters: Sequence[Any]) -> None:
    """Run a statement once for each parameter set, pipelined."""
    with tx.connection.cursor() as cursor:
        cursor.executemany(statement, parameters)


def identity(tx: Transaction) -> str:
    """What tells this schema from every other one: cluster, database, and a table that a new schema has anew."""
    found = one(tx, "select system_identifier || '-' || (select oid from pg_database where datname = current_database()) || '-'"
                    " || 'series'::regclass::oid from pg_control_system()")  # fmt: skip
    return str(found[0]) if found else ""
