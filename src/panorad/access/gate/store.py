"""The gate's rows."""

from __future__ import annotations

from typing import Any

from panorad.kit import db
from panorad.kit.sql import Queries
from panorad.kit.transaction import Transaction

Q = Queries(__file__)


def ask(tx: Transaction, name: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Rows of one named query of this slice; a single mapping names its parameters."""
    return db.rows(tx, Q[name], _given(parameters))


def one(tx: Transaction, name: str, *parameters: Any) -> tuple[Any, ...] | None:
    """The first row of one named query of this slice."""
    return db.one(tx, Q[name], _given(parameters))


def change(tx: Transaction, name: str, *parameters: Any) -> int:
    """Run one named statement of this slice; how many rows it touched."""
    return db.run(tx, Q[name], _given(parameters))


def _given(parameters: tuple[Any, ...]) -> Any:
    return parameters[0] if len(parameters) == 1 and isinstance(parameters[0], dict) else parameters
