"""The handle that services pass along: one request, message or job is one transaction, and only the edge commits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Party(Protocol):
    """Who a transaction acts for: what the database needs to know of an actor."""

    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def institution(self) -> int | None: ...  # noqa: D102
    @property
    def account(self) -> int | None: ...  # noqa: D102
    @property
    def purpose(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def sees(self) -> tuple[int, ...] | None: ...  # noqa: D102
    @property
    def strict(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def parties(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def audits(self) -> tuple[int, ...]: ...  # noqa: D102


Parameters = Sequence[Any] | Mapping[str, Any] | None
Statement = tuple[str, Parameters]
"""A statement with `%s` or `%(name)s` where its parameters go, and those."""

Telling = Callable[["Transaction", Any, str, Mapping[str, Any]], Statement]
"""Gives the statement that is a search and writes the event which tells of it: transaction, event, statement, parameters."""


class Transaction:
    """An open database transaction under one actor. Events emitted on it are written by it, or not at all."""

    __slots__ = ("actor", "connection", "events", "telling", "written")

    def __init__(self, actor: Party, connection: Any, telling: Telling | None = None) -> None:
        self.actor = actor
        self.connection = connection
        self.telling = telling
        self.events: list[Any] = []
        self.written = 0

    @property
    def losses(self) -> int:
        """How many connections this process has lost so far.

        When it grows, the server may have died, and with it the last moments of what was committed without waiting for the disk.
        """
        return int(self.connection.losses)

    def emit(self, event: Any) -> None:
        """Record that something happened; it is written just before this transaction commits."""
        self.events.append(event)


Begin = Callable[[Party], AbstractContextManager[Transaction]]
"""Opens a transaction for an actor: commits when the block ends, rolls back when it raises."""
