"""A structured report as a plain, accessible HTML page (PS3.3 section C.17.3, PS3.18 section 8.7.4): its content tree in
reading order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from panorad.data.imaging.elements import Buffer
from panorad.data.imaging.metadata import instance_metadata
from panorad.kit.errors import Kind, PanoradError

Json = Mapping[str, Any]
DEEPEST_HEADING = 6


class ReportAbsent(PanoradError):
    """The instance has nothing that can be shown"""

    kind = Kind.UNSUPPORTED


def to_html(part10: Buffer) -> bytes:
    """The content tree of a structured report as an HTML page in UTF-8. Raises `ReportAbsent` when the instance is no report."""
    attributes = instance_metadata(part10, "")
    if "0040A730" not in attributes:
        raise ReportAbsent
    title = _concept(attributes) or "Structured report"
    facts = [(name, text) for name, tag in _FACTS if (text := _first(attributes, tag))]
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title></head><body><main><h1>{escape(title)}</h1><dl>",
        *(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts),
        "</dl>",
        *_content(attributes, 2),
        "</main></body></html>",
    ]
    return "\n".join(lines).encode()


_FACTS = (
    ("Patient", "00100010"),
    ("Patient ID", "00100020"),
    ("Date", "00080023"),
    ("Institution", "00080080"),
    ("Completion", "0040A491"),
    ("Verification", "0040A493"),
)


def _content(item: Json, level: int) -> list[str]:
    lines: list[str] = []
    children = item.get("0040A730", {}).get("Value", [])
    listing = False
    for child in children:
        container = _first(child, "0040A040") == "CONTAINER"
        if listing == container:
            lines.append("</ul>" if listing else "<ul>")
            listing = not listing
        name = escape(_concept(child))
        nested = _content(child, min(level + 1, DEEPEST_HEADING))
        if container:
            lines += (f"<section><h{level}>{name or 'Section'}</h{level}>", *nested, "</section>")
        else:
            value = escape(_value(child))
            lines += (f"<li>{name}{': ' if name and value else ''}<strong>{value}</strong>", *nested, "</li>")
    if listing:
        lines.append("</ul>")
    return lines


def _concept(item: Json) -> str:
    return _meaning(item, "0040A043")


def _items(item: Json, tag: str) -> list[Json]:
    return [found for found in item.get(tag, {}).get("Value", []) if isinstance(found, dict)]


def _meaning(item: Json, tag: str) -> str:
    return next((_first(code, "00080104") or _first(code, "00080100") for code in _items(item, tag)), "")


def _first(item: Json, tag: str) -> str:
    value = next(iter(item.get(tag, {}).get("Value", [])), "")
    if isinstance(value, dict):
        return next(
            (str(value[group]).replace("^", " ") for group in ("Ideographic", "Alphabetic", "Phonetic") if group in value), ""
        )
    return "" if value is None else str(value)


def _measured(item: Json) -> str:
    for value in _items(item, "0040A300"):
        units = next((_first(code, "00080100") for code in _items(value, "004008EA")), "")
        return f"{_first(value, '0040A30A')} {units}".strip() if units != "1" else _first(value, "0040A30A")
    return _meaning(item, "0040A301")


def _reference(item: Json) -> str:
    return ", ".join(f"instance {_first(reference, '00081155')}" for reference in _items(item, "00081199"))


def _coordinates(item: Json) -> str:
    numbers = item.get("00700022", {}).get("Value", [])
    return f"{_first(item, '00700023').lower()} of {len(numbers) // 2} points"


_VALUES: Mapping[str, Callable[[Json], str]] = {
    "TEXT": lambda item: _first(item, "0040A160"),
    "CODE": lambda item: _meaning(item, "0040A168"),
    "NUM": _measured,
    "PNAME": lambda item: _first(item, "0040A123"),
    "DATE": lambda item: _first(item, "0040A121"),
    "TIME": lambda item: _first(item, "0040A122"),
    "DATETIME": lambda item: _first(item, "0040A120"),
    "UIDREF": lambda item: _first(item, "0040A124"),
    "IMAGE": _reference,
    "COMPOSITE": _reference,
    "WAVEFORM": _reference,
    "SCOORD": _coordinates,
}


def _value(item: Json) -> str:
    read = _VALUES.get(_first(item, "0040A040"))
    return read(item) if read else ""
