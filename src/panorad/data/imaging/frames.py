"""Frames as they are stored: native pixels, or the fragments of an encapsulated stream (PS3.5 sections 8.1 and A.4)."""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass, field
from itertools import pairwise

from panorad.data.imaging.dataset import DOUBLE_PIXELS, FLOAT_PIXELS, PIXEL_DATA, open_part10
from panorad.data.imaging.elements import ITEM, SEQUENCE_END, UNDEFINED, Buffer
from panorad.data.imaging.syntaxes import syntax_of
from panorad.kit.errors import Kind, PanoradError
from panorad.model.instance import Stored

_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ", b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")
"""How a JPEG, JPEG-LS, JPEG 2000 or JPEG XL stream begins."""


class FrameAbsent(PanoradError):
    """The instance has no such frame"""

    kind = Kind.ABSENT


class PixelsAbsent(PanoradError):
    """The instance has no pixels"""

    kind = Kind.ABSENT


class PixelsBroken(PanoradError):
    """The pixels of the instance cannot be read"""

    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """Where each frame lies, relative to the buffer it was made from.

    Native: frame n begins `(n - 1) * frame_bits` bits after `start`. Encapsulated: `starts` and `lengths` are those of the
    fragments, and
    frame n owns the fragments from `firsts[n - 1]` to before `firsts[n]`. `inflated` tells that offsets are in the inflated
    data set.
    """

    count: int
    start: int
    frame_bits: int = 0
    available: int = 0
    starts: array[int] = field(default_factory=lambda: array("Q"))
    lengths: array[int] = field(default_factory=lambda: array("Q"))
    firsts: array[int] = field(default_factory=lambda: array("Q"))
    inflated: bool = False

    def span(self, number: int) -> tuple[int, int] | None:
        """Offset and length of a frame that is one run of whole bytes; None when it has to be put together.

        Raises:
            FrameAbsent: there is no such frame.
            PixelsBroken: the frame should be there, but its bytes are missing.
        """
        self._check(number)
        if self.frame_bits:
            if self.frame_bits % 8:
                return (self.start, (self.frame_bits + 7) // 8) if self.count == 1 else None
            length = self.frame_bits // 8
            return self.start + (number - 1) * length, length
        first, last = self.firsts[number - 1], self.firsts[number]
        return (self.starts[first], self.lengths[first]) if last - first == 1 else None

    def read(self, view: memoryview, number: int) -> bytes:
        """The bytes of a frame: native ones begin at a whole byte and are padded to one, fragments are joined.

        Raises:
            FrameAbsent, PixelsBroken: as `span`.
        """
        span = self.span(number)
        if span is not None and not (self.frame_bits % 8):
            return bytes(view[span[0] : span[0] + span[1]])
        if self.frame_bits:
            return self._unpacked(view, number)
        fragments = range(self.firsts[number - 1], self.firsts[number])
        return b"".join(view[self.starts[i] : self.starts[i] + self.lengths[i]] for i in fragments)

    def _unpacked(self, view: memoryview, number: int) -> bytes:
        first = (number - 1) * self.frame_bits
        start, stop = self.start + first // 8, self.start + (first + self.frame_bits + 7) // 8
        bits = int.from_bytes(view[start:stop], "little") >> first % 8 & (1 << self.frame_bits) - 1
        return bits.to_bytes((self.frame_bits + 7) // 8, "little")

    def _check(self, number: int) -> None:
        if not 1 <= number <= self.count:
            raise FrameAbsent(f"frame {number} of {self.count}")
        missing = number * self.frame_bits > self.available * 8 if self.frame_bits else number >= len(self.firsts)
        if missing:
            raise PixelsBroken(f"the bytes of frame {number} of {self.count} are missing")


def frame_count(stored: Stored) -> int:
    """How many frames can be asked for; a video counts as one. 0 without pixels."""
    header = stored.header
    if header.rows is None:
        return 0
    return 1 if syntax_of(header.transfer_syntax).video else max(1, header.frames or 1)


def frame_index(view: Buffer, stored: Stored) -> FrameIndex:
    """Where the frames of an instance lie, relative to the start of its Part 10 bytes. It may be kept as long as the bytes are.

    Raises:
        PixelsAbsent: the instance has no pixels.
        PixelsBroken: it has, but they make no sense.
    """
    header, syntax = stored.header, syntax_of(stored.header.transfer_syntax)
    view = view if isinstance(view, memoryview) else memoryview(view)
    start, length = stored.place.data_at + (header.pixel_at or 0), header.pixel_length
    if length is None and header.pixel_at is not None:
        # The index does not keep it: it stands right before the value (PS3.5 section 7.1).
        length = int.from_bytes(view[start - 4 : start], "big" if syntax.big_endian else "little")
        length = None if length == UNDEFINED else length
    inflated = syntax.deflated
    if inflated:
        data = open_part10(view)
        element = next((e for e in data.elements() if e[0] in (PIXEL_DATA, FLOAT_PIXELS, DOUBLE_PIXELS)), None)
        if element is None:
            raise PixelsAbsent
        view, start, length = data.view, element[2], element[3] - element[2]
    elif header.pixel_at is None:
        raise PixelsAbsent
    if not header.rows or not header.columns:
        raise PixelsBroken("it has no rows or no columns")
    samples = header.samples or 1
    return index_frames(
        view,
        start,
        length,
        frames=max(1, header.frames or 1),
        frame_bits=header.rows * header.columns * samples * (header.bits_allocated or _float_bits(view, start)),
        samples=samples,
        video=syntax.video,
        inflated=inflated,
    )


def frame_span(view: Buffer, stored: Stored, number: int) -> tuple[int, int] | None:
    """Offset (from the Part 10 start) and length of a frame that is one run of stored bytes, else None.

    Raises:
        FrameAbsent, PixelsAbsent, PixelsBroken: see `frame`.
    """
    index = frame_index(view, stored)
    span = index.span(number)
    return None if index.inflated else span


def frame(view: Buffer, stored: Stored, number: int) -> bytes:
    """A frame as stored, counted from 1: native bytes in the stored byte order, or one encapsulated stream.

    Raises:
        FrameAbsent: there is no such frame.
        PixelsAbsent: the instance has no pixels.
        PixelsBroken: its bytes are missing or make no sense.
    """
    index = frame_index(view, stored)
    source = open_part10(view).view if index.inflated else view if isinstance(view, memoryview) else memoryview(view)
    return index.read(source, number)


def _float_bits(view: memoryview, start: int) -> int:
    return 64 if bytes(view[max(0, start - 12) : start - 8]) == b"\xe0\x7f\x09\x00" else 32


def index_frames(
    view: memoryview,
    start: int,
    length: int | None,
    *,
    frames: int,
    frame_bits: int,
    samples: int = 1,
    video: bool = False,
    inflated: bool = False,
) -> FrameIndex:
    """Index the pixels whose value begins at `start`: native ones of `length` bytes, or encapsulated ones when `length` is None.

    Raises:
        PixelsBroken: the value does not lie within the buffer or holds no fragments.
    """
    if length is None:
        return _encapsulated(view, start, 1 if video else frames)
    if start + length > len(view):
        raise PixelsBroken(f"{start + length - len(view)} bytes are missing at the end")
    if samples == 3 and length // 2 * 2 in (even := frames * frame_bits // 12, even + even % 2):
        frame_bits = frame_bits * 2 // 3  # YBR_FULL_422: two samples for each pixel, PS3.3 section C.7.6.3.1.2
    return FrameIndex(frames, start, frame_bits, length, inflated=inflated)


def _encapsulated(view: memoryview, at: int, frames: int) -> FrameIndex:
    unpack = struct.Struct("<II").unpack_from
    item = ITEM >> 16 | (ITEM & 0xFFFF) << 16
    try:
        tag, size = unpack(view, at)
    except struct.error:
        raise PixelsBroken("its encapsulated pixel data is empty") from None
    if tag != item or at + 8 + size > len(view):
        raise PixelsBroken("its encapsulated pixel data has no Basic Offset Table item")
    table, at = bytes(view[at + 8 : at + 8 + size]), at + 8 + size
    starts, lengths = array("Q"), array("Q")
    if frames > 1 and not size and (extended := _extended_offsets(view, at, frames)):
        return FrameIndex(frames, at, starts=extended[0], lengths=extended[1], firsts=array("Q", range(frames + 1)))
    position, end = at, len(view)
    add_start, add_length = starts.append, lengths.append
    while position + 8 <= end:
        tag, size = unpack(view, position)
        if tag != item:
            break
        position += 8
        add_start(position)
        position += size
        if position > end:
            raise PixelsBroken("its last fragment reaches past the end")
        add_length(size)
    if not starts or (position + 8 <= end and tag not in (SEQUENCE_END >> 16 | (SEQUENCE_END & 0xFFFF) << 16,)):
        raise PixelsBroken("its encapsulated pixel data is no run of fragments")
    return FrameIndex(frames, at, starts=starts, lengths=lengths, firsts=_firsts(view, starts, table, frames, at))


def _firsts(view: memoryview, starts: array[int], table: bytes, frames: int, base: int) -> array[int]:
    """The first fragment of each frame: one each, all, as the offset table says, or wherever a stream begins."""
    count = len(starts)
    if count <= frames:
        return array("Q", range(count + 1))
    if frames == 1:
        return array("Q", (0, count))
    if len(table) == 4 * frames:
        at_offset = {start - 8 - base: i for i, start in enumerate(starts)}
        firsts = [at_offset.get(offset, -1) for (offset,) in struct.iter_unpack("<I", table)]
        if firsts[0] == 0 and all(a < b for a, b in pairwise(firsts)):
            return array("Q", (*firsts, count))
    firsts = [i for i, start in enumerate(starts) if bytes(view[start : start + 8]).startswith(_STARTS)]
    if len(firsts) == frames and firsts[0] == 0:
        return array("Q", (*firsts, count))
    if not any(view[start : start + 1] for start in starts[frames:]):
        return array("Q", range(frames + 1))
    raise PixelsBroken(f"{count} fragments cannot be told apart into {frames} frames")


def _extended_offsets(view: memoryview, base: int, frames: int) -> tuple[array[int], array[int]] | None:
    """Fragment starts and lengths by the Extended Offset Table (PS3.3 section C.7.6.3.1.8), which stands right before Pixel
    Data."""
    size = 8 * frames
    lengths_at = base - 8 - 12 - size
    offsets_at = lengths_at - 12 - size
    head = struct.Struct("<HH2sHI")
    if offsets_at < 12:
        return None
    heads = head.unpack_from(view, offsets_at - 12), head.unpack_from(view, lengths_at - 12)
    if heads != ((0x7FE0, 1, b"OV", 0, size), (0x7FE0, 2, b"OV", 0, size)):
        return None
    starts = array("Q", bytes(view[offsets_at : offsets_at + size]))
    lengths = array("Q", bytes(view[lengths_at : lengths_at + size]))
    starts = array("Q", [offset + base + 8 for offset in starts])
    for start, length in ((starts[0], lengths[0]), (starts[-1], lengths[-1])):
        if start + length > len(view) or bytes(view[start - 8 : start - 4]) != b"\xfe\xff\x00\xe0":
            return None
        if struct.unpack_from("<I", view, start - 4)[0] - length not in (0, 1):
            return None
    return starts, lengths
