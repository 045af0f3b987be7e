"""PALETTE COLOR to RGB, with plain and segmented lookup tables (PS3.3 sections C.7.6.3.1.5, C.7.6.3.1.6 and C.7.9.2)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from panorad.data.imaging.frames import PixelsBroken
from panorad.data.imaging.image import Image, Level
from panorad.data.imaging.windowing import Lut, lut_of

if TYPE_CHECKING:
    import numpy

    Pixels = numpy.ndarray[Any, numpy.dtype[Any]]

_DESCRIPTORS = (0x00281101, 0x00281102, 0x00281103)
_PLAIN, _SEGMENTED = 0x100, 0x120
_LONGEST = 1 << 16


def to_rgb(image: Image, pixels: Pixels) -> Pixels:
    """A PALETTE COLOR frame as eight bit RGB. Raises `PixelsBroken` when a table is missing or damaged."""
    import numpy as np

    luts = [_table(image, descriptor) for descriptor in _DESCRIPTORS]
    planes = []
    for lut in luts:
        wide = lut.bits > 8 or int(lut.entries.max()) > 255
        planes.append((lut.apply(pixels) >> (8 if wide else 0)).astype(np.uint8))
    return np.stack(planes, -1)


def _table(image: Image, descriptor: int) -> Lut:
    lut = lut_of(image.top, descriptor, descriptor + _PLAIN, signed=image.pixel.signed)
    if lut is None:
        lut = _segmented(image.top, descriptor, signed=image.pixel.signed)
    if lut is None:
        raise PixelsBroken("its palette is missing or damaged")
    return lut


def _segmented(top: Level, descriptor: int, *, signed: bool) -> Lut | None:
    import numpy as np

    head = top.shorts(descriptor)
    raw = top.raw(descriptor + _SEGMENTED)
    if len(head) < 3 or not raw:
        return None
    count, first, bits = head[0] or 1 << 16, head[1], head[2]
    words = (
        list(raw)
        if bits <= 8
        else list(struct.unpack(f"{'>' if top.data.big else '<'}{len(raw) // 2}H", raw[: len(raw) // 2 * 2]))
    )
    entries = expand_segments(words, 1 if bits > 8 else 2)
    if len(entries) < count:
        return None
    return Lut(first - (1 << 16) if signed and first > 0x7FFF else first, bits, np.array(entries[:count], np.uint16))


def expand_segments(words: list[int], halves: int = 1, depth: int = 0) -> list[int]:
    """The entries of segmented palette data: discrete (0), linear (1) and indirect (2) segments; `halves` is how many words
    hold one of 16 bits.

    Damaged segments end the table.
    """
    entries: list[int] = []
    at = 0
    while at + 1 < len(words) and len(entries) <= _LONGEST:
        code, length = words[at], words[at + 1]
        at += 2
        if code == 0:
            entries += words[at : at + length]
            at += length
        elif code == 1 and entries and at < len(words):
            start, end = entries[-1], words[at]
            entries += [start + round((end - start) * step / length) for step in range(1, length + 1)]
            at += 1
        elif code == 2 and not depth and at + 2 * halves <= len(words):
            offset = sum(word << (16 // halves * i) for i, word in enumerate(words[at : at + 2 * halves]))
            offset = offset // (2 if halves == 1 else 1)
            entries += expand_segments(_segments(words[offset:], length), halves, 1)
            at += 2 * halves
        else:
            break
    return entries


def _segments(words: list[int], count: int) -> list[int]:
    """The words of the first `count` discrete or linear segments."""
    at = 0
    for _ in range(count):
        if at + 1 >= len(words) or words[at] > 1:
            break
        at += 2 + (words[at + 1] if words[at] == 0 else 1)
    return words[:at]
