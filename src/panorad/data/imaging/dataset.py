"""A complete Part 10 file as a tree of raw data elements (PS3.5 section 7, PS3.10 section 7.1): found without decoding or
copying any value.

`panorad.data.imaging.elements` walks what is being received; here everything has arrived, and what is asked for is the whole
tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct, unpack_from
from struct import error as StructError

from panorad.data.imaging.dictionary import entry
from panorad.data.imaging.elements import (
    ITEM,
    ITEM_END,
    LONG_VRS,
    MAX_DEPTH,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    Buffer,
    DatasetInvalid,
    coding_of,
)
from panorad.data.imaging.header import inflate
from panorad.data.imaging.part10 import split
from panorad.data.imaging.syntaxes import Syntax, syntax_of

Items = list[list["Element"]]
Element = tuple[int, str, int, int, Items | None]
"""Tag, VR ("" when implicit), start and end of the value in the buffer, and the items when the value is a sequence of undefined
length."""

PIXEL_DATA, FLOAT_PIXELS, DOUBLE_PIXELS = 0x7FE00010, 0x7FE00008, 0x7FE00009
_VRS = {vr.encode(): (vr, vr in LONG_VRS) for vr in SHORT_VRS + LONG_VRS}
_EXPLICIT = {False: Struct("<HH2sH").unpack_from, True: Struct(">HH2sH").unpack_from}
_IMPLICIT = {False: Struct("<HHI").unpack_from, True: Struct(">HHI").unpack_from}
_LONG = {False: Struct("<I").unpack_from, True: Struct(">I").unpack_from}


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set in memory: its file meta, and where its elements lie in `view` (the inflated bytes when it was deflated).

    `implicit` tells that VRs are left out, whatever the transfer syntax claims; `big` that numbers are big endian.
    """

    view: memoryview
    start: int
    syntax: Syntax
    meta: dict[str, str]
    implicit: bool
    big: bool

    def elements(self) -> list[Element]:
        """The elements of the top level, in the order in which they lie. Raises `DatasetInvalid`."""
        return scan(self.view, self.start, len(self.view), self.implicit, self.big)[0]

    def value(self, element: Element) -> bytes:
        """The value of an element, as encoded."""
        return bytes(self.view[element[2] : element[3]])


def open_part10(part10: Buffer) -> DataSet:
    """Split a complete Part 10 file (or a bare data set) and inflate it when it is deflated.

    Raises:
        DatasetInvalid: it is no DICOM, its file meta information is broken, or deflated bytes are damaged or grow too large.
    """
    view = memoryview(part10)
    at, uid, meta = split(view)
    syntax = syntax_of(uid)
    if syntax.deflated:
        view, at = memoryview(inflate(view[at:])), 0
    coding = coding_of(view[at : at + 8], uid)
    return DataSet(view, at, syntax, meta, not coding.explicit, coding.order == ">")


def _element(view: memoryview, at: int, end: int, implicit: bool, big: bool) -> Element:
    """The element whose tag lies at `at`; its end is -1 when the length is undefined."""
    try:
        group, number, code, length = _EXPLICIT[big](view, at)
        start, vr = at + 8, ""
        if not implicit and code in _VRS:
            vr, long = _VRS[code]
        elif not implicit and code.isalpha() and code.isupper():  # a VR of a later edition, PS3.5 section 7.1.2
            vr, long = "UN", length == 0
        else:  # implicit, or the delimiters and odd elements of an explicit data set that have no VR
            group, number, length = _IMPLICIT[big](view, at)
            long = False
        if long:
            (length,) = _LONG[big](view, start)
            start += 4
    except StructError:
        raise DatasetInvalid(f"it ends inside an element at byte {at}") from None
    if length == UNDEFINED:
        return (group << 16 | number, vr, start, -1, None)
    if start + length > end:
        raise DatasetInvalid(f"({group:04X},{number:04X}) reaches {start + length - end} bytes past the end")
    return (group << 16 | number, vr, start, start + length, None)


def scan(view: memoryview, at: int, end: int, implicit: bool, big: bool, depth: int = 0) -> tuple[list[Element], int]:
    """The elements from `at` to `end` or to an item delimiter, and where the walk stopped (past the delimiter).

    Raises:
        DatasetInvalid: an element reaches past the end, or sequences nest deeper than `MAX_DEPTH`.
    """
    if depth > MAX_DEPTH:
        raise DatasetInvalid(f"its sequences nest deeper than {MAX_DEPTH} levels")
    found: list[Element] = []
    vrs, add, explicit, unpack, long_length = _VRS, found.append, not implicit, _EXPLICIT[big], _LONG[big]
    last = end - 12
    while at + 8 <= end:
        if explicit and at <= last:  # the hot path: everything but undefined lengths and odd VRs
            group, number, code, length = unpack(view, at)
            known = vrs.get(code)
            if known is not None:
                start = at + 8
                if known[1]:
                    length = long_length(view, start)[0]
                    start += 4
                if length != UNDEFINED and start + length <= end:
                    at = start + length
                    add((group << 16 | number, known[0], start, at, None))
                    continue
        element = _element(view, at, end, implicit, big)
        tag, vr, start, stop, _ = element
        if tag == ITEM_END:
            return found, start
        if stop >= 0:
            add(element)
            at = stop
        elif tag == PIXEL_DATA or vr in ("OB", "OW"):
            stop, at = _fragments_end(view, start, end, big)
            add((tag, vr or "OB", start, stop, None))
        else:
            unknown = vr == "UN"
            items, stop, at = _items(view, start, end, implicit or unknown, big and not unknown, depth)
            add((tag, vr, start, stop, items))
    return found, at


def _fragments_end(view: memoryview, at: int, end: int, big: bool) -> tuple[int, int]:
    unpack = _IMPLICIT[big]
    while at + 8 <= end:
        group, number, length = unpack(view, at)
        tag = group << 16 | number
        if tag == SEQUENCE_END:
            return at, at + 8
        if tag != ITEM or length == UNDEFINED or at + 8 + length > end:
            raise DatasetInvalid("its encapsulated pixel data is no run of fragments")
        at += 8 + length
    return at, end


def _items(view: memoryview, at: int, end: int, implicit: bool, big: bool, depth: int) -> tuple[Items, int, int]:
    unpack = _IMPLICIT[big]
    items: Items = []
    while at + 8 <= end:
        group, number, length = unpack(view, at)
        tag = group << 16 | number
        if tag == SEQUENCE_END:
            return items, at, at + 8
        if tag != ITEM:
            raise DatasetInvalid(f"({group:04X},{number:04X}) stands where a sequence item should")
        if length == UNDEFINED:
            elements, at = scan(view, at + 8, end, implicit, big, depth + 1)
        elif at + 8 + length > end:
            raise DatasetInvalid("a sequence item reaches past the end of its sequence")
        else:
            elements, at = scan(view, at + 8, at + 8 + length, implicit, big, depth + 1)[0], at + 8 + length
        items.append(elements)
    return items, at, at


def items_of(view: memoryview, element: Element, implicit: bool, big: bool, depth: int = 0) -> Items:
    """The items of a sequence element, each a list of its elements. Raises `DatasetInvalid` when the value is no run of items."""
    if element[4] is not None:
        return element[4]
    return _items(view, element[2], element[3], implicit, big, depth)[0]


@lru_cache(maxsize=8192)
def dictionary_vr(tag: int, creator: str = "") -> str:
    """The VR in the data dictionary (PS3.6), of a private attribute in that of its creator; "UN" when unknown.

    Choices stay as written there, for example "US or SS": `Context.settle` makes them.
    """
    if tag & 0xFFFF == 0:
        return "UL"
    try:
        if not tag >> 16 & 1:
            known = entry(tag)
            return known.vr if known else "UN"
        if 0x10 <= tag & 0xFFFF <= 0xFF:
            return "LO"
        if not creator:
            return "UN"
        from pydicom.datadict import private_dictionary_VR

        return private_dictionary_VR(tag, creator)
    except KeyError:
        return "UN"


@dataclass(slots=True)
class Context:
    """What decides the VRs that the dictionary leaves open, within one item: signedness, LUT shape, private creators."""

    signed: bool = False
    lut_values: int = 0
    creators: dict[int, str] | None = None

    def within(self, view: memoryview, elements: list[Element], big: bool) -> Context:
        """The context inside an item with these elements."""
        inner = Context(self.signed)
        order = ">H" if big else "<H"
        for tag, _, start, stop, _ in elements:
            if tag == 0x00280103 and stop - start >= 2:
                inner.signed = unpack_from(order, view, start)[0] == 1
            elif tag == 0x00283002 and stop - start >= 2:
                inner.lut_values = unpack_from(order, view, start)[0]
            elif tag & 0x10000 and 0x10 <= tag & 0xFFFF <= 0xFF:
                if inner.creators is None:
                    inner.creators = {}
                inner.creators[tag >> 16 << 8 | tag & 0xFF] = bytes(view[start:stop]).decode("latin-1").strip("\0 ")
        return inner

    def creator(self, tag: int) -> str:
        """The private creator that reserved the block of a private tag (PS3.5 section 7.8.1); empty when none did."""
        return self.creators.get(tag >> 16 << 8 | tag >> 8 & 0xFF, "") if self.creators else ""

    def settle(self, tag: int, vr: str) -> str:
        """The VR of an element: as written, or from the dictionary where none or UN was written (PS3.5 section 6.2.2 note 2)."""
        if vr and vr != "UN":
            return vr
        known = dictionary_vr(tag, self.creator(tag) if tag & 0x10000 else "")
        if len(known) == 2:
            return known
        if tag == 0x00283006:
            return "US" if self.lut_values == 1 else "OW"
        if "OW" in known:
            return "OW"
        return ("SS" if self.signed else "US") if "SS" in known else "UN"


def walk(data: DataSet) -> Iterator[tuple[Element, str]]:
    """Every element of the top level with its settled VR."""
    elements = data.elements()
    context = Context().within(data.view, elements, data.big)
    for element in elements:
        yield element, context.settle(element[0], element[1])
