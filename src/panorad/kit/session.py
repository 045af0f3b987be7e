"""A connection to PostgreSQL that says as much as it can in one message.

Most transactions here are four statements: BEGIN, one that reads, the event that tells of it, COMMIT. Each on its own costs a round trip,
and that is more than what the server does for it. So BEGIN goes along with the first statement and COMMIT with the last, as SQL text in
one simple query (PostgreSQL's protocol, 55.2.2.1). Statements are prepared once for each session and then run by EXECUTE, their
parameters quoted by psycopg.
"""

from __future__ import annotations

import re
import select
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult

from panorad.kit.transaction import Parameters, Party, Statement

_PLACE = re.compile(r"%(?:s|\((\w+)\)s|%)")
_QUOTABLE = re.compile(r"['\\\0]")
_MOST_PREPARED = 100
_BEGIN = b"BEGIN"


class _Known(NamedTuple):
    """What the database needs to know of an actor."""

    institution: int | None
    account: int | None
    purpose: str
    sees: tuple[int, ...] | None
    strict: tuple[int, ...]
    parties: tuple[int, ...]
    audits: tuple[int, ...]


class Scope(NamedTuple):
    """What a transaction tells the database of its actor; the role it runs under; and whether its commit waits for the disk."""

    actor: _Known
    role: str
    durable: bool

    @classmethod
    def of(cls, actor: Party, role: str, durable: bool) -> Scope:
        """The scope of an actor, without what the database does not ask for."""
        return cls(_Known(*(getattr(actor, name) for name in _Known._fields)), role, durable)

    def settings(self, local: str) -> str:
        """The statements that set it, for the session or (`LOCAL`) for the transaction."""
        actor = self.actor
        whole = set(actor.sees or ())
        values = {
            "panorad.everything": "on" if actor.sees is None else "off",
            "panorad.institution": "" if actor.institution is None else str(int(actor.institution)),
            "panorad.account": "" if actor.account is None else str(int(actor.account)),
            "panorad.purpose": "".join(letter for letter in actor.purpose if letter.isalpha() or letter == "-"),
            "panorad.home": _listed(actor.sees or ()),
            "panorad.institutions": _listed(sorted(whole.difference(actor.strict))),
            "panorad.strict": _listed(actor.strict),
            "panorad.parties": _listed(actor.parties),
            "panorad.audits": _listed(actor.audits),
            "synchronous_commit": "on" if self.durable else "off",
            **({"role": self.role} if self.role else {}),
        }
        return ";".join(f"SET {local} {name} = '{value}'" for name, value in values.items())


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(str(int(number)) for number in numbers)


class _Numbered(NamedTuple):
    """A statement with `$1`, `$2`...; and the names of its parameters in that order, or how many there are by position."""

    text: bytes
    names: tuple[str, ...]
    places: int


@lru_cache(2048)
def _numbered(statement: str) -> _Numbered:
    places: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        return f"${places.setdefault(found[1] or str(len(places)), len(places) + 1)}"

    text = _PLACE.sub(number, statement).encode()
    named = any(not name.isdigit() for name in places)
    return _Numbered(text, tuple(places) if named else (), len(places))


class Session(psycopg.Connection[tuple[Any, ...]]):
    """One connection, used by one thread at a time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._serves: Scope | None = None  # whom the session is set up for
        self._last: Scope | None = None  # whom the last transaction was for
        self._ahead = b""  # what goes before the next statement
        self._ready: dict[str, bytes] = {}  # the names of prepared statements, the one used last at the end
        self._numbered = 0
        self.losses = 0  # how many connections the process had lost when this one was lent
        self._transformer = Transformer(self)
        self._poll = select.poll()
        self._poll.register(self.pgconn.socket, select.POLLIN)

    def cut(self) -> bool:
        """Whether the server has ended this connection, as far as this side has heard."""
        if not self._poll.poll(0):
            return False
        try:
            self.pgconn.consume_input()
        except psycopg.OperationalError:
            return True
        return self.pgconn.status != ConnStatus.OK or bool(self._poll.poll(0))

    def start(self, scope: Scope) -> None:
        """Have the next statement begin a transaction for a scope.

        A session that serves the same scope again is set up for it once; a transaction for another scope than its session's says so.
        """
        self._ahead = b""
        if self._serves != scope and self._last == scope:
            self._serves = None
            self._say(scope.settings("SESSION").encode())
            self._serves = scope
        self._last = scope
        self._ahead = _BEGIN if self._serves == scope else f"BEGIN;{scope.settings('LOCAL')}".encode()

    def perform(self, statements: Sequence[Statement], end: str = "") -> PGresult:
        """Run statements one after the other, then `end`, in one message; the answer is the last one's.

        Errors: those of psycopg; nothing after the failing statement has run.
        """
        named = self._numbered
        message = [self._execution(*statement) for statement in statements]
        try:
            return self._say(b"\n;".join([*message, end.encode()] if end else message))
        except BaseException:
            new = {f"s{number}".encode() for number in range(named + 1, self._numbered + 1)}  # they may stand or not: not used again
            self._ready = {statement: name for statement, name in self._ready.items() if name not in new}
            raise

    def rows(self, statement: str, parameters: Parameters, whole: bool = False) -> list[tuple[Any, ...]]:
        """All rows of a statement. `whole`: where it is the first of its transaction it is a transaction by itself."""
        if whole and self._ahead == _BEGIN:
            self._ahead = b""
            result = self.perform(((statement, parameters),))
            self._ahead = _BEGIN
        else:
            result = self.perform(((statement, parameters),))
        transformer = self._transformer
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)

    def commit_with(self, statements: Sequence[Statement]) -> None:
        """Run the last statements of the transaction and commit it; nothing is said when nothing was."""
        if statements or not self._ahead:
            self.perform(statements, "COMMIT")
        self._ahead = b""

    def roll_back(self) -> None:
        """End the transaction, if one was begun, without a trace."""
        self._ahead = b""
        if not self.closed and self.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            try:
                self._say(b"ROLLBACK")
            except psycopg.Error:
                self.close()

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """A cursor of psycopg, for what `rows` and `perform` do not do; inside the transaction like them."""
        if self._ahead:
            self._say(b"")
        return super().cursor(*args, **kwargs)

    def _say(self, text: bytes) -> PGresult:
        if self._ahead:
            text, self._ahead = self._ahead + b"\n;" + text, b""
        result = self.pgconn.exec_(text)
        if self.pgconn.status != ConnStatus.OK:
            raise psycopg.OperationalError(self.pgconn.error_message.decode("utf-8", "replace").strip())
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise psycopg.errors.error_from_result(result)
        return result

    def _literal(self, value: Any) -> bytes:
        """A value as SQL text: the plain ones, which most are, by ourselves, the others by psycopg."""
        if type(value) is str and value.isascii() and not _QUOTABLE.search(value):
            return b"'%b'" % value.encode()
        if value is None:
            return b"NULL"
        return self._transformer.as_literal(value)

    def _execution(self, statement: str, parameters: Parameters) -> bytes:
        """The text that runs a statement, prepared before if it has parameters."""
        if not parameters:
            return statement.encode()
        numbered = _numbered(statement)
        values = [parameters[name] for name in numbered.names or range(numbered.places)]  # type: ignore[index]
        quoted = b",".join(map(self._literal, values))
        if (name := self._ready.pop(statement, None)) is not None:
            self._ready[statement] = name
            return b"EXECUTE %b(%b)" % (name, quoted)
        forget = b""
        if len(self._ready) >= _MOST_PREPARED:
            forget = b"DEALLOCATE %b;" % self._ready.pop(next(iter(self._ready)))
        self._numbered += 1
        name = self._ready[statement] = b"s%d" % self._numbered
        return b"%bPREPARE %b AS %b\n;EXECUTE %b(%b)" % (forget, name, numbered.text, name, quoted)
