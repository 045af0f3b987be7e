"""Identifiers of C-FIND, C-MOVE and C-GET: data sets without bulk data, read into elements and written from the DICOM JSON model.

Both ways are Little Endian, implicit or explicit VR (PS3.5 sections 7.1 and 7.5); the JSON model is PS3.18 Annex F.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from panorad.access.dimse.charset import UTF8, Charset
from panorad.access.dimse.conformance import IMPLICIT_LITTLE
from panorad.data.imaging.charset import decode as decode_text
from panorad.data.imaging.charset import terms
from panorad.data.imaging.dictionary import entry

UNDEFINED = 0xFFFFFFFF
DEPTH = 16
"""Deepest nesting of sequences that is read."""

LONG = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
"""Value representations with a four byte length (PS3.5 Table 7.1-1)."""

TEXT = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
"""Value representations that Specific Character Set governs (PS3.5 section 6.1.2.3)."""

UNSPLIT = frozenset(("LT", "ST", "UT", "UR"))
"""Value representations in which a backslash is text."""

NUMBERS: Mapping[str, struct.Struct] = {
    vr: struct.Struct(f"<{code}")
    for vr, code in {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}.items()
}

_TAG = struct.Struct("<HH")
_SHORT = struct.Struct("<HH2sH")
_EXPLICIT_LONG = struct.Struct("<HH2s2xI")
_IMPLICIT = struct.Struct("<HHI")

Row = Mapping[str, Any]


class InvalidIdentifier(Exception):
    """The identifier cannot be read, or does not fit its SOP class."""


@dataclass(frozen=True, slots=True)
class Element:
    """One key: its tag (eight upper-case hex digits), VR, values as text, and for a sequence its items."""

    tag: str
    vr: str
    values: tuple[str, ...] = ()
    items: tuple[tuple[Element, ...], ...] = ()


def vr_of(tag: str) -> str:
    """The VR of a tag by PS3.6; UN when unknown, the first where several are possible."""
    if known := entry(int(tag, 16)):
        return known.vr[:2]
    return "UL" if tag.endswith("0000") else "UN"


def decode(data: bytes, transfer_syntax: str) -> tuple[Element, ...]:
    """The elements of an identifier; raises InvalidIdentifier."""
    try:
        return _Reader(data, transfer_syntax == IMPLICIT_LITTLE).elements(0, len(data), (), 0)[0]
    except struct.error:
        raise InvalidIdentifier("the identifier is cut short") from None


class _Reader:
    def __init__(self, data: bytes, implicit: bool) -> None:
        self._data = data
        self._implicit = implicit

    def elements(self, at: int, end: int, charsets: tuple[str, ...], depth: int) -> tuple[tuple[Element, ...], int]:
        """The elements from `at` to `end` or an item delimiter, and where they stop."""
        found: list[Element] = []
        while at < end:
            group, number = _TAG.unpack_from(self._data, at)
            tag = f"{group:04X}{number:04X}"
            if tag == "FFFEE00D":
                return tuple(found), at + 8
            vr, length, at = self._head(tag, at)
            if vr == "SQ" or length == UNDEFINED:
                items, at = self._items(at, length, end, charsets, depth + 1)
                found.append(Element(tag, "SQ", (), items))
                continue
            if at + length > end:
                raise InvalidIdentifier(f"the value of ({tag[:4]},{tag[4:]}) is longer than what holds it")
            values = _values(vr, self._data[at : at + length], charsets)
            at += length
            if tag == "00080005":
                charsets = terms(self._data[at - length : at])
            found.append(Element(tag, vr, values))
        return tuple(found), at

    def _head(self, tag: str, at: int) -> tuple[str, int, int]:
        if self._implicit:
            return vr_of(tag), _IMPLICIT.unpack_from(self._data, at)[2], at + 8
        raw, length = _SHORT.unpack_from(self._data, at)[2:]
        vr = raw.decode("latin-1")
        if vr in LONG:
            return vr, _EXPLICIT_LONG.unpack_from(self._data, at)[3], at + 12
        return vr, length, at + 8

    def _items(
        self, at: int, length: int, end: int, charsets: tuple[str, ...], depth: int
    ) -> tuple[tuple[tuple[Element, ...], ...], int]:
        if depth > DEPTH:
            raise InvalidIdentifier("sequences are nested too deeply")
        stop = end if length == UNDEFINED else at + length
        if stop > end:
            raise InvalidIdentifier("a sequence is longer than what holds it")
        items = []
        while at < stop:
            group, number, size = _IMPLICIT.unpack_from(self._data, at)
            at += 8
            if (group, number) == (0xFFFE, 0xE0DD):
                break
            if (group, number) != (0xFFFE, 0xE000) or (size != UNDEFINED and at + size > stop):
                raise InvalidIdentifier("a sequence holds something else than items")
            item, at = self.elements(at, stop if size == UNDEFINED else at + size, charsets, depth)
            items.append(item)
        return tuple(items), at


def _values(vr: str, raw: bytes, charsets: tuple[str, ...]) -> tuple[str, ...]:
    if (number := NUMBERS.get(vr)) is not None:
        return tuple(str(value) for (value,) in number.iter_unpack(raw[: len(raw) // number.size * number.size]))
    if vr == "AT":
        return tuple(f"{group:04X}{element:04X}" for group, element in _TAG.iter_unpack(raw[: len(raw) // 4 * 4]))
    text = decode_text(raw, charsets).text if vr in TEXT or vr == "UN" else raw.decode("latin-1")
    parts = [text] if vr in UNSPLIT else text.split("\\")
    return tuple(part for part in (part.strip(" \0") for part in parts) if part)


def encode(row: Row, transfer_syntax: str, charsets: Sequence[str] = ()) -> bytes:
    """A data set from the DICOM JSON model: in ASCII, else in `charsets`, else in UTF-8, and it says in which."""
    for told in ((), tuple(charsets), UTF8):
        try:
            charset = Charset(told)
            said = {"00080005": {"vr": "CS", "Value": list(told)}} if told else {}
            return _Writer(transfer_syntax == IMPLICIT_LITTLE, charset).elements({**row, **said})
        except (UnicodeError, LookupError):
            continue
    raise InvalidIdentifier("the answer holds text that UTF-8 cannot")


class _Writer:
    def __init__(self, implicit: bool, charset: Charset) -> None:
        self._implicit = implicit
        self._charset = charset

    def elements(self, row: Row) -> bytes:
        return b"".join([self._element(tag, row[tag]) for tag in sorted(row)])

    def _element(self, tag: str, attribute: Mapping[str, Any]) -> bytes:
        vr = attribute.get("vr", "UN")
        raw = self._value(vr, [value for value in attribute.get("Value", ()) if value is not None])
        if len(raw) & 1:
            raw += b"\0" if vr in ("UI", "UN") else b" "
        group, element = int(tag[:4], 16), int(tag[4:], 16)
        if self._implicit:
            return _IMPLICIT.pack(group, element, len(raw)) + raw
        if vr in LONG:
            return _EXPLICIT_LONG.pack(group, element, vr.encode(), len(raw)) + raw
        return _SHORT.pack(group, element, vr.encode(), min(len(raw), 0xFFFE)) + raw[:0xFFFE]

    def _value(self, vr: str, values: Sequence[Any]) -> bytes:
        if vr == "SQ":
            items = (self.elements(item) for item in values)
            return b"".join(_IMPLICIT.pack(0xFFFE, 0xE000, len(item)) + item for item in items)
        if (number := NUMBERS.get(vr)) is not None:
            return b"".join(number.pack(value) for value in _numbers(vr, values))
        if vr == "AT":
            return b"".join(_TAG.pack(int(value[:4], 16), int(value[4:], 16)) for value in values)
        if vr == "PN":
            return b"\\".join(self._charset.encode(_person_name(value), name=True) for value in values)
        if vr in TEXT:
            return b"\\".join(self._charset.encode(str(value)) for value in values)
        return "\\".join(_decimal(value) if isinstance(value, float) else str(value) for value in values).encode("ascii")


def _numbers(vr: str, values: Iterable[Any]) -> Iterable[int | float]:
    kind: Callable[[Any], int | float] = float if vr in ("FL", "FD") else int
    return map(kind, values)


def _decimal(value: float) -> str:
    text = repr(value)
    return text if len(text) <= 16 else f"{value:.9e}"


def _person_name(value: Any) -> str:
    if isinstance(value, str):
        return value
    groups = [value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
    return "=".join(groups).rstrip("=")
