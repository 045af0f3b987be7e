"""An instance's attributes as a flat, indented table: the DICOM JSON model (PS3.18 Annex F) walked for reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from panorad.access.web.words import size, uid_name
from panorad.data.imaging.dictionary import entry

MOST_ROWS = 5000
LONGEST = 300
"""Characters of a value that are shown; the JSON form has all of it."""


@dataclass(frozen=True, slots=True)
class TagRow:
    """One attribute, or one item of a sequence (whose `tag` is empty).

    `depth` counts the sequences around it, `bulk` is where its bytes lie when they are kept apart.
    """

    depth: int
    tag: str
    name: str
    vr: str
    value: str
    uid_name: str = ""
    bulk: str = ""


def table(dataset: Mapping[str, Any]) -> tuple[tuple[TagRow, ...], bool]:
    """The rows of a data set in order of tags, and whether all of them are there."""
    rows = tuple(islice(_walk(dataset, 0), MOST_ROWS + 1))
    return rows[:MOST_ROWS], len(rows) <= MOST_ROWS


def _walk(dataset: Mapping[str, Any], depth: int) -> Iterator[TagRow]:
    for tag, element in sorted(dataset.items()):
        vr = str(element.get("vr", ""))
        values = element.get("Value", ())
        if vr != "SQ":
            yield TagRow(depth, _written(tag), _name(tag), vr, _text(element, values), _uid_name(vr, values), _bulk(element))
            continue
        yield TagRow(depth, _written(tag), _name(tag), vr, "")
        for number, item in enumerate(values, 1):
            yield TagRow(depth + 1, "", f"#{number}", "", "")
            yield from _walk(item or {}, depth + 2)


def _written(tag: str) -> str:
    return f"({tag[:4]},{tag[4:]})"


def _name(tag: str) -> str:
    try:
        known = entry(int(tag, 16))
    except ValueError:
        return ""
    return known.name if known else ""


def _uid_name(vr: str, values: Sequence[Any]) -> str:
    return uid_name(str(values[0])) if vr == "UI" and values else ""


def _bulk(element: Mapping[str, Any]) -> str:
    """The address of a value kept apart, if it lies on this site."""
    uri = str(element.get("BulkDataURI", ""))
    return uri if uri.startswith("/") else ""


def _text(element: Mapping[str, Any], values: Sequence[Any]) -> str:
    if "InlineBinary" in element:
        return size(len(element["InlineBinary"]) * 3 // 4)
    text = "\\".join(_one(value) for value in values)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _one(value: Any) -> str:
    if isinstance(value, Mapping):
        return "=".join(str(value.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
    return "" if value is None else str(value)
