"""Stored frames to pixels: each codec of `panorad.data.imaging.syntaxes`, checked against the Image Pixel module before it
unpacks anything.

imagecodecs decodes; pydicom's own decoders (Pillow, pyjpegls, RLE) are asked when it refuses a stream.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from panorad.data.imaging.frames import PixelsBroken
from panorad.data.imaging.image import Image, ImagePixel
from panorad.data.imaging.syntaxes import JPEG_BASELINE, JPEG_EXTENDED, Codec
from panorad.kit.errors import Kind, PanoradError

if TYPE_CHECKING:
    import numpy

    Pixels = numpy.ndarray[Any, numpy.dtype[Any]]


class SyntaxUndecodable(PanoradError):
    """The pixels are in a transfer syntax that the center does not decode"""

    kind = Kind.UNSUPPORTED


def decode_frame(image: Image, number: int) -> Pixels:
    """The pixels of a frame, counted from 1: shape (rows, columns) or (rows, columns, samples), native byte order, not rescaled.

    The type is that of the data set, but signed where a JPEG 2000 stream is, whatever the data set says. Colour
    comes as `decoded_photometric` says: a JPEG in YCbCr is already RGB, subsampled native chroma is at full resolution.

    Raises:
        FrameAbsent: there is no such frame.
        PixelsBroken: the stream is damaged, or has another size than the data set tells.
        SyntaxUndecodable: video, or an unknown transfer syntax.
    """
    if not image.syntax.decodes:
        raise SyntaxUndecodable(image.syntax.name)
    frame = image.frame(number)
    codec = image.syntax.codec if image.encapsulated else ""
    if codec in ("", "native-frame", "deflated-frame"):
        return _native(image, _inflate(image, frame) if codec == "deflated-frame" else frame)
    try:
        pixels = _decode_stream(codec, frame, image.pixel)
    except (RuntimeError, ValueError, NotImplementedError, MemoryError, TypeError) as first:
        pixels = _by_pydicom(image, frame, first)
    return _fit(pixels, image.pixel)


def decoded_photometric(image: Image) -> str:
    """The Photometric Interpretation of what `decode_frame` returns (PS3.3 section C.7.6.3.1.2)."""
    photometric, codec = image.pixel.photometric, image.syntax.codec
    if image.pixel.samples == 1:
        return photometric
    if photometric in ("YBR_RCT", "YBR_ICT") or codec == "jpegxl" or codec == "jpeg":
        return "RGB"
    return "YBR_FULL" if photometric in ("YBR_FULL_422", "YBR_PARTIAL_422") else photometric


def ybr_to_rgb(pixels: Pixels) -> Pixels:
    """YBR_FULL of eight bits to RGB (PS3.3 section C.7.6.3.1.2)."""
    import numpy as np

    luma, blue, red = (pixels[..., i].astype(np.float32) for i in range(3))
    blue -= 128
    red -= 128
    rgb = np.stack((luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue), -1)
    eight: Pixels = np.rint(rgb).clip(0, 255).astype(np.uint8)
    return eight


def decoded_bytes(image: Image, number: int) -> bytes:
    """A frame as native little endian bytes, pixel by pixel, for application/octet-stream (PS3.18 section 8.7.3.5.2).

    Raises:
        FrameAbsent, PixelsBroken, SyntaxUndecodable: as `decode_frame`.
    """
    if not image.encapsulated and (image.pixel.allocated < 16 or not image.data.big):
        return image.frame(number)
    if not image.encapsulated:
        import numpy as np

        return np.frombuffer(image.frame(number), image.pixel.dtype.replace("<", ">")).astype(image.pixel.dtype).tobytes()
    pixels = decode_frame(image, number)
    if image.pixel.allocated == 1:
        import numpy as np

        return np.packbits(pixels, bitorder="little").tobytes()
    return pixels.astype(image.pixel.dtype, copy=False).tobytes()


def _native(image: Image, frame: bytes) -> Pixels:
    import numpy as np

    pixel = image.pixel
    shape: tuple[int, ...] = (pixel.rows, pixel.columns)
    if pixel.allocated == 1:
        return _bits(frame, pixel)
    order = ">" if image.data.big else "<"
    values = np.frombuffer(frame, pixel.dtype.replace("<", order))
    expected = pixel.rows * pixel.columns * pixel.samples
    if pixel.samples == 3 and values.size == expected * 2 // 3 and pixel.columns % 2 == 0:
        pairs = values.reshape(-1, 4)  # Y1 Y2 Cb Cr
        return np.stack((pairs[:, :2], pairs[:, 2:3].repeat(2, 1), pairs[:, 3:].repeat(2, 1)), -1).reshape(*shape, 3)
    if values.size < expected:
        raise PixelsBroken(f"a frame has {values.size} samples instead of {expected}")
    values = values[:expected].astype(values.dtype.newbyteorder("="), copy=False)
    if pixel.samples == 1:
        return values.reshape(shape)
    if pixel.planar:
        return values.reshape(pixel.samples, *shape).transpose(1, 2, 0)
    return values.reshape(*shape, pixel.samples)


def _bits(packed: bytes | bytearray, pixel: ImagePixel) -> Pixels:
    """Single bit pixels, the first in the lowest bit (PS3.5 section 8.1.1)."""
    import numpy as np

    bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")
    return bits[: pixel.rows * pixel.columns].reshape(pixel.rows, pixel.columns)


def _inflate(image: Image, frame: bytes) -> bytes:
    pixel = image.pixel
    size = (pixel.rows * pixel.columns * pixel.samples * pixel.allocated + 7) // 8
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(frame, size)
    except zlib.error as error:
        raise PixelsBroken("a deflated frame is damaged") from error


def _decode_stream(codec: Codec, frame: bytes, pixel: ImagePixel) -> Pixels:
    size = stream_size(frame)
    cut = size is not None and size[0] <= pixel.rows and size[1] <= pixel.columns and size[2] == pixel.samples
    if size is not None and not cut:
        raise PixelsBroken(
            f"a frame is {size[1]} x {size[0]} x {size[2]} instead of {pixel.columns} x {pixel.rows} x {pixel.samples}"
        )
    pixels = _DECODERS[codec](frame, pixel)
    if size is None or size[:2] == (pixel.rows, pixel.columns):
        return pixels
    import numpy as np

    missing = [(0, pixel.rows - size[0]), (0, pixel.columns - size[1]), (0, 0)]  # a tile at the edge of a slide, stored as cut
    return np.pad(pixels, missing[: pixels.ndim], mode="edge")


def stream_size(frame: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and samples that a JPEG, JPEG-LS or JPEG 2000 stream declares; None when it is none of these."""
    siz = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
    if siz >= 0 and len(frame) >= siz + 42:
        x, y, left, top = (int.from_bytes(frame[at : at + 4], "big") for at in range(siz + 8, siz + 24, 4))
        return y - top, x - left, int.from_bytes(frame[siz + 40 : siz + 42], "big")
    at = frame.find(b"\xff\xd8", 0, 2) + 2
    while 2 <= at < len(frame) - 9:
        if frame[at] != 0xFF:
            return None
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _FRAME_HEADERS:
            rows, columns = int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")
            return (rows, columns, frame[at + 9]) if rows else None
        elif marker == 0xDA:
            return None
        else:
            at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None


def stream_is_signed(frame: bytes) -> bool:
    """Whether a JPEG 2000 stream declares its first component as signed (ISO/IEC 15444-1 section A.5.1)."""
    siz = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
    return siz >= 0 and len(frame) > siz + 42 and bool(frame[siz + 42] & 0x80)


_FRAME_HEADERS = frozenset((*range(0xC0, 0xD0), 0xF7)) - {0xC4, 0xC8, 0xCC}
"""Start of Frame markers of JPEG (ITU-T T.81) and JPEG-LS (T.87)."""


def _adobe_transform(frame: bytes) -> int | None:
    """The colour transform that an Adobe APP14 segment tells, if there is one before the first scan."""
    at = frame.find(b"\xff\xee\x00\x0eAdobe", 0, frame.find(b"\xff\xda"))
    return frame[at + 15] if at >= 0 else None


def _jpeg(frame: bytes, pixel: ImagePixel) -> Pixels:
    import imagecodecs

    if pixel.samples != 3:
        return imagecodecs.jpeg8_decode(frame)
    transform = _adobe_transform(frame)
    coded = "RGB" if transform == 0 or (transform is None and pixel.photometric == "RGB") else "YCBCR"
    return imagecodecs.jpeg8_decode(frame, colorspace=coded, outcolorspace="RGB")


def _jpeg_lossless(frame: bytes, pixel: ImagePixel) -> Pixels:
    import imagecodecs

    try:
        if pixel.samples == 3:
            return imagecodecs.jpeg8_decode(frame, colorspace="RGB", outcolorspace="RGB")
        return imagecodecs.jpeg8_decode(frame)
    except (RuntimeError, ValueError):
        return imagecodecs.jpegsof3_decode(frame)


def _jpeg_ls(frame: bytes, pixel: ImagePixel) -> Pixels:
    import imagecodecs

    return imagecodecs.jpegls_decode(frame)


def _jpeg_2000(frame: bytes, pixel: ImagePixel) -> Pixels:
    import imagecodecs

    return imagecodecs.jpeg2k_decode(frame, planar=False)


def _htj2k(frame: bytes, pixel: ImagePixel) -> Pixels:
    import imagecodecs

    pixels = imagecodecs.htj2k_decode(frame)
    if pixels.ndim == 3 and pixels.shape[0] == pixel.samples and pixels.shape[2] != pixel.samples:
        return pixels.transpose(1, 2, 0)
    return pixels


def _jpeg_xl(frame: bytes, pixel: ImagePixel) -> Pixels:
    import imagecodecs

    return imagecodecs.jpegxl_decode(frame)


def _rle(frame: bytes, pixel: ImagePixel) -> Pixels:
    import imagecodecs
    import numpy as np

    decoded = bytearray((pixel.rows * pixel.columns * pixel.samples * pixel.allocated + 7) // 8)
    imagecodecs.dicomrle_decode(frame, pixel.dtype, out=decoded)
    if pixel.allocated == 1:
        return _bits(decoded, pixel)
    values = np.frombuffer(decoded, pixel.dtype)
    if pixel.samples == 1:
        return values.reshape(pixel.rows, pixel.columns)
    return values.reshape(pixel.samples, pixel.rows, pixel.columns).transpose(1, 2, 0)


_DECODERS: dict[Codec, Callable[[bytes, ImagePixel], Pixels]] = {
    "jpeg": _jpeg,
    "jpeg-lossless": _jpeg_lossless,
    "jpeg-ls": _jpeg_ls,
    "jpeg2000": _jpeg_2000,
    "htj2k": _htj2k,
    "jpegxl": _jpeg_xl,
    "rle": _rle,
}


def _by_pydicom(image: Image, frame: bytes, first: Exception) -> Pixels:
    """Ask pydicom's decoders for a frame that imagecodecs refused with `first`."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder

    pixel, uid = image.pixel, image.syntax.uid
    options: dict[str, Any] = {
        "rows": pixel.rows,
        "columns": pixel.columns,
        "samples_per_pixel": pixel.samples,
        "number_of_frames": 1,
        "bits_allocated": pixel.allocated,
        "bits_stored": pixel.stored,
        "pixel_representation": int(pixel.signed),
        "photometric_interpretation": pixel.photometric,
        "planar_configuration": pixel.planar,
        "pixel_keyword": "PixelData",
    }
    raw = uid not in (JPEG_BASELINE, JPEG_EXTENDED)
    try:
        pixels: Pixels = get_decoder(uid).as_array(encapsulate([frame]), index=0, raw=raw, **options)[0]
    except Exception as error:
        raise PixelsBroken(f"{image.syntax.name}: {str(first) or type(first).__name__}") from error
    return pixels


def _fit(pixels: Pixels, pixel: ImagePixel) -> Pixels:
    """Give decoded values the data set's shape, width and signedness: some streams carry signed pixels as their lowest bits."""
    import numpy as np

    shape = (pixel.rows, pixel.columns) if pixel.samples == 1 else (pixel.rows, pixel.columns, pixel.samples)
    if pixels.size != np.prod(shape):
        raise PixelsBroken(f"a frame has the shape {pixels.shape} instead of {shape}")
    pixels = pixels.reshape(shape)
    wanted = np.dtype(pixel.dtype)
    if pixels.dtype.kind == wanted.kind:
        return pixels.astype(wanted, copy=False)
    if pixels.dtype.kind == "f":
        return np.asarray(np.rint(pixels), wanted)
    if pixel.signed:
        shift = wanted.itemsize * 8 - pixel.stored
        if shift and not bool((pixels >> pixel.stored).any()):
            return np.asarray((pixels.astype(wanted) << shift) >> shift)
        return pixels.astype(wanted)
    return pixels.astype(f"<i{wanted.itemsize}", copy=False)
