"""Whether the values of metadata can stand in a data set as they are: what would be cut, rounded or replaced is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from panorad.access.dicomweb.errors import MalformedBody

RANGES: Mapping[str, tuple[int, int]] = {
    "US": (0, 0xFFFF),
    "SS": (-0x8000, 0x7FFF),
    "UL": (0, 0xFFFFFFFF),
    "SL": (-0x80000000, 0x7FFFFFFF),
    "UV": (0, (1 << 64) - 1),
    "SV": (-(1 << 63), (1 << 63) - 1),
    "IS": (-0x80000000, 0x7FFFFFFF),
}
"""The smallest and largest whole number of each value representation (PS3.5 Table 6.2-1)."""

LARGEST: Mapping[str, float] = {"FL": 3.4028234663852886e38, "FD": math.inf, "DS": math.inf}
"""The largest number of each value representation of real numbers."""

NOT_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity", "+Infinity", "INF", "-INF", "+INF", "inf", "-inf", "nan"})
"""Texts that stand for what JSON has no number for (PS3.18 section F.2.3)."""

_TAG = re.compile(r"[0-9A-Fa-f]{8}")


def check_values(tag: str, element: Mapping[str, Any]) -> None:
    """Raise MalformedBody, naming the attribute, for a value that its value representation cannot hold."""
    vr, values = str(element.get("vr", "UN")), element.get("Value", ())
    if not isinstance(values, (list, tuple)):
        raise MalformedBody(f"the value of {tag[:8]} is no list")
    for value in values:
        if value is not None and not _fits(vr, value):
            raise MalformedBody(f"{tag[:8]} cannot hold {str(value)[:40]!a} as {vr[:2]}")


def _fits(vr: str, value: Any) -> bool:
    if vr in RANGES:
        number = _number(value) if vr == "IS" or not isinstance(value, str) else None
        low, high = RANGES[vr]
        return number is not None and number == int(number) and low <= number <= high
    if vr in LARGEST:
        if isinstance(value, str) and value.strip() in NOT_NUMBERS:
            return vr != "DS"
        number = _number(value)
        return number is not None and abs(number) <= LARGEST[vr]
    if vr == "AT":
        return isinstance(value, str) and _TAG.fullmatch(value) is not None
    texts = value.values() if vr == "PN" and isinstance(value, Mapping) else (value,)
    return not any(isinstance(text, str) and _lone_surrogate(text) for text in texts)


def _number(value: Any) -> float | int | None:
    """A finite number, given as one or as text."""
    if isinstance(value, bool):
        return None
    try:
        number = value if isinstance(value, int) else float(value)
        return number if isinstance(number, int) or math.isfinite(number) else None
    except (TypeError, ValueError, OverflowError):
        return None


def _lone_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)
