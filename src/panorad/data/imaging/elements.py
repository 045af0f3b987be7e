"""Walking the data elements of an encoded data set without decoding their values (PS3.5 section 7.1).

Everything that reads a received data set stands on `walk`: one pass over one level of elements, values skipped by their
length, sequences of undefined length walked without recursion. It never copies, and hostile input costs time in
proportion to its size only, bounded by `MAX_ELEMENTS` and `MAX_DEPTH`.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from struct import error as StructError
from typing import Any

from panorad.kit.errors import Kind, PanoradError

Buffer = bytes | bytearray | memoryview | mmap.mmap
"""What a data set may lie in."""

UNDEFINED = 0xFFFFFFFF
MAX_DEPTH = 128
"""Sequences nested deeper than this are refused; the deepest IODs of PS3.3 need about a dozen."""
MAX_ELEMENTS = 4_000_000
"""A data set with more elements outside of its pixel data than this is refused."""

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

SHORT_VRS = tuple(
    ["AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"]
)
LONG_VRS = tuple(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
"""The value representations with a two-byte (PS3.5 Table 7.1-2) and with a four-byte length field (Table 7.1-1)."""
VRS = frozenset(vr.encode() for vr in SHORT_VRS + LONG_VRS)


class DatasetInvalid(PanoradError):
    """The DICOM data set cannot be read"""

    kind = Kind.INVALID


class HeaderIncomplete(DatasetInvalid):
    """The DICOM data set ends too early"""


@dataclass(frozen=True, slots=True)
class Coding:
    """How data elements are encoded: implicit or explicit VR, little or big endian (PS3.5 section 7.1 and Annex A)."""

    name: str
    explicit: bool
    order: str
    plain: Callable[..., tuple[int, int]]
    element: Callable[..., tuple[int, bytes, int]]
    length: Callable[..., tuple[int]]

    def raw(self, tag: int) -> int:
        """The tag as `element` and `plain` read it: little endian swaps group and element."""
        return tag if self.order == ">" else (tag & 0xFFFF) << 16 | tag >> 16

    tag = raw  # the same swap leads back

    def wanted(self, tags: Mapping[int, Any]) -> Mapping[int, int]:
        """A table of wanted tags as `walk` takes it."""
        return {self.raw(tag): tag for tag in tags}


def _coding(name: str, explicit: bool, order: str) -> Coding:
    return Coding(
        name,
        explicit,
        order,
        Struct(order + "II").unpack_from,
        Struct(order + "I2sH").unpack_from,
        Struct(order + "I").unpack_from,
    )


IMPLICIT_LE = _coding("Implicit VR Little Endian", False, "<")
EXPLICIT_LE = _coding("Explicit VR Little Endian", True, "<")
EXPLICIT_BE = _coding("Explicit VR Big Endian", True, ">")
_IMPLICIT_BE = _coding("Implicit VR Big Endian", False, ">")  # only inside UN of a big endian data set

_SYNTAXES: Mapping[str, Coding] = {
    "1.2.840.10008.1.2": IMPLICIT_LE,
    "1.2.840.113619.5.2": IMPLICIT_LE,
    "1.2.840.10008.1.2.2": EXPLICIT_BE,
}

DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
"""Transfer syntaxes whose whole data set is deflated: Deflated Explicit VR LE and the two of JPIP with deflate."""

Span = tuple[str, int, int]
"""One found element: its VR ("" when implicit), the offset of its value and its length (`UNDEFINED` as it stands)."""


def coding_of(data: Buffer, transfer_syntax: str) -> Coding:
    """The coding of a data set in this transfer syntax, corrected by what its first element shows.

    Every encapsulated and every unknown transfer syntax is Explicit VR Little Endian (PS3.5 A.4) unless the first element has
    no VR.
    """
    declared = _SYNTAXES.get(transfer_syntax, EXPLICIT_LE)
    if declared is EXPLICIT_BE or len(data) < 8:
        return declared
    vr = bytes(data[4:6])
    explicit = vr in VRS or (declared is EXPLICIT_LE and vr.isalpha() and vr.isupper())
    return EXPLICIT_LE if explicit else IMPLICIT_LE


def tag_name(tag: int) -> str:
    """A tag for people: "(0008,0018)"."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


_TOO_MANY = f"it has more than {MAX_ELEMENTS} elements before its pixel data"
_SHORT = frozenset(vr.encode() for vr in SHORT_VRS)
_LONG = frozenset(vr.encode() for vr in LONG_VRS)


def walk(
    data: Buffer,
    at: int,
    end: int,
    coding: Coding,
    wanted: Mapping[int, int] | None,
    stops: frozenset[int] = frozenset(),
) -> tuple[dict[int, Span], int]:
    """Walks one level of elements from `at` until `end`, an Item Delimitation Item or an element of `stops`.

    `wanted` maps raw tags (`Coding.raw`) to tags and names the elements to report; None reports all. `stops` is in raw tags.
    Returns the last of each wanted element and the offset where the walk stopped: behind the delimiter, or at the stopping
    element, which is reported too. Raises `HeaderIncomplete` when an element reaches beyond `end`, `DatasetInvalid` when the
    encoding makes no sense.
    """
    found: dict[int, Span] = {}
    explicit, order = coding.explicit, coding.order
    element, plain, long, item_end = coding.element, coding.plain, coding.length, coding.raw(ITEM_END)
    start, count = at, 0
    try:
        while at + 8 <= end:
            start = at
            count += 1
            if explicit:
                key, vr, length = element(data, at)
                at += 8
                if vr in _SHORT:
                    pass
                elif vr in _LONG:
                    (length,) = long(data, at)
                    at += 4
                elif key == item_end:
                    return found, at
                else:
                    vr, length, at = _odd_vr(data, start, end, vr, length, coding)
            else:
                key, length = plain(data, at)
                vr = b""
                at += 8
                if key == item_end:
                    return found, at
                if not key:
                    length = length or _padding(data, start, end)
            if wanted is None:
                found[coding.tag(key)] = (vr.decode(), at, length)
            elif key in wanted:
                found[wanted[key]] = (vr.decode(), at, length)
            if key in stops:
                return found, start
            if length == UNDEFINED:
                at, inside = _skip(data, at, end, _IMPLICIT[order] if vr == b"UN" else coding, MAX_ELEMENTS - count)
                count += inside
            else:
                at += length
            if count > MAX_ELEMENTS:
                raise DatasetInvalid(_TOO_MANY)
    except StructError:
        raise _cut(data, start, coding) from None
    if at != end and (at > end or any(data[at:end])):
        raise _cut(data, start, coding)
    return found, end


_IMPLICIT: Mapping[str, Coding] = {"<": IMPLICIT_LE, ">": _IMPLICIT_BE}


def _odd_vr(data: Buffer, at: int, end: int, vr: bytes, length: int, coding: Coding) -> tuple[bytes, int, int]:
    """An element whose VR is none that we know: (vr, length, offset of the value).

    A VR of two letters that a later edition may add has a four-byte length behind two zero bytes (PS3.5 section 7.1.2), unless
    these are not zero. What are no letters is the length of an element that some sender wrote in implicit VR.
    """
    if b"AA" <= vr <= b"ZZ" and vr.isalpha():
        return (vr, coding.length(data, at + 8)[0], at + 12) if length == 0 else (vr, length, at + 8)
    tag, length = coding.plain(data, at)
    return b"", length if tag or length else _padding(data, at, end), at + 8


def _padding(data: Buffer, at: int, end: int) -> int:
    """The length of an element that takes up zeros until the end, which some senders pad their data sets with."""
    if bytes(data[at:end]).count(0) < end - at:
        raise DatasetInvalid(f"zeros stand at byte {at} where an element must be")
    return end - at - 8


def _cut(data: Buffer, at: int, coding: Coding) -> HeaderIncomplete:
    if at + 4 > len(data):
        return HeaderIncomplete(f"it ends at byte {len(data)}, before the first element is complete")
    tag = coding.tag(coding.length(data, at)[0])
    return HeaderIncomplete(f"element {tag_name(tag)} at byte {at} reaches beyond the end at byte {len(data)}")


def _skip(data: Buffer, at: int, end: int, coding: Coding, allowed: int) -> tuple[int, int]:
    """From the first item of a sequence of undefined length to the byte behind its delimiter, at any depth without recursion.

    Returns that offset and how many elements and items were passed, at most `allowed`.
    """
    enclosing: list[Coding] = []
    among_items, count = True, 0
    plain, element, tag_of = coding.plain, coding.element, coding.tag
    item, item_end, sequence_end = map(coding.raw, (ITEM, ITEM_END, SEQUENCE_END))
    while at < end:
        count += 1
        if count > allowed:
            raise DatasetInvalid(_TOO_MANY)
        key, length = plain(data, at)
        if key == sequence_end:
            at += 8
            if not enclosing:
                return at, count
            coding, among_items = enclosing.pop(), False
        elif key == item:
            at += 8
            among_items = length != UNDEFINED
            at += length if among_items else 0
        elif among_items:
            raise DatasetInvalid(f"{tag_name(tag_of(key))} stands at byte {at} where an item of a sequence must be")
        elif key == item_end:
            at += 8
            among_items = True
        else:
            start, vr = at, b""
            at += 8
            if coding.explicit:
                _, vr, length = element(data, start)
                if vr in _LONG:
                    (length,) = coding.length(data, at)
                    at += 4
                elif vr not in _SHORT:
                    vr, length, at = _odd_vr(data, start, end, vr, length, coding)
            if length != UNDEFINED:
                at += length
                continue
            enclosing.append(coding)
            among_items = True
            if len(enclosing) >= MAX_DEPTH:
                raise DatasetInvalid(f"sequences are nested deeper than {MAX_DEPTH} levels at byte {start}")
            if vr == b"UN":
                coding = _IMPLICIT[coding.order]
    raise HeaderIncomplete(f"a sequence has no end before byte {end}")


def items(data: Buffer, at: int, length: int, end: int, coding: Coding) -> Iterator[tuple[int, int]]:
    """The items of the sequence whose value begins at `at`: (first element, end); the end is a bound where it is undefined."""
    limit = end if length == UNDEFINED else min(at + length, end)
    item = coding.raw(ITEM)
    while at + 8 <= limit:
        key, size = coding.plain(data, at)
        if key != item:
            return
        at += 8
        yield (at, limit) if size == UNDEFINED else (at, min(at + size, limit))
        at = walk(data, at, limit, coding, {})[1] if size == UNDEFINED else at + size
