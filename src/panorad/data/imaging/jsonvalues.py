"""Values of raw data elements in the DICOM JSON Model (PS3.18 Annex F): one function for each kind of VR, none of which ever
fails.

A value that is not what its VR promises is given as text (PS3.18 Table F.2.3-1 allows a string for DS, IS, SV and UV), or,
where no string
is allowed, as null. Not-a-number and the infinities are the strings "NaN", "inf" and "-inf".
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

from panorad.data.imaging import charset

Value = list[Any]
Read = Callable[[bytes, tuple[str, ...], str], Value]
"""The encoded value, the values of Specific Character Set, and the byte order ("<" or ">") to the JSON "Value" list; empty for
no value."""

BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
"""The VRs that become InlineBinary or BulkDataURI (PS3.18 section F.2.7)."""
_SAFE_INTEGER = 1 << 53

_integer = re.compile(r"[+-]?\d{1,12}(\.0*)?").fullmatch
_decimal = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?").fullmatch


def text(raw: bytes, charsets: tuple[str, ...]) -> str:
    """Encoded text to Unicode."""
    return raw.decode("ascii") if raw.isascii() and b"\x1b" not in raw else charset.decode(raw, charsets).text


def _tokens(raw: bytes, charsets: tuple[str, ...], order: str) -> Value:
    """AE, AS, CS, DA, DT, TM, UI: padding on both sides does not count."""
    decoded = text(raw, charsets).strip("\0 ")
    return [part.strip("\0 ") or None for part in decoded.split("\\")] if decoded else []


def _strings(raw: bytes, charsets: tuple[str, ...], order: str) -> Value:
    """LO, SH, UC: leading spaces are insignificant in principle, but kept as written."""
    decoded = text(raw, charsets).rstrip("\0 ")
    return [part.rstrip("\0 ") or None for part in decoded.split("\\")] if decoded else []


def _whole_text(raw: bytes, charsets: tuple[str, ...], order: str) -> Value:
    """LT, ST, UT, UR: one value, in which a backslash is a character."""
    decoded = text(raw, charsets).rstrip("\0 ")
    return [decoded] if decoded else []


def _person_names(raw: bytes, charsets: tuple[str, ...], order: str) -> Value:
    """PN: an object for each value with a member for each component group that is there (PS3.18 section F.2.2)."""
    decoded = text(raw, charsets).rstrip("\0 ")
    if not decoded:
        return []
    names: Value = []
    for name in decoded.split("\\"):
        groups = {key: group.rstrip("\0 ") for key, group in zip(_NAME_GROUPS, name.split("="), strict=False)}
        names.append({key: group for key, group in groups.items() if group} or None)
    return names


_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def _integers(raw: bytes, charsets: tuple[str, ...], order: str) -> Value:
    return [_whole(part) for part in _tokens(raw, charsets, order)]


def _whole(part: str | None) -> int | str | None:
    if part is None or not _integer(part):
        return part
    return int(part.partition(".")[0])


def _decimals(raw: bytes, charsets: tuple[str, ...], order: str) -> Value:
    return [_real(part) for part in _tokens(raw, charsets, order)]


def _real(part: str | None) -> float | str | None:
    if part is None or not _decimal(part):
        return part
    number = float(part)
    return number if math.isfinite(number) else part


def _numbers(code: str) -> Read:
    size = struct.calcsize("<" + code)

    def read(raw: bytes, charsets: tuple[str, ...], order: str) -> Value:
        count = len(raw) // size
        return list(struct.unpack_from(f"{order}{count}{code}", raw))

    return read


def _wide(code: str) -> Read:
    plain = _numbers(code)

    def read(raw: bytes, charsets: tuple[str, ...], order: str) -> Value:
        return [n if -_SAFE_INTEGER < n < _SAFE_INTEGER else str(n) for n in plain(raw, charsets, order)]

    return read


def _floats(code: str) -> Read:
    plain = _numbers(code)

    def read(raw: bytes, charsets: tuple[str, ...], order: str) -> Value:
        return [n if math.isfinite(n) else _NOT_FINITE[str(n)] for n in plain(raw, charsets, order)]

    return read


_NOT_FINITE = {"nan": "NaN", "inf": "inf", "-inf": "-inf"}


def _tags(raw: bytes, charsets: tuple[str, ...], order: str) -> Value:
    pairs = struct.iter_unpack(order + "HH", raw[: len(raw) // 4 * 4])
    return [f"{group:04X}{element:04X}" for group, element in pairs]


READERS: Mapping[str, Read] = {
    **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "TM", "UI"), _tokens),
    **dict.fromkeys(("LO", "SH", "UC"), _strings),
    **dict.fromkeys(("LT", "ST", "UT", "UR"), _whole_text),
    "PN": _person_names,
    "IS": _integers,
    "DS": _decimals,
    "AT": _tags,
    "US": _numbers("H"),
    "SS": _numbers("h"),
    "UL": _numbers("I"),
    "SL": _numbers("i"),
    "UV": _wide("Q"),
    "SV": _wide("q"),
    "FL": _floats("f"),
    "FD": _floats("d"),
}
"""How the value of each VR that is neither binary nor a sequence is read."""
