"""Markdown for the pages that are made from the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTE = "<!-- Made from the code by `python -m panorad.cli.reference`; a test fails when it differs. -->"
"""The remark at the head of every page made from the code."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a line end after each row; bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines)
