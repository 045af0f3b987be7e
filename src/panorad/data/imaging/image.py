"""An instance opened for its pixels: the Image Pixel module (PS3.3 section C.7.6.3) and the attributes that rendering asks
for."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from panorad.data.imaging.dataset import (
    DOUBLE_PIXELS,
    FLOAT_PIXELS,
    PIXEL_DATA,
    Context,
    DataSet,
    Element,
    items_of,
    open_part10,
)
from panorad.data.imaging.elements import Buffer
from panorad.data.imaging.frames import FrameIndex, PixelsAbsent, PixelsBroken, index_frames
from panorad.data.imaging.syntaxes import Syntax

FRAME_LIMIT = 512 << 20
"""The largest decoded frame, in bytes, that this center unpacks: more is taken for a decompression bomb."""


@dataclass(frozen=True, slots=True)
class ImagePixel:
    """How the bytes of a frame are to be understood (PS3.3 Table C.7-11a); `kind` is u, i or f as in numpy."""

    rows: int
    columns: int
    samples: int
    photometric: str
    planar: int
    allocated: int
    stored: int
    high: int
    kind: str
    frames: int

    @property
    def dtype(self) -> str:
        """The numpy type of one little endian sample."""
        return f"<{self.kind}{max(1, self.allocated // 8)}"

    @property
    def signed(self) -> bool:
        """Whether samples are two's complement."""
        return self.kind == "i"


class Level:
    """One item (or the top level) of a data set, asked by tag."""

    def __init__(self, data: DataSet, elements: list[Element], implicit: bool | None = None) -> None:
        self.data = data
        self.elements = {element[0]: element for element in elements}
        self.implicit = data.implicit if implicit is None else implicit

    def raw(self, tag: int) -> bytes:
        """The encoded value; empty when absent."""
        element = self.elements.get(tag)
        return b"" if element is None else self.data.value(element)

    def text(self, tag: int) -> str:
        """The first value of a text attribute; empty when absent."""
        return self.raw(tag).partition(b"\\")[0].decode("latin-1").strip("\0 ")

    def numbers(self, tag: int) -> list[float]:
        """The values of a decimal or integer string; those that are no numbers are left out."""
        found = []
        for part in self.raw(tag).split(b"\\"):
            try:
                found.append(float(part.strip(b"\0 ")))
            except ValueError:
                continue
        return found

    def integer(self, tag: int, default: int = 0) -> int:
        """The first value of a US attribute."""
        raw = self.raw(tag)
        return int(struct.unpack_from(">H" if self.data.big else "<H", raw)[0]) if len(raw) >= 2 else default

    def shorts(self, tag: int, signed: bool = False) -> list[int]:
        """All values of a US or SS attribute."""
        raw = self.raw(tag)
        count = len(raw) // 2
        return list(struct.unpack_from(f"{'>' if self.data.big else '<'}{count}{'h' if signed else 'H'}", raw))

    def items(self, tag: int) -> list[Level]:
        """The items of a sequence; none when it is absent."""
        element = self.elements.get(tag)
        if element is None:
            return []
        unknown = element[1] == "UN"
        implicit = self.implicit or unknown
        big = self.data.big and not unknown
        return [Level(self.data, item, implicit) for item in items_of(self.data.view, element, implicit, big)]

    def context(self) -> Context:
        """The context that settles open VRs at this level."""
        return Context().within(self.data.view, list(self.elements.values()), self.data.big)


class Image:
    """An instance opened for its pixels. `index` is made on first use.

    Raises:
        PixelsAbsent: the instance has no pixels.
        PixelsBroken: its Image Pixel module makes no sense, or one decoded frame would be larger than `FRAME_LIMIT`.
    """

    def __init__(self, part10: Buffer) -> None:
        self.data = open_part10(part10)
        self.top = Level(self.data, self.data.elements())
        element = next(
            (self.top.elements[tag] for tag in (PIXEL_DATA, FLOAT_PIXELS, DOUBLE_PIXELS) if tag in self.top.elements), None
        )
        if element is None or element[2] == element[3]:
            raise PixelsAbsent
        self.element = element
        self.pixel = _image_pixel(self.top, element[0])
        self._index: FrameIndex | None = None
        self._groups: list[Level] | None = None

    @property
    def syntax(self) -> Syntax:
        """The transfer syntax."""
        return self.data.syntax

    @property
    def encapsulated(self) -> bool:
        """Whether Pixel Data is a run of fragments."""
        tag, _, start, _, _ = self.element
        return tag == PIXEL_DATA and bytes(self.data.view[start - 4 : start]) == b"\xff\xff\xff\xff"

    @property
    def index(self) -> FrameIndex:
        """Where each frame lies, in `self.data.view`."""
        if self._index is None:
            pixel = self.pixel
            self._index = index_frames(
                self.data.view,
                self.element[2],
                None if self.encapsulated else self.element[3] - self.element[2],
                frames=pixel.frames,
                frame_bits=pixel.rows * pixel.columns * pixel.samples * pixel.allocated,
                samples=pixel.samples,
                video=self.syntax.video,
            )
        return self._index

    def frame(self, number: int) -> bytes:
        """A frame as stored, counted from 1."""
        if not self.data.big or self.element[1] != "OW" or self.pixel.allocated > 8:
            return self.index.read(self.data.view, number)
        self.index.span(number)
        value = bytearray(self.data.value(self.element))  # bytes in big endian words, PS3.5 section 8.1.2
        value[0::2], value[1::2] = value[1::2], value[0::2]
        return FrameIndex(self.pixel.frames, 0, self.index.frame_bits, len(value)).read(memoryview(value), number)

    def group(self, number: int, tag: int) -> Level:
        """The functional group `tag` that applies to a frame (PS3.3 section C.7.6.16): per frame, else shared, else the top
        level."""
        if self._groups is None:
            self._groups = self.top.items(0x52009230)
        for holder in (*self._groups[number - 1 : number], *self.top.items(0x52009229)):
            for item in holder.items(tag):
                return item
        return self.top


def _image_pixel(top: Level, tag: int) -> ImagePixel:
    rows, columns, samples = top.integer(0x00280010), top.integer(0x00280011), top.integer(0x00280002, 1) or 1
    allocated = {PIXEL_DATA: top.integer(0x00280100), FLOAT_PIXELS: 32, DOUBLE_PIXELS: 64}[tag]
    if not rows or not columns or allocated not in (1, 8, 16, 24, 32, 40, 48, 56, 64):
        raise PixelsBroken(f"{rows} rows, {columns} columns and {allocated} bits allocated make no image")
    if rows * columns * samples * max(8, allocated) // 8 > FRAME_LIMIT:
        raise PixelsBroken(f"one frame of {columns} x {rows} x {samples} samples is larger than {FRAME_LIMIT >> 20} MiB")
    if allocated not in (1, 8, 16, 32, 64):
        raise PixelsBroken(f"{allocated} bits allocated are not supported")
    stored = min(top.integer(0x00280101, allocated) or allocated, allocated)
    kind = "f" if tag != PIXEL_DATA else "i" if top.integer(0x00280103) == 1 and allocated > 1 else "u"
    frames = top.numbers(0x00280008)
    return ImagePixel(
        rows=rows,
        columns=columns,
        samples=samples,
        photometric=top.text(0x00280004).upper() or ("MONOCHROME2" if samples == 1 else "RGB"),
        planar=top.integer(0x00280006) if samples > 1 else 0,
        allocated=allocated,
        stored=stored,
        high=min(max(top.integer(0x00280102, stored - 1), stored - 1), allocated - 1),
        kind=kind,
        frames=max(1, int(frames[0])) if frames and frames[0] < 1 << 31 else 1,
    )
