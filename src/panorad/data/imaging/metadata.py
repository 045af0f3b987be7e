"""Instances in the DICOM JSON Model (PS3.18 Annex F): all attributes as values, large binary ones as links to their bulk data.

One walk over the raw elements; a damaged value never costs the instance. In a series nearly every element has the same bytes in
each
instance, so a document keeps what it has already converted.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any

from panorad.data.imaging import charset
from panorad.data.imaging.dataset import DOUBLE_PIXELS, FLOAT_PIXELS, PIXEL_DATA, Context, DataSet, Element, items_of, open_part10
from panorad.data.imaging.elements import Buffer, DatasetInvalid
from panorad.data.imaging.jsonvalues import BINARY, READERS
from panorad.data.imaging.recoding import swap

INLINE_LIMIT = 1024
"""The longest binary value, in bytes, that is given in line; longer ones and pixels are linked."""
_KEPT_VALUES = 20_000
_KEPT_LENGTH = 1 << 16
_PIXELS = frozenset((PIXEL_DATA, FLOAT_PIXELS, DOUBLE_PIXELS))
_CHARACTER_SET = 0x00080005
_TRANSFER_SYNTAXES = 0x00083002
_AFTERWARDS = 0xFFFC0000  # Data Set Trailing Padding and stray delimiters
_SWAPPED = {"OW": "H", "OF": "I", "OL": "I", "OD": "Q", "OV": "Q"}
_dumps: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_UNICODE = {"vr": "CS", "Value": ["ISO_IR 192"]}


def instance_metadata(part10: Buffer, bulk_url: str) -> dict[str, Any]:
    """The attributes of one instance in ascending order of tags, with Available Transfer Syntax UID added.

    Group 0002, group lengths and padding are left out; Specific Character Set, where present, is that of the answer. A value of
    `BulkDataURI` is `bulk_url`, then `/TAG`, then `/ITEM/TAG` for each level of sequences, items counted from 1.

    Raises:
        DatasetInvalid: the elements themselves cannot be told apart. No value is ever refused.
    """
    data = open_part10(part10)
    elements = data.elements()
    members = _Item(data, bulk_url).members(elements, Context(), ("",), data.implicit, data.big, 0)
    members[_TRANSFER_SYNTAXES] = {"vr": "UI", "Value": [data.syntax.uid]}
    return {f"{tag:08X}": members[tag] for tag in sorted(members)}


def series_document(instances: Iterable[tuple[Buffer, str]]) -> bytes:
    """The metadata of many instances, each given with its `bulk_url`, as one JSON array in UTF-8: as `instance_metadata`, the
    same bytes each time.

    Raises:
        DatasetInvalid: as `instance_metadata`.
    """
    kept: dict[tuple[Any, ...], str] = {}
    return b"".join((b"[", b",\n".join(_instance_text(part10, url, kept).encode() for part10, url in instances), b"]"))


def _instance_text(part10: Buffer, bulk_url: str, kept: dict[tuple[Any, ...], str]) -> str:
    data = open_part10(part10)
    view, elements = data.view, data.elements()
    context = Context().within(view, elements, data.big)
    charsets = _charsets(data, elements, ("",))
    item = _Item(data, bulk_url)
    common = (charsets, data.big, data.implicit, context.signed, context.lut_values)
    members: dict[int, str] = {}
    for element in elements:
        tag, vr, start, stop, _ = element
        if not tag & 0xFFFF or tag >= _AFTERWARDS:
            continue
        if tag in _PIXELS or stop - start > _KEPT_LENGTH:
            value = item.member(element, context, charsets, data.implicit, data.big, "", 0)
            members[tag] = f'"{tag:08X}":{_dumps(value)}'
            continue
        creator = context.creator(tag) if tag & 0x10000 else ""
        key = (tag, vr, bytes(view[start:stop]), creator, common)
        text = kept.get(key)
        if text is None:
            item.linked = False
            text = f'"{tag:08X}":{_dumps(item.member(element, context, charsets, data.implicit, data.big, "", 0))}'
            if not item.linked and len(kept) < _KEPT_VALUES:
                kept[key] = text
        members[tag] = text
    members[_TRANSFER_SYNTAXES] = f'"00083002":{{"vr":"UI","Value":{_dumps([data.syntax.uid])}}}'
    return "{" + ",".join([members[tag] for tag in sorted(members)]) + "}"


def _charsets(data: DataSet, elements: list[Element], outer: tuple[str, ...]) -> tuple[str, ...]:
    for element in elements:
        if element[0] == _CHARACTER_SET:
            return charset.terms(data.value(element))
        if element[0] > _CHARACTER_SET:
            break
    return outer


class _Item:
    """Converts the elements of one instance; `linked` tells that a bulk data link was made since it was last cleared."""

    def __init__(self, data: DataSet, bulk_url: str) -> None:
        self.data, self.bulk_url, self.linked = data, bulk_url, False

    def members(
        self,
        elements: list[Element],
        outer: Context,
        charsets: tuple[str, ...],
        implicit: bool,
        big: bool,
        depth: int,
        path: str = "",
    ) -> dict[int, Any]:
        """The members of a JSON object for the elements of one item, by tag."""
        context = outer.within(self.data.view, elements, big)
        charsets = _charsets(self.data, elements, charsets)
        return {
            element[0]: self.member(element, context, charsets, implicit, big, path, depth)
            for element in elements
            if element[0] & 0xFFFF and element[0] < _AFTERWARDS
        }

    def member(
        self, element: Element, context: Context, charsets: tuple[str, ...], implicit: bool, big: bool, path: str, depth: int
    ) -> dict[str, Any]:
        """One attribute: its VR with Value, InlineBinary or BulkDataURI, or neither when empty (PS3.18 section F.2.2)."""
        tag, written, start, stop, items = element
        vr = context.settle(tag, written)
        if tag == _CHARACTER_SET:
            return _UNICODE
        if vr == "SQ" or items is not None:
            sequence = self._sequence(element, context, charsets, implicit, big, path, depth)
            if sequence is not None:
                return {"vr": "SQ", "Value": sequence} if sequence else {"vr": "SQ"}
            vr = "UN"
        if start == stop:
            return {"vr": vr}
        if vr in BINARY or vr not in READERS:
            return self._binary(element, vr, big, path)
        unknown = written == "UN"
        value = READERS[vr](bytes(self.data.view[start:stop]), charsets, ">" if big and not unknown else "<")
        return {"vr": vr, "Value": value} if value else {"vr": vr}

    def _sequence(
        self, element: Element, context: Context, charsets: tuple[str, ...], implicit: bool, big: bool, path: str, depth: int
    ) -> list[dict[str, Any]] | None:
        if element[1] == "UN":
            implicit, big = True, False
        try:
            items = items_of(self.data.view, element, implicit, big, depth)
        except DatasetInvalid:
            return None
        found = []
        for number, item in enumerate(items, 1):
            members = self.members(item, context, charsets, implicit, big, depth + 1, f"{path}/{element[0]:08X}/{number}")
            found.append({f"{tag:08X}": members[tag] for tag in sorted(members)})
        return found

    def _binary(self, element: Element, vr: str, big: bool, path: str) -> dict[str, Any]:
        tag, _, start, stop, _ = element
        if stop - start > INLINE_LIMIT or tag in _PIXELS:
            self.linked = True
            return {"vr": vr, "BulkDataURI": f"{self.bulk_url}{path}/{tag:08X}"}
        raw = bytes(self.data.view[start:stop])
        if big and vr in _SWAPPED:
            raw = swap(raw, _SWAPPED[vr])
        return {"vr": vr, "InlineBinary": base64.b64encode(raw).decode()}
