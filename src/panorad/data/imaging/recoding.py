"""A data set in another encoding: implicit or explicit VR, either byte order in, little endian out. No value is interpreted.

What is not understood keeps its bytes: private elements of an implicit data set become UN (PS3.5 section 6.2.2).
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Mapping

from panorad.data.imaging.dataset import Context, DataSet, Element, items_of
from panorad.data.imaging.elements import ITEM, LONG_VRS, UNDEFINED, DatasetInvalid

Change = tuple[str, Iterable[bytes], int]
"""A replaced or added element: VR, the pieces of its value, its length or `UNDEFINED`; a length of -1 removes the element."""

REMOVED: Change = ("", (), -1)
_LONG = frozenset(LONG_VRS)
_WIDTHS: Mapping[str, str] = {
    **dict.fromkeys(("US", "SS", "OW", "AT"), "H"),
    **dict.fromkeys(("UL", "SL", "FL", "OF", "OL"), "I"),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), "Q"),
}


def text_change(vr: str, value: str) -> Change:
    """A change to a text value, padded to even length."""
    raw = value.encode("ascii")
    raw += (b"\0" if vr == "UI" else b" ") * (len(raw) % 2)
    return vr, (raw,), len(raw)


def short_change(value: int) -> Change:
    """A change to a US value."""
    return "US", (struct.pack("<H", value),), 2


def swap(value: bytes, width: str) -> bytes:
    """The other byte order of numbers of an `array` type code; a ragged end stays."""
    numbers = array(width)
    whole = len(value) // numbers.itemsize * numbers.itemsize
    numbers.frombytes(value[:whole])
    numbers.byteswap()
    return numbers.tobytes() + value[whole:]


def recode(data: DataSet, elements: list[Element], implicit: bool, changes: Mapping[int, Change]) -> list[bytes | memoryview]:
    """The pieces of the data set in Implicit or Explicit VR Little Endian, with `changes` on the top level; group lengths and
    padding are left out.

    Raises:
        DatasetInvalid: a sequence of undefined length is damaged.
    """
    pieces: list[bytes | memoryview] = []
    writer = _Writer(data, implicit)
    pending = sorted(changes.items())
    context = Context().within(data.view, elements, data.big)
    for element in elements:
        while pending and pending[0][0] <= element[0]:
            writer.change(pieces, *pending.pop(0))
        if element[0] not in changes and element[0] & 0xFFFF and element[0] < 0xFFFC0000:
            writer.element(pieces, element, context, data.implicit)
    for tag, change in pending:
        writer.change(pieces, tag, change)
    return pieces


class _Writer:
    def __init__(self, data: DataSet, implicit: bool) -> None:
        self.data, self.implicit = data, implicit

    def head(self, tag: int, vr: str, length: int) -> bytes:
        group, number = tag >> 16, tag & 0xFFFF
        if self.implicit:
            return struct.pack("<HHI", group, number, length)
        if vr not in _LONG and length > 0xFFFF:
            vr = "UN"
        if vr in _LONG:
            return struct.pack("<HH2sHI", group, number, vr.encode(), 0, length)
        return struct.pack("<HH2sH", group, number, vr.encode(), length)

    def change(self, pieces: list[bytes | memoryview], tag: int, change: Change) -> None:
        vr, value, length = change
        if length >= 0:
            pieces.append(self.head(tag, vr, length))
            pieces.extend(value)

    def element(self, pieces: list[bytes | memoryview], element: Element, context: Context, implicit: bool) -> None:
        """`implicit` is the encoding at this depth of the source: that of the data set, or implicit within an unknown
        sequence."""
        tag, vr, start, stop, items = element
        view, big = self.data.view, self.data.big
        if implicit == self.implicit and not big:
            head = _head_length(view, element, implicit)
            stop += 8 if _undefined(view, start) and (items is not None or tag == 0x7FE00010) else 0
            pieces.append(view[start - head : stop])
            return
        if vr == "UN" and items is not None:  # its content is Implicit VR Little Endian everywhere, PS3.5 section 6.2.2 note 4
            pieces.append(self.head(tag, "UN", UNDEFINED))
            pieces.append(view[start : stop + 8])
            return
        if not vr:
            vr = "SQ" if items is not None else context.settle(tag, vr)
        if vr == "SQ":
            nested = self._sequence(element, context, implicit)
            if nested is not None:
                pieces.append(self.head(tag, "SQ", sum(map(len, nested))))
                pieces.extend(nested)
                return
            vr = "UN"
        value: bytes | memoryview = view[start:stop]
        if big and vr in _WIDTHS:
            value = swap(bytes(value), _WIDTHS[vr])
        pieces.append(self.head(tag, vr, stop - start))
        pieces.append(value)

    def _sequence(self, element: Element, context: Context, implicit: bool) -> list[bytes | memoryview] | None:
        data = self.data
        try:
            items = items_of(data.view, element, implicit, data.big)
        except DatasetInvalid:
            if element[4] is not None:
                raise
            return None
        pieces: list[bytes | memoryview] = []
        for item in items:
            inner = context.within(data.view, item, data.big)
            nested: list[bytes | memoryview] = []
            for each in item:
                if each[0] & 0xFFFF:
                    self.element(nested, each, inner, implicit)
            pieces.append(struct.pack("<HHI", ITEM >> 16, ITEM & 0xFFFF, sum(map(len, nested))))
            pieces.extend(nested)
        return pieces


def _undefined(view: memoryview, start: int) -> bool:
    return bytes(view[start - 4 : start]) == b"\xff\xff\xff\xff"


def _head_length(view: memoryview, element: Element, implicit: bool) -> int:
    tag, vr, start, _, _ = element
    if implicit or (vr not in _LONG):
        return 8
    return 12 if bytes(view[start - 12 : start - 8]) == struct.pack("<HH", tag >> 16, tag & 0xFFFF) else 8
