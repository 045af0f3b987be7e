"""The rows of identities at a provider and of sign-ins under way."""

from __future__ import annotations

from typing import Any

from panorad.kit import db
from panorad.kit.sql import Queries
from panorad.kit.transaction import Transaction

Q = Queries(__file__)


def ask(tx: Transaction, name: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Rows of one named query of this slice."""
    return db.rows(tx, Q[name], parameters)


def one(tx: Transaction, name: str, *parameters: Any) -> tuple[Any, ...] | None:
    """The first row of one named query of this slice."""
    return db.one(tx, Q[name], parameters)


def change(tx: Transaction, name: str, *parameters: Any) -> int:
    """Run one named statement of this slice; how many rows it touched."""
    return db.run(tx, Q[name], parameters)
