"""A whole instance in another transfer syntax: only Pixel Data and what describes it change; everything else keeps its
meaning."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from panorad.data.imaging.dataset import PIXEL_DATA, open_part10
from panorad.data.imaging.decoding import (
    SyntaxUndecodable,
    decode_frame,
    decoded_bytes,
    decoded_photometric,
    stream_is_signed,
    ybr_to_rgb,
)
from panorad.data.imaging.elements import UNDEFINED, Buffer
from panorad.data.imaging.encoding import Choice, SyntaxUnencodable, encoder_for, significant_bits
from panorad.data.imaging.frames import PixelsAbsent
from panorad.data.imaging.image import Image, Level
from panorad.data.imaging.part10 import file_meta
from panorad.data.imaging.recoding import REMOVED, Change, recode, short_change, swap, text_change
from panorad.data.imaging.syntaxes import (
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    IMPLICIT_LE,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    SYNTAXES,
    Syntax,
    syntax_of,
)

if TYPE_CHECKING:
    import numpy

    Pixels = numpy.ndarray[Any, numpy.dtype[Any]]

__all__ = ["SyntaxUndecodable", "SyntaxUnencodable", "can", "decode_frame", "decoded_bytes", "transcode"]

_DECORRELATED = frozenset((JPEG_2000_LOSSLESS, HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL))
_SOP_CLASS, _SOP_UID = 0x00080016, 0x00080018
_FRAGMENT_LIMIT = 0xFFFFFFFE


def can(source: str, target: str, *, lossy: bool = False) -> bool:
    """Whether instances in transfer syntax `source` can be given in `target` at all (a certain one may still be refused, by its
    depth)."""
    if source == target:
        return True
    come, go = SYNTAXES.get(source), SYNTAXES.get(target)
    return come is not None and go is not None and come.decodes and go.encodes and (lossy or go.uid != JPEG_BASELINE)


def transcode(part10: Buffer, target: str, *, quality: int | None = None) -> bytes:
    """The instance as a Part 10 file in transfer syntax `target`; the very same bytes when it already is.

    `quality` (1 to 100) asks for loss, which JPEG Baseline needs: the result is then a new, derived SOP Instance with its own
    UID.

    Raises:
        SyntaxUnencodable: the center does not encode `target`, not for these pixels, or only with loss that nobody asked for.
        SyntaxUndecodable: the center does not decode the pixels.
        DatasetInvalid, PixelsBroken: the instance is damaged.
    """
    data = open_part10(part10)
    if data.syntax.uid == target:
        return bytes(part10)
    if data.syntax.codec == "reference":  # JPIP, whose pixels lie elsewhere, or a syntax nobody here knows
        raise SyntaxUndecodable(data.syntax.name)
    wanted = syntax_of(target)
    if not wanted.encodes or (target == JPEG_BASELINE and quality is None):
        raise SyntaxUnencodable(wanted.name if not wanted.encodes else f"{wanted.name} loses quality, which was not asked for")
    elements = data.elements()
    changes: dict[int, Change] = {}
    image = _image_of(part10, wanted)
    if image is not None:
        if not image.syntax.decodes:
            raise SyntaxUndecodable(image.syntax.name)
        if image.encapsulated or wanted.encapsulated:
            changes = _reencoded(image, wanted, quality or 90)
        elif data.big:
            changes = {image.element[0]: _swapped(image)}
        if target == JPEG_BASELINE:
            changes |= _derived(image, quality or 90, changes[PIXEL_DATA])
    body = recode(data, elements, wanted.implicit, changes)
    head = _head(Level(data, elements), target, changes)
    return b"".join((head, _deflate(body))) if wanted.deflated else b"".join((head, *body))


def _image_of(part10: Buffer, wanted: Syntax) -> Image | None:
    try:
        return Image(part10)
    except PixelsAbsent:
        if wanted.encapsulated:
            raise SyntaxUnencodable(f"{wanted.name} for an instance without pixels") from None
        return None


def _reencoded(image: Image, wanted: Syntax, quality: int) -> dict[int, Change]:
    """Pixel Data in the wanted syntax, with the attributes of the Image Pixel module that have to follow it."""
    pixel, photometric = image.pixel, decoded_photometric(image)
    changes: dict[int, Change] = {0x7FE00001: REMOVED, 0x7FE00002: REMOVED}
    frames = [*_encoded(image, wanted, photometric, quality)] if wanted.encapsulated else [*_native(image)]
    if wanted.encapsulated:
        changes[PIXEL_DATA] = encapsulated(frames)
    else:
        length = sum(map(len, frames))
        vr = "OB" if pixel.allocated <= 8 and wanted.uid != IMPLICIT_LE else "OW"
        changes[PIXEL_DATA] = (vr, [*frames, b"\0" * (length % 2)], length + length % 2)
    if pixel.samples > 1:
        if wanted.uid == JPEG_BASELINE:
            photometric = "YBR_FULL_422"
        elif photometric == "RGB" and wanted.uid in _DECORRELATED:
            photometric = "YBR_RCT"
        changes[0x00280006] = short_change(0)
    if photometric != pixel.photometric:
        changes[0x00280004] = text_change("CS", photometric)
    if pixel.kind == "u" and pixel.allocated > 1 and image.encapsulated and stream_is_signed(image.frame(1)):
        changes[0x00280103] = short_change(1)
    if image.syntax.codec == "jpeg" and image.top.text(0x00282110) != "01":
        changes[0x00282110] = text_change("CS", "01")
    return changes


def _native(image: Image) -> Iterator[bytes]:
    if image.pixel.allocated > 1:
        for number in range(1, image.pixel.frames + 1):
            yield decoded_bytes(image, number)
        return
    import numpy as np

    bits = np.concatenate([decode_frame(image, number).ravel() for number in range(1, image.pixel.frames + 1)])
    yield np.packbits(bits, bitorder="little").tobytes()


def _encoded(image: Image, wanted: Syntax, photometric: str, quality: int) -> Iterator[bytes]:
    pixel = image.pixel
    encode = encoder_for(wanted.uid, pixel)
    if wanted.uid == JPEG_BASELINE and (pixel.signed or photometric not in ("RGB", "YBR_FULL", "MONOCHROME1", "MONOCHROME2")):
        raise SyntaxUnencodable(f"{wanted.name} for {photometric}")
    for number in range(1, pixel.frames + 1):
        pixels = decode_frame(image, number)
        if wanted.uid == JPEG_BASELINE and photometric == "YBR_FULL":
            pixels = ybr_to_rgb(pixels)
        choice = Choice(significant_bits(pixels, pixel.stored), photometric == "RGB", quality)
        try:
            yield encode(pixels, choice)
        except (RuntimeError, ValueError) as error:
            raise SyntaxUnencodable(f"{wanted.name}: {error}") from error


def encapsulated(frames: list[bytes]) -> Change:
    """Frames as Pixel Data with one fragment each and a Basic Offset Table (PS3.5 section A.4); the table is empty past its 4
    GiB."""
    offsets, at = [], 0
    for frame in frames:
        offsets.append(at)
        at += 8 + len(frame) + len(frame) % 2
    table = b"".join(offset.to_bytes(4, "little") for offset in offsets) if offsets[-1] <= _FRAGMENT_LIMIT else b""
    pieces = [_ITEM, len(table).to_bytes(4, "little"), table]
    for frame in frames:
        pieces += (_ITEM, (len(frame) + len(frame) % 2).to_bytes(4, "little"), frame, b"\0" * (len(frame) % 2))
    pieces.append(b"\xfe\xff\xdd\xe0\0\0\0\0")
    return "OB", pieces, UNDEFINED


_ITEM = b"\xfe\xff\x00\xe0"


def _swapped(image: Image) -> Change:
    """Native big endian pixels in little endian; one-byte samples in words are in the order of the words (PS3.5 section
    8.1.2)."""
    value, vr = image.data.value(image.element), image.element[1]
    width = {16: "H", 32: "I", 64: "Q"}.get(image.pixel.allocated, "H" if vr == "OW" else "B")
    if width != "B":
        value = swap(value, width)
    return vr, (value,), len(value)


def _derived(image: Image, quality: int, pixels: Change) -> dict[int, Change]:
    """What a lossy copy has to say of itself (PS3.3 sections C.7.6.1.1.5 and C.12.4.1.1)."""
    pixel, top = image.pixel, image.top
    uid = f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{top.text(_SOP_UID)} {JPEG_BASELINE} {quality}').int}"
    native = pixel.rows * pixel.columns * pixel.samples * pixel.frames
    packed = sum(map(len, pixels[1]))
    kind = top.raw(0x00080008).decode("latin-1").strip("\0 ").split("\\")
    earlier = [top.raw(tag).decode("latin-1").strip("\0 ") for tag in (0x00282112, 0x00282114)]
    ratio, method = (
        "\\".join(filter(None, pair)) for pair in zip(earlier, (f"{native / packed:.4g}", "ISO_10918_1"), strict=True)
    )
    return {
        0x00080008: text_change("CS", "\\".join(("DERIVED", *kind[1:]))),
        _SOP_UID: text_change("UI", uid),
        0x00282110: text_change("CS", "01"),
        0x00282112: text_change("DS", ratio),
        0x00282114: text_change("CS", method),
    }


def _head(top: Level, target: str, changes: dict[int, Change]) -> bytes:
    """File meta information for the instance as changed, which keeps the application entities that the original names."""
    changed = changes.get(_SOP_UID)
    sop_uid = b"".join(changed[1]).decode().rstrip("\0") if changed else top.text(_SOP_UID)
    titles = (top.data.meta.get(tag, "") for tag in ("00020016", "00020017", "00020018"))
    return file_meta(top.text(_SOP_CLASS), sop_uid, target, *titles)


def _deflate(pieces: list[bytes | memoryview]) -> bytes:
    engine = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"".join([*(engine.compress(piece) for piece in pieces), engine.flush()])
    return packed + b"\0" * (len(packed) % 2)
