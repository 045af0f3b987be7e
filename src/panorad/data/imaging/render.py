"""Rendered resources (PS3.18 section 8.7.4 and 8.3.5): a frame as JPEG, PNG, GIF or JPEG 2000 for any browser; thumbnails;
documents."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from panorad.data.imaging import palette, report
from panorad.data.imaging.bulkdata import BulkAbsent, bulk_value
from panorad.data.imaging.dataset import open_part10
from panorad.data.imaging.decoding import decode_frame, decoded_photometric, ybr_to_rgb
from panorad.data.imaging.elements import Buffer
from panorad.data.imaging.frames import PixelsAbsent
from panorad.data.imaging.image import Image
from panorad.data.imaging.windowing import RenderingInvalid, Window, to_gray
from panorad.kit.errors import Kind, PanoradError

if TYPE_CHECKING:
    import numpy

    Pixels = numpy.ndarray[Any, numpy.dtype[Any]]

__all__ = ["NotRenderable", "RenderingInvalid", "Viewport", "Window", "render", "rendered_types", "thumbnail"]

LARGEST_SIDE = 8192
"""The most pixels in a row or column of a rendered image."""
ANIMATION_LIMIT = 300
"""The most frames of an animated GIF; of a longer run every n-th is taken."""


class NotRenderable(PanoradError):
    """The instance cannot be rendered like this"""

    kind = Kind.UNSUPPORTED


@dataclass(frozen=True, slots=True)
class Viewport:
    """The `viewport` query parameter (PS3.18 section 8.3.5.1.3): fit a region of the source into `width` x `height` pixels.

    The region begins at `x`, `y` and is `region_width` x `region_height` source pixels (0: up to the edge); a negative extent
    flips.
    """

    width: int
    height: int
    x: float = 0
    y: float = 0
    region_width: float = 0
    region_height: float = 0

    @classmethod
    def parse(cls, text: str) -> Viewport:
        """`vw,vh[,sx,sy,sw,sh]`, where each of the last four may be empty. Raises `RenderingInvalid`."""
        parts = text.split(",")
        try:
            width, height = int(parts[0]), int(parts[1])
            x, y, region_width, region_height = (float(part or 0) for part in [*parts[2:], "", "", "", ""][:4])
        except (ValueError, IndexError):
            raise RenderingInvalid(f"viewport={text[:60]} is not vw,vh,sx,sy,sw,sh") from None
        numbers = (x, y, region_width, region_height)
        if len(parts) not in (2, 6) or not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
            raise RenderingInvalid(f"viewport={text[:60]} has a side outside of 1 to {LARGEST_SIDE}")
        if not all(abs(number) < 1e9 for number in numbers):
            raise RenderingInvalid(f"viewport={text[:60]} has no usable region")
        return cls(width, height, *numbers)


def rendered_types(part10: Buffer) -> tuple[str, ...]:
    """The media types in which an instance can be rendered, the best first; empty when it cannot be."""
    data = open_part10(part10)
    tags = {element[0] for element in data.elements()}
    if tags & {0x7FE00010, 0x7FE00008, 0x7FE00009}:
        return tuple(_ENCODERS) if data.syntax.decodes else (data.syntax.media_type,) if data.syntax.video else ()
    if 0x00420011 in tags:
        return (bulk_value(part10, "00420011").media_type,)
    return ("text/html",) if 0x0040A730 in tags else ()


def render(
    part10: Buffer,
    frame: int | None = 1,
    *,
    media_type: str = "image/jpeg",
    window: Window | None = None,
    region: tuple[float, float, float, float] | None = None,
    viewport: Viewport | None = None,
    quality: int = 90,
) -> bytes:
    """A frame (from 1; None: all of them as an animated GIF, else the middle one) as an image, or a document as itself.

    `region` is left, top, right, bottom as fractions of the image (WADO-URI, PS3.18 section 9.1.2.2.4); `quality` is 1 to 100.

    Raises:
        NotRenderable: not in `media_type`, or no image and no document.
        RenderingInvalid: a parameter is outside of its range.
        FrameAbsent, PixelsBroken, SyntaxUndecodable, DatasetInvalid: see `panorad.data.imaging.decoding`.
    """
    if not 1 <= quality <= 100:
        raise RenderingInvalid(f"quality {quality} is not between 1 and 100")
    try:
        image = Image(part10)
    except PixelsAbsent:
        return _document(part10, media_type)
    if image.syntax.video and media_type == image.syntax.media_type:
        return image.frame(1)
    encode = _ENCODERS.get(media_type)
    if encode is None:
        raise NotRenderable(f"an image as {media_type}")
    if frame is None and media_type == "image/gif" and image.pixel.frames > 1:
        return _animation(image, window, region, viewport)
    number = frame if frame is not None else (image.pixel.frames + 1) // 2
    return encode(_laid_out(image, number, displayed(image, number, window), region, viewport), quality)


def thumbnail(part10: Buffer, size: int = 128) -> bytes | None:
    """The middle frame within `size` x `size` pixels as JPEG; None when the instance has no pixels that can be shown.

    Raises:
        PixelsBroken, DatasetInvalid: the instance is damaged.
    """
    try:
        image = Image(part10)
    except PixelsAbsent:
        return None
    if not image.syntax.decodes:
        return None
    number = (image.pixel.frames + 1) // 2
    return _jpeg(_laid_out(image, number, displayed(image, number, None), None, Viewport(size, size)), 80)


def displayed(image: Image, number: int, window: Window | None) -> Pixels:
    """A frame as eight bit display values: shape (rows, columns) gray or (rows, columns, 3) RGB."""
    import numpy as np

    pixels, photometric = decode_frame(image, number), decoded_photometric(image)
    if photometric == "PALETTE COLOR":
        return palette.to_rgb(image, pixels)
    if image.pixel.samples == 1:
        return to_gray(image, number, pixels, window)
    if photometric not in ("RGB", "YBR_FULL") or image.pixel.samples != 3:
        raise NotRenderable(f"{photometric} of {image.pixel.samples} samples")
    if pixels.dtype.itemsize > 1:
        pixels = (pixels >> max(0, image.pixel.stored - 8)).clip(0, 255).astype(np.uint8)
    pixels = pixels.astype(np.uint8, copy=False)
    return ybr_to_rgb(pixels) if photometric == "YBR_FULL" else np.ascontiguousarray(pixels)


def _document(part10: Buffer, media_type: str) -> bytes:
    try:
        document = bulk_value(part10, "00420011")
        if media_type in (document.media_type, "*/*"):
            return document.data
        raise NotRenderable(f"a document of {document.media_type} as {media_type}")
    except BulkAbsent:
        pass
    if media_type != "text/html":
        raise NotRenderable(f"an instance without pixels as {media_type}")
    return report.to_html(part10)


def _animation(
    image: Image, window: Window | None, region: tuple[float, float, float, float] | None, viewport: Viewport | None
) -> bytes:
    from PIL import Image as Picture

    step = -(-image.pixel.frames // ANIMATION_LIMIT)
    numbers = range(1, image.pixel.frames + 1, step)
    pictures = [Picture.fromarray(_laid_out(image, n, displayed(image, n, window), region, viewport)) for n in numbers]
    times = image.top.numbers(0x00181063)
    out = io.BytesIO()
    pictures[0].save(
        out, "GIF", save_all=True, append_images=pictures[1:], loop=0, duration=max(20, int((times or [40])[0] * step))
    )
    return out.getvalue()


def _laid_out(
    image: Image, number: int, pixels: Pixels, region: tuple[float, float, float, float] | None, viewport: Viewport | None
) -> Pixels:
    """Cropped, flipped, with square pixels, and scaled to fit the viewport with its proportions kept."""
    import numpy as np

    rows, columns = pixels.shape[:2]
    left, top, right, bottom = 0, 0, columns, rows
    if region is not None:
        if not (0 <= region[0] < region[2] <= 1 and 0 <= region[1] < region[3] <= 1):
            raise RenderingInvalid(f"region {region} is not left, top, right, bottom within 0 to 1")
        left, top = int(region[0] * columns), int(region[1] * rows)
        right, bottom = max(left + 1, round(region[2] * columns)), max(top + 1, round(region[3] * rows))
    if viewport is not None:
        view_width, view_height = abs(viewport.region_width) or columns, abs(viewport.region_height) or rows
        left, top = max(left, int(viewport.x)), max(top, int(viewport.y))
        right, bottom = min(right, round(viewport.x + view_width)), min(bottom, round(viewport.y + view_height))
        if left >= right or top >= bottom:
            raise RenderingInvalid("the region lies outside of the image")
    pixels = pixels[top:bottom, left:right]
    if viewport is not None:
        pixels = pixels[:: -1 if viewport.region_height < 0 else 1, :: -1 if viewport.region_width < 0 else 1]
    ratio = _pixel_height(image, number)
    width, height = float(right - left), float(bottom - top)
    if ratio > 1:
        height *= ratio
    else:
        width /= ratio
    scale = LARGEST_SIDE / max(width, height, LARGEST_SIDE)
    if viewport is not None:
        scale = min(viewport.width / width, viewport.height / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size == (right - left, bottom - top):
        return np.ascontiguousarray(pixels)
    from PIL import Image as Picture

    picture = Picture.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(picture.resize(size, Picture.Resampling.BILINEAR, reducing_gap=2.0))


def _pixel_height(image: Image, number: int) -> float:
    """How many times as high as wide a pixel is; 1 where unknown or not worth a change."""
    levels = (
        (image.group(number, 0x00289110), 0x00280030),
        (image.top, 0x00181164),
        (image.top, 0x00280034),
        (image.top, 0x00182010),
    )
    for level, tag in levels:
        spacing = level.numbers(tag)
        if len(spacing) >= 2 and spacing[0] > 0 and spacing[1] > 0:
            ratio = spacing[0] / spacing[1]
            return ratio if 0.1 <= ratio <= 10 and abs(ratio - 1) > 0.01 else 1.0
    return 1.0


def _jpeg(pixels: Pixels, quality: int) -> bytes:
    import imagecodecs

    return bytes(
        imagecodecs.jpeg8_encode(pixels, level=quality, subsampling="420" if pixels.ndim == 3 and quality < 90 else None)
    )


def _png(pixels: Pixels, quality: int) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.png_encode(pixels, level=1))


def _gif(pixels: Pixels, quality: int) -> bytes:
    from PIL import Image as Picture

    out = io.BytesIO()
    Picture.fromarray(pixels).save(out, "GIF")
    return out.getvalue()


def _jp2(pixels: Pixels, quality: int) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="jp2", reversible=True))


_ENCODERS: Mapping[str, Callable[[Pixels, int], bytes]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/gif": _gif,
    "image/jp2": _jp2,
}
