"""Rows of grants, consents and policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panorad.kit import db
from panorad.kit.sql import Queries
from panorad.kit.transaction import Transaction

Q = Queries(__file__)


def ask(tx: Transaction, name: str, parameters: Mapping[str, Any] | tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Rows of one named query of this slice."""
    return db.rows(tx, Q[name], parameters)


def one(tx: Transaction, name: str, parameters: Mapping[str, Any] | tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The first row of one named query of this slice."""
    return db.one(tx, Q[name], parameters)


def change(tx: Transaction, name: str, parameters: Mapping[str, Any] | tuple[Any, ...]) -> int:
    """Run one named statement of this slice; how many rows it touched."""
    return db.run(tx, Q[name], parameters)
