"""Named queries: each `queries.sql` is a list of statements, every one under a `-- name: verb_object` line."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)[^\n]*\n", re.MULTILINE)


class Queries:
    """The statements of the `queries.sql` beside a store, read on first use."""

    def __init__(self, beside: str) -> None:
        self._path = Path(beside).with_name("queries.sql")

    @cached_property
    def _statements(self) -> dict[str, str]:
        parts = _NAME.split(self._path.read_text("utf-8"))
        return {name: body.strip().rstrip(";") for name, body in zip(parts[1::2], parts[2::2], strict=True)}

    def __getitem__(self, name: str) -> str:
        return self._statements[name]
