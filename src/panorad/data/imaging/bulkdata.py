"""The bytes behind a BulkDataURI of `panorad.data.imaging.metadata` (PS3.18 section 10.4.1.1.5)."""

from __future__ import annotations

from typing import NamedTuple

from panorad.data.imaging.dataset import DOUBLE_PIXELS, FLOAT_PIXELS, PIXEL_DATA, Context, Element, items_of, open_part10
from panorad.data.imaging.decoding import decoded_bytes
from panorad.data.imaging.elements import Buffer
from panorad.data.imaging.image import Image
from panorad.data.imaging.recoding import swap
from panorad.data.imaging.syntaxes import EXPLICIT_LE, OCTETS
from panorad.kit.errors import Kind, PanoradError

_WIDTHS = {"OW": "H", "OF": "I", "OL": "I", "OD": "Q", "OV": "Q"}
_DOCUMENT = 0x00420011
_DOCUMENT_TYPE = 0x00420012


class BulkAbsent(PanoradError):
    """The instance has no such bulk data"""

    kind = Kind.ABSENT


class Bulk(NamedTuple):
    """Bulk data with its media type and the transfer syntax of its bytes."""

    data: bytes
    media_type: str
    transfer_syntax: str


def bulk_value(part10: Buffer, path: str) -> Bulk:
    """The value at `TAG[/ITEM/TAG...]`, little endian; an encapsulated document has its own media type.

    Pixel Data in fragments is one stream where it has one frame (or is a video), else all frames decoded one after the other.

    Raises:
        BulkAbsent: nothing lies at `path`, or it is no path.
        DatasetInvalid, PixelsBroken, SyntaxUndecodable: the instance is damaged or not decoded here.
    """
    steps = path.strip("/").split("/")
    if len(steps) % 2 == 0 or not all(_is_tag(step) for step in steps[::2]) or not all(step.isdecimal() for step in steps[1::2]):
        raise BulkAbsent(path[:200])
    data = open_part10(part10)
    elements, implicit, big, context = data.elements(), data.implicit, data.big, Context()
    context = context.within(data.view, elements, big)
    for tag, number in zip(steps[:-1:2], steps[1::2], strict=True):
        sequence = _find(elements, tag, path)
        if sequence[1] == "UN":
            implicit, big = True, False
        items = items_of(data.view, sequence, implicit, big)
        if not 1 <= int(number) <= len(items):
            raise BulkAbsent(path)
        elements = items[int(number) - 1]
        context = context.within(data.view, elements, big)
    element = _find(elements, steps[-1], path)
    if len(steps) == 1 and element[0] in (PIXEL_DATA, FLOAT_PIXELS, DOUBLE_PIXELS):
        return _pixels(part10)
    vr = context.settle(element[0], element[1])
    raw = data.value(element)
    if big and vr in _WIDTHS:
        raw = swap(raw, _WIDTHS[vr])
    if element[0] == _DOCUMENT:
        kind = next((data.value(e).decode("latin-1").strip("\0 ") for e in elements if e[0] == _DOCUMENT_TYPE), "")
        return Bulk(raw, kind or OCTETS, EXPLICIT_LE)
    return Bulk(raw, OCTETS, EXPLICIT_LE)


def _is_tag(step: str) -> bool:
    return len(step) == 8 and all(digit in "0123456789abcdefABCDEF" for digit in step)


def _find(elements: list[Element], tag: str, path: str) -> Element:
    wanted = int(tag, 16)
    for element in reversed(elements):
        if element[0] == wanted:
            return element
    raise BulkAbsent(path)


def _pixels(part10: Buffer) -> Bulk:
    image = Image(part10)
    if image.encapsulated and (image.index.count == 1 or not image.syntax.decodes):
        return Bulk(image.frame(1), image.syntax.media_type, image.syntax.uid)
    if not image.encapsulated and not image.data.big:
        return Bulk(image.data.value(image.element), OCTETS, EXPLICIT_LE)
    return Bulk(b"".join(decoded_bytes(image, number) for number in range(1, image.index.count + 1)), OCTETS, EXPLICIT_LE)
