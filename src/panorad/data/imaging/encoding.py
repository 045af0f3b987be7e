"""Pixels to frames of a transfer syntax: the lossless codecs, and JPEG baseline where loss was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from panorad.data.imaging.image import ImagePixel
from panorad.data.imaging.syntaxes import (
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_LS_LOSSLESS,
    RLE_LOSSLESS,
    syntax_of,
)
from panorad.kit.errors import Kind, PanoradError

if TYPE_CHECKING:
    import numpy

    Pixels = numpy.ndarray[Any, numpy.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Choice:
    """How to encode: significant `bits` of a sample, whether three samples are RGB (and worth decorrelating), `quality` 1 to
    100 if lossy."""

    bits: int
    rgb: bool = False
    quality: int = 90


Encode = Callable[["Pixels", Choice], bytes]
"""Pixels of shape (rows, columns[, samples]) to one stream."""


class SyntaxUnencodable(PanoradError):
    """The instance cannot be given in the transfer syntax that was asked for"""

    kind = Kind.UNSUPPORTED


def encoder_for(syntax: str, pixel: ImagePixel) -> Encode:
    """The encoder of a transfer syntax for such pixels.

    Raises:
        SyntaxUnencodable: there is none, or it does not take pixels of this depth (one bit, float, or wider than the codec).
    """
    encode, widths = _ENCODERS.get(syntax, (None, ()))
    if encode is None or pixel.kind == "f" or pixel.allocated not in widths or pixel.samples not in (1, 3):
        depth = f"{pixel.allocated} bit {'float ' if pixel.kind == 'f' else ''}pixels"
        raise SyntaxUnencodable(f"{syntax_of(syntax).name} for {depth} of {pixel.samples} samples")
    return encode


def significant_bits(pixels: Pixels, stored: int) -> int:
    """How many bits a lossless stream has to keep: `stored`, or all where bits above it are in use (overlays of old, PS3.5
    section 8.1.2)."""
    width = pixels.dtype.itemsize * 8
    if stored >= width:
        return width
    low, high = int(pixels.min()), int(pixels.max())
    if pixels.dtype.kind == "i":
        return stored if -(1 << stored - 1) <= low and high < 1 << stored - 1 else width
    return stored if high < 1 << stored else width


def _jpeg_2000(pixels: Pixels, choice: Choice) -> bytes:
    import imagecodecs

    return bytes(
        imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True, mct=choice.rgb, bitspersample=choice.bits)
    )


def _htj2k(pixels: Pixels, choice: Choice) -> bytes:
    import imagecodecs

    rgb = choice.rgb if pixels.ndim == 3 else None
    return bytes(imagecodecs.htj2k_encode(pixels, reversible=True, tlm=True, rgb=rgb))


def _jpeg_ls(pixels: Pixels, choice: Choice) -> bytes:
    import jpeg_ls  # type: ignore[import-untyped]
    import numpy as np

    rows, columns = pixels.shape[:2]
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    low = np.ascontiguousarray(pixels).view(f"u{pixels.dtype.itemsize}")
    if pixels.dtype.kind == "i" and choice.bits < pixels.dtype.itemsize * 8:
        low = low & low.dtype.type((1 << choice.bits) - 1)
    interleave = 0 if samples == 1 else 2
    try:
        return bytes(jpeg_ls.encode_buffer(low.tobytes(), rows, columns, samples, max(choice.bits, 2), 0, interleave))
    except RuntimeError:  # its buffer does not hold the markers of a tiny image
        import imagecodecs

        return bytes(imagecodecs.jpegls_encode(low, out=2 * low.nbytes + 4096))


def _rle(pixels: Pixels, choice: Choice) -> bytes:
    """PS3.5 Annex G: one PackBits segment for each byte of each sample, most significant first, rows packed apart."""
    import numpy as np

    samples = pixels[..., None] if pixels.ndim == 2 else pixels
    width = pixels.dtype.itemsize
    segments = []
    for sample in range(samples.shape[2]):
        octets = np.ascontiguousarray(samples[..., sample]).view(np.uint8).reshape(*samples.shape[:2], width)
        for significance in range(width - 1, -1, -1):
            packed = _packbits(np.ascontiguousarray(octets[..., significance]))
            segments.append(packed + b"\0" * (len(packed) % 2))
    offsets, at = [], 64
    for segment in segments:
        offsets.append(at)
        at += len(segment)
    header = b"".join(n.to_bytes(4, "little") for n in (len(segments), *offsets)).ljust(64, b"\0")
    return b"".join((header, *segments))


def _packbits(rows: Pixels) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.packbits_encode(rows))


def _jpeg_baseline(pixels: Pixels, choice: Choice) -> bytes:
    import imagecodecs
    import numpy as np

    subsampling = "422" if pixels.ndim == 3 else None
    return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(pixels), level=choice.quality, subsampling=subsampling))


_ENCODERS: dict[str, tuple[Encode, tuple[int, ...]]] = {
    JPEG_2000_LOSSLESS: (_jpeg_2000, (8, 16)),
    HTJ2K_LOSSLESS: (_htj2k, (8, 16)),
    HTJ2K_LOSSLESS_RPCL: (_htj2k, (8, 16)),
    JPEG_LS_LOSSLESS: (_jpeg_ls, (8, 16)),
    RLE_LOSSLESS: (_rle, (8, 16, 32)),
    JPEG_BASELINE: (_jpeg_baseline, (8,)),
}
