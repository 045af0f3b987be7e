"""The patient, study and series attributes of a data set in the DICOM JSON model (PS3.18 Annex F), for the index."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from struct import calcsize, iter_unpack
from typing import Any

from panorad.data.imaging import charset
from panorad.data.imaging.attributes import PATIENT, SERIES, STUDY, Attribute
from panorad.data.imaging.dictionary import entry
from panorad.data.imaging.elements import (
    DEFLATED,
    IMPLICIT_LE,
    UNDEFINED,
    Buffer,
    Coding,
    DatasetInvalid,
    Span,
    coding_of,
    items,
    tag_name,
    walk,
)
from panorad.data.imaging.header import CHARACTER_SET, PIXELS, inflate_head
from panorad.data.imaging.name_keys import name_keys
from panorad.model.instance import Description
from panorad.model.person_name import GROUPS

Json = dict[str, Any]
"""One element or one data set of the DICOM JSON model."""

MAX_DEPTH = 16
"""Sequences of the described attributes are kept to this depth."""
MAX_BINARY = 1024
"""Binary values of more bytes than this are left to the metadata of the instance."""
_PATIENT_NAME = 0x00100010
_KEPT: Mapping[int, Attribute] = {**PATIENT, **STUDY, **SERIES}
_WANTED = {**_KEPT, CHARACTER_SET: Attribute("CS", "SpecificCharacterSet"), **dict.fromkeys(PIXELS, Attribute("OW", "PixelData"))}


def describe(data: Buffer, transfer_syntax: str) -> Description:
    """Describes the patient, study and series of the data set in `data`, which must reach to the start of the pixel data.

    Text is decoded by the character set declared at its level, or by what it surely is where the declaration is missing or
    wrong. A value that cannot be read is left out; the warnings of the description name it. Raises `DatasetInvalid` when the
    data set cannot be walked.
    """
    if transfer_syntax in DEFLATED:
        data, transfer_syntax = inflate_head(data)[0], "1.2.840.10008.1.2.1"
    coding = coding_of(data, transfer_syntax)
    found, _ = walk(data, 0, len(data), coding, coding.wanted(_WANTED), frozenset(map(coding.raw, PIXELS)))
    reader = _Reader(data)
    charsets = reader.charsets(found, ())
    read = {
        tag: value
        for tag in sorted(found)
        if tag in _KEPT and (value := reader.element(tag, found[tag], coding, charsets, 0)) is not None
    }
    series = {_key(tag): value for tag, value in read.items() if tag in SERIES}
    study = {_key(tag): value for tag, value in read.items() if tag not in SERIES}
    keys = dict.fromkeys(key for name in study.get(_key(_PATIENT_NAME), {}).get("Value", ()) if name for key in name_keys(name))
    return Description(study, series, tuple(keys), tuple(dict.fromkeys(reader.warnings)))


def _key(tag: int) -> str:
    return f"{tag:08X}"


@dataclass(slots=True)
class _Reader:
    """Reads values out of one buffer and collects what is to be said about them."""

    data: Buffer
    warnings: list[str] = field(default_factory=list)

    def charsets(self, found: Mapping[int, Span], inherited: tuple[str, ...]) -> tuple[str, ...]:
        """The character sets of a level: its own declaration, else the enclosing one's (PS3.5 section 7.5.3)."""
        if CHARACTER_SET not in found or found[CHARACTER_SET][2] in (0, UNDEFINED):
            return inherited
        _, at, length = found[CHARACTER_SET]
        return charset.terms(bytes(self.data[at : at + length]))

    def element(self, tag: int, span: Span, coding: Coding, charsets: tuple[str, ...], depth: int) -> Json | None:
        """One element, None when it is left out."""
        declared, at, length = span
        vr = _vr(tag, declared)
        try:
            if vr == "SQ":
                return self._sequence(span, IMPLICIT_LE if declared == "UN" and coding.explicit else coding, charsets, depth)
            if length == UNDEFINED or at + length > len(self.data):
                return None
            raw = bytes(self.data[at : at + length])
            if vr in _BINARY:
                if len(raw) > MAX_BINARY:
                    return None
                return {"vr": vr, "InlineBinary": base64.b64encode(raw).decode()} if raw else {"vr": vr}
            values = list(self._values(tag, vr, raw, coding, charsets))
        except (DatasetInvalid, ValueError, OverflowError) as error:
            detail = error.detail if isinstance(error, DatasetInvalid) else "its value cannot be read"
            self.warnings.append(f"{tag_name(tag)} is left out: {detail}")
            return None
        return {"vr": vr, "Value": values} if any(value is not None for value in values) else {"vr": vr}

    def _values(self, tag: int, vr: str, raw: bytes, coding: Coding, charsets: tuple[str, ...]) -> Iterator[Any]:
        if vr in _NUMBERS:
            kind = coding.order + _NUMBERS[vr]
            whole = len(raw) - len(raw) % calcsize(kind)
            return (_number(value) for (value,) in iter_unpack(kind, raw[:whole]))
        if vr == "AT":
            whole = len(raw) - len(raw) % 4
            return (f"{group:04X}{element:04X}" for group, element in iter_unpack(coding.order + "HH", raw[:whole]))
        text, warning = charset.decode(raw, charsets if vr in _LOCAL else ())
        if warning:
            self.warnings.append(f"{tag_name(tag)}: {warning}")
        if vr in _SINGLE:
            return iter([text.rstrip("\0 ") or None])
        return map(_TEXTUAL.get(vr, _plain), text.rstrip("\0 ").split("\\"))

    def _sequence(self, span: Span, coding: Coding, charsets: tuple[str, ...], depth: int) -> Json:
        if depth >= MAX_DEPTH:
            raise DatasetInvalid(f"it is nested deeper than {MAX_DEPTH} levels")
        _, at, length = span
        value = [
            self._item(start, end, coding, charsets, depth + 1)
            for start, end in items(self.data, at, length, len(self.data), coding)
        ]
        return {"vr": "SQ", "Value": value} if value else {"vr": "SQ"}

    def _item(self, at: int, end: int, coding: Coding, charsets: tuple[str, ...], depth: int) -> Json:
        found, _ = walk(self.data, at, end, coding, None)
        charsets = self.charsets(found, charsets)
        standard = (tag for tag in sorted(found) if not tag >> 16 & 1 and tag & 0xFFFF and tag != CHARACTER_SET)
        return {
            _key(tag): value for tag in standard if (value := self.element(tag, found[tag], coding, charsets, depth)) is not None
        }


def _vr(tag: int, declared: str) -> str:
    """The VR to read an element by: the declared one, or the data dictionary's; names and sequences stay what they are."""
    kept = _KEPT.get(tag)
    if declared not in ("", "UN") and declared in _KNOWN and not (kept and kept.vr in ("PN", "SQ")):
        return declared
    if kept:
        return kept.vr
    found = entry(tag)
    return found.vr[:2] if found else "UN"


def _plain(text: str) -> str | None:
    return text.strip("\0 ") or None


def _integer(text: str) -> int | str | None:
    """IS as a number, or as the string it is when it is none (PS3.18 Table F.2.3-1)."""
    plain = text.strip("\0 ")
    try:
        return int(plain) if plain and len(plain) <= 16 else plain or None
    except ValueError:
        return plain


def _decimal(text: str) -> float | str | None:
    """DS as a number, or as the string it is when it is none."""
    plain = text.strip("\0 ")
    try:
        value = float(plain)
    except ValueError:
        return plain or None
    return value if math.isfinite(value) else plain


def _number(value: float) -> float | str:
    """A binary number; what JSON has no number for is a string (PS3.18 section F.2.5)."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _person(text: str) -> Mapping[str, str] | None:
    groups = zip(GROUPS, text.split("=", 2), strict=False)
    return {name: stripped for name, group in groups if (stripped := group.strip("\0 "))} or None


_NUMBERS: Mapping[str, str] = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_TEXTUAL: Mapping[str, Callable[[str], Any]] = {"PN": _person, "IS": _integer, "DS": _decimal}
_LOCAL = frozenset(["SH", "LO", "ST", "LT", "UC", "UT", "PN"])
_SINGLE = frozenset(["ST", "LT", "UT", "UR"])
_BINARY = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "UN"])
_KNOWN: frozenset[str] = (
    frozenset(["AE", "AS", "AT", "CS", "DA", "DS", "DT", "IS", "SQ", "TM", "UI"]) | _NUMBERS.keys() | _LOCAL | _SINGLE | _BINARY
)
