"""PostgreSQL through psycopg: a small pool, transactions under an actor, and the few verbs that stores use.

The runtime role `panorad_app` owns nothing and cannot bypass row-level security; what a transaction sees is set on it from its actor
(`panorad.institutions`, `panorad.parties`, `panorad.purpose`...), so that a slice that forgets to ask gets nothing.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.types.json import set_json_loads
from psycopg.types.string import StrDumperUnknown
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from panorad.kit.errors import DatabaseDown, NotRecorded, PanoradError
from panorad.kit.jsontext import dumps, loads
from panorad.kit.session import Scope, Session
from panorad.kit.transaction import Parameters, Party, Statement, Telling, Transaction

T = TypeVar("T")
Sink = Callable[[Transaction, list[Any]], Sequence[Statement]]
_PATIENCE_S = 0.005
"""How long a transaction waits for another one of this process rather than run beside it (docs/decisions/0012)."""
_RETRYABLE = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_UNWRITABLE = (psycopg.ProgrammingError, psycopg.IntegrityError, psycopg.errors.ReadOnlySqlTransaction)
"""What PostgreSQL says when a row may not be written: no privilege, a policy, a constraint, a standby."""
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
    text = dumps(value, str).decode()
    return _NUL.sub(r"\1", text) if "\\u0000" in text else text


def _configure(connection: Session) -> None:
    connection.adapters.register_dumper(str, _Text)
    set_json_loads(loads, connection)


class Database:
    """One process's door to PostgreSQL. `sink` gives the statements that write a transaction's events, `telling` see `rows_told`."""

    def __init__(
        self,
        dsn: str,
        sink: Sink,
        telling: Telling | None = None,
        *,
        role: str | None = "panorad_app",
        size: int = 4,
        timeout_s: float = 10.0,
    ) -> None:
        self._sink = sink
        self._telling = telling
        self._turn = threading.Lock()
        self._role = role or ""
        self._losses = 0
        switch = f"-c role={role} " if role else ""
        options = f"{switch}-c jit=off -c statement_timeout=60000 -c TimeZone=UTC"
        self._pool: ConnectionPool[Session] = ConnectionPool(
            dsn,
            min_size=1,
            max_size=size,
            open=False,
            timeout=timeout_s,
            max_idle=60,
            num_workers=1,
            reconnect_timeout=3,
            configure=_configure,
            connection_class=Session,
            kwargs={"autocommit": True, "client_encoding": "utf8", "options": options, "application_name": "panorad"},
        )

    def open(self) -> None:
        """Start the pool; connections are made on demand."""
        self._pool.open(wait=False)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close(timeout=2)

    @contextmanager
    def begin(self, actor: Party, *, durable: bool = True, role: str = "") -> Iterator[Transaction]:
        """Open a transaction for `actor`; commit at the end of the block, roll back when it raises.

        `durable=False` lets the commit reach the disk a moment later: for changes that can be rebuilt (the index from the objects).
        `role` is another database role than that of this door, for this transaction.
        Raises DatabaseDown when PostgreSQL cannot be reached.
        """
        with self._lent(Scope.of(actor, role or self._role, durable)) as session:
            try:
                tx = Transaction(actor, session, self._telling)
                try:
                    yield tx
                except PanoradError as error:
                    if error.keeps:
                        self._commit(tx, session)
                    raise
                self._commit(tx, session)
            except BaseException as error:
                session.roll_back()
                if isinstance(error, psycopg.errors.QueryCanceled):
                    raise DatabaseDown("a statement took too long") from error
                if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) and not isinstance(error, _RETRYABLE):
                    self._losses += 1
                    raise DatabaseDown from error
                raise

    @contextmanager
    def _lent(self, scope: Scope) -> Iterator[Session]:
        """A connection of the pool, once the transaction under way has ended if that is soon."""
        turn = self._turn.acquire(timeout=_PATIENCE_S)
        try:
            session = self._opened(scope)
            try:
                yield session
            finally:
                self._pool.putconn(session)
        finally:
            if turn:
                self._turn.release()

    def _opened(self, scope: Scope) -> Session:
        """A connection ready to begin a transaction; those that an ended server has left in the pool are thrown away."""
        for _ in range(self._pool.max_size + 1):
            try:
                session = self._pool.getconn()
            except (PoolTimeout, PoolClosed, psycopg.OperationalError) as error:
                raise DatabaseDown from error
            try:
                if not session.cut():
                    session.losses = self._losses
                    session.start(scope)
                    return session
            except psycopg.OperationalError:
                pass
            self._losses += 1
            session.close()
            self._pool.putconn(session)
        raise DatabaseDown

    def _commit(self, tx: Transaction, session: Session) -> None:
        try:
            session.commit_with(self._sink(tx, tx.events) if tx.events else ())
        except _UNWRITABLE as error:
            if tx.events:
                raise NotRecorded from error
            raise

    def begin_relaxed(self, actor: Party) -> Any:
        """Like `begin`, with a commit that may reach the disk a moment later."""
        return self.begin(actor, durable=False)

    def begin_ingest(self, actor: Party) -> Any:
        """Like `begin_relaxed`, under the role that may write the index of the actor's institution, and read nothing else."""
        return self.begin(actor, durable=False, role="panorad_ingest")


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


def rows(tx: Transaction, statement: str, parameters: Parameters = None) -> list[tuple[Any, ...]]:
    """All rows of a statement."""
    return tx.connection.rows(statement, parameters)  # type: ignore[no-any-return]


def rows_told(tx: Transaction, statement: str, parameters: Mapping[str, Any], event: Any) -> list[tuple[Any, ...]]:
    """All rows of a search, and the event that tells of it completed by the number of `matches`.

    Where it is the first statement of its transaction the two are committed by it; what follows then is a transaction of its own.
    Raises NotRecorded: no event, no answer.
    """
    if tx.telling is None:
        raise AssertionError("this database was opened without a way to tell")
    try:
        return tx.connection.rows(*tx.telling(tx, event, statement, parameters), whole=True)  # type: ignore[no-any-return]
    except _UNWRITABLE as error:
        raise NotRecorded from error


def one(tx: Transaction, statement: str, parameters: Parameters = None) -> tuple[Any, ...] | None:
    """The first row of a statement, or None."""
    return next(iter(tx.connection.rows(statement, parameters)), None)


def run(tx: Transaction, statement: str, parameters: Parameters = None) -> int:
    """Run a statement and return the number of rows it touched."""
    return tx.connection.perform(((statement, parameters),)).command_tuples or 0


def check(tx: Transaction) -> None:
    """Have the database answer."""
    tx.connection.rows("select 1", None)


def identity(tx: Transaction) -> str:
    """What tells this schema from every other one: cluster, database, and a table that a new schema has anew."""
    found = one(tx, "select system_identifier || '-' || (select oid from pg_database where datname = current_database()) || '-'"
                    " || 'series'::regclass::oid from pg_control_system()")  # fmt: skip
    return str(found[0]) if found else ""
