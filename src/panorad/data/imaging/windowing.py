"""Stored gray values to display values: Modality LUT, VOI LUT and Presentation LUT (PS3.3 sections C.11.1, C.11.2 and C.11.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from panorad.data.imaging.image import Image, Level
from panorad.kit.errors import Kind, PanoradError

if TYPE_CHECKING:
    import numpy

    Pixels = numpy.ndarray[Any, numpy.dtype[Any]]

FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
"""The names of VOI LUT Function in the `window` query parameter (PS3.18 section 8.3.5.1.4) and in the data set."""


class RenderingInvalid(PanoradError):
    """The rendering that was asked for makes no sense"""

    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Window:
    """A VOI window in output units of the Modality LUT (Hounsfield units in CT); `function` is LINEAR, LINEAR_EXACT or
    SIGMOID."""

    center: float
    width: float
    function: str = "LINEAR"

    @classmethod
    def parse(cls, text: str) -> Window:
        """The `window` query parameter: `center,width,function` (the function may be left out). Raises `RenderingInvalid`."""
        parts = text.split(",")
        try:
            window = cls(float(parts[0]), float(parts[1]), FUNCTIONS[parts[2].strip().lower()] if len(parts) == 3 else "LINEAR")
        except (ValueError, IndexError, KeyError):
            raise RenderingInvalid(f"window={text[:60]} is not center,width,function") from None
        if len(parts) > 3 or not window.usable:
            raise RenderingInvalid(f"window={text[:60]} has no usable width")
        return window

    @property
    def usable(self) -> bool:
        """Whether the width is one that its function allows (PS3.3 section C.11.2.1.2)."""
        finite = abs(self.center) < 1e30 and abs(self.width) < 1e30
        return finite and (self.width >= 1 if self.function == "LINEAR" else self.width > 0)

    def apply(self, values: Pixels) -> Pixels:
        """Display values from 0 to 1."""
        import numpy as np

        if self.function == "SIGMOID":
            return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - self.center) / self.width, -80, 80))))
        if self.function == "LINEAR_EXACT":
            return np.asarray(np.clip((values - self.center) / self.width + 0.5, 0, 1))
        if self.width <= 1:
            return np.asarray(values > self.center - 0.5, np.float64)
        return np.asarray(np.clip((values - (self.center - 0.5)) / (self.width - 1) + 0.5, 0, 1))


@dataclass(frozen=True, slots=True)
class Lut:
    """A lookup table: `entries` of `bits` bits, the first for `first` and below, the last for everything beyond."""

    first: int
    bits: int
    entries: Pixels

    def apply(self, values: Pixels) -> Pixels:
        """The entries for values."""
        import numpy as np

        places = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        return np.asarray(self.entries.take(places.astype(np.intp)))


def lut_of(item: Level, descriptor: int = 0x00283002, data: int = 0x00283006, *, signed: bool = False) -> Lut | None:
    """The lookup table of a LUT item (PS3.3 section C.11.1.1.1); None when it is damaged."""
    import numpy as np

    head = item.shorts(descriptor)
    if len(head) < 3:
        return None
    count, first, bits = head[0] or 1 << 16, head[1], head[2]
    if signed and first > 0x7FFF:
        first -= 1 << 16
    raw = item.raw(data)
    if len(raw) in (count, count + count % 2) and bits <= 8:
        entries = np.frombuffer(raw, np.uint8)
    else:
        entries = np.frombuffer(raw[: len(raw) // 2 * 2], ">u2" if item.data.big else "<u2")
    if len(entries) < count or not 1 <= bits <= 16:
        return None
    return Lut(first, bits, entries[:count])


def to_gray(image: Image, number: int, pixels: Pixels, window: Window | None) -> Pixels:
    """A monochrome frame as eight bit gray, black to white, as the instance says unless `window` says otherwise.

    Without a window, the range between the 0.5th and the 99.5th percentile (all values of a mask) is shown.
    """
    import numpy as np

    pixels = _significant(image, pixels)
    if pixels.dtype.kind == "f" or pixels.dtype.itemsize > 2:
        return _display(image, number, pixels.astype(np.float64), pixels, window)
    low, high = int(pixels.min()), int(pixels.max())
    table = _display(image, number, np.arange(low, high + 1, dtype=np.float64), pixels, window)
    if low == 0:
        return table.take(pixels)
    return table.take(pixels.astype(np.int32) - low)


def _significant(image: Image, pixels: Pixels) -> Pixels:
    """Without overlay planes and other bits beside those that are stored."""
    pixel = image.pixel
    if pixel.kind == "f" or pixel.stored >= pixel.allocated or image.encapsulated:
        return pixels
    shift = pixel.high + 1 - pixel.stored
    if pixel.signed:
        left = pixel.allocated - 1 - pixel.high
        extended: Pixels = (pixels << left) >> (left + shift)
        return extended
    kept: Pixels = (pixels >> shift) & pixels.dtype.type((1 << pixel.stored) - 1)
    return kept


def _display(image: Image, number: int, values: Pixels, pixels: Pixels, window: Window | None) -> Pixels:
    import numpy as np

    top = image.top
    modality = _modality_lut(image, number)
    values = modality(values)
    shown: Pixels | None = None
    if window is None:
        luts = [lut for item in top.items(0x00283010)[:1] if (lut := lut_of(item, signed=True)) is not None]
        if luts:
            shown = luts[0].apply(values) / ((1 << luts[0].bits) - 1)
        window = _own_window(image.group(number, 0x00289132)) or _own_window(top) or _range(modality(_sample(image, pixels)))
    if shown is None:
        shown = window.apply(values)
    if image.pixel.photometric == "MONOCHROME1" or top.text(0x20500020) == "INVERSE":
        shown = 1 - shown
    return np.nan_to_num(shown * 255 + 0.5).clip(0, 255).astype(np.uint8)


class _Rescale:
    def __init__(self, slope: float, intercept: float) -> None:
        self.slope, self.intercept = slope, intercept

    def __call__(self, values: Pixels) -> Pixels:
        return values * self.slope + self.intercept


def _modality_lut(image: Image, number: int) -> Any:
    for item in image.top.items(0x00283000)[:1]:
        lut = lut_of(item, signed=image.pixel.signed)
        if lut is not None:
            return lut.apply
    level = image.group(number, 0x00289145)
    slope, intercept = level.numbers(0x00281053), level.numbers(0x00281052)
    return _Rescale((slope and slope[0]) or 1.0, intercept[0] if intercept else 0.0)


def _own_window(level: Level) -> Window | None:
    centers, widths = level.numbers(0x00281050), level.numbers(0x00281051)
    if not centers or not widths:
        return None
    function = level.text(0x00281056)
    window = Window(centers[0], widths[0], function if function in FUNCTIONS.values() else "LINEAR")
    return window if window.usable else None


def _sample(image: Image, pixels: Pixels) -> Pixels:
    """Some sixty thousand values of the frame, without Pixel Padding Value and what is no number."""
    import numpy as np

    sample = pixels.ravel()[:: max(1, pixels.size >> 16)]
    if sample.dtype.kind == "f":
        return sample[np.isfinite(sample)].astype(np.float64)
    padding = image.top.shorts(0x00280120, signed=image.pixel.signed)
    kept = sample[sample != padding[0]] if padding else sample
    return (kept if kept.size else sample).astype(np.float64)


def _range(sample: Pixels) -> Window:
    import numpy as np

    if not sample.size:
        return Window(0.5, 1, "LINEAR_EXACT")
    low, high = (float(edge) for edge in np.percentile(sample, (0.5, 99.5)))
    if high - low <= 1:
        low, high = float(sample.min()), float(sample.max())
    if low == high:  # one value only: black, but white where it says "here"
        return Window(low - 0.5 if low > 0 else low + 0.5, 1, "LINEAR_EXACT")
    return Window((low + high) / 2, high - low, "LINEAR_EXACT")
