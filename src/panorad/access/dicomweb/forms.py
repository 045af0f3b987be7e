"""In which form to serve instances and frames: as stored where the client accepts that (PS3.18 section 8.7.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from panorad.access.dicomweb.errors import NotAcceptable
from panorad.access.dicomweb.media import DICOM, OCTETS, ZIP, Wanted, content_type, parse_accept, wanted
from panorad.data.imaging.syntaxes import (
    DEFLATED,
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_LE,
    HTJ2K_LOSSLESS,
    IMPLICIT_LE,
    JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS_LOSSLESS,
    RLE_LOSSLESS,
    SYNTAXES,
    syntax_of,
)
from panorad.data.imaging.transcode import can

ALIASES: Mapping[str, str] = {
    "image/x-jls": "image/jls",
    "image/x-jp2": "image/jp2",
    "image/x-dicom-rle": "image/dicom-rle",
}
"""Names that earlier editions of the standard gave to media types of frames."""

DEFAULTS: Mapping[str, str] = {
    OCTETS: EXPLICIT_LE,
    "image/jpeg": JPEG_LOSSLESS_SV1,
    "image/jls": JPEG_LS_LOSSLESS,
    "image/jp2": JPEG_2000_LOSSLESS,
    "image/jphc": HTJ2K_LOSSLESS,
    "image/dicom-rle": RLE_LOSSLESS,
}
"""The transfer syntax meant by a media type of frames that names none (PS3.18 Tables 8.7.3-2 and 8.7.3-5)."""

NATIVE = frozenset({IMPLICIT_LE, EXPLICIT_LE, DEFLATED, ENCAPSULATED_UNCOMPRESSED})
"""Transfer syntaxes whose frames are plain little endian pixels, which is what Explicit VR Little Endian means for a frame."""


@dataclass(frozen=True, slots=True)
class Form:
    """How one thing is served: media type, multipart or bare, transfer syntax, and whether the stored bytes are already that."""

    media_type: str
    multipart: bool
    syntax: str
    as_stored: bool = True

    @property
    def content_type(self) -> str:
        """The Content-Type of the part or of the bare body."""
        return content_type(self.media_type, self.syntax)


@lru_cache(maxsize=1024)
def frame_form(accept: str, stored: str, several: bool) -> Form:
    """The form in which frames stored in the transfer syntax `stored` answer `accept`.

    Among equally wanted forms the stored one wins; `application/octet-stream` and nothing more means Explicit VR Little Endian:
    compressed frames are decoded for it. Several frames go in multipart only. Raises NotAcceptable naming what there is.
    """
    own = syntax_of(stored).media_type
    kinds = list(dict.fromkeys((own, OCTETS, *DEFAULTS)))
    best = _best(wanted(_canonical(accept), kinds, bare=() if several else kinds), lambda want: _frame_syntax(want, stored, own))
    if best is None:
        offers = [
            f'{kind}; transfer-syntax="{stored}"' if kind == own else kind for kind in kinds if _frame_servable(kind, stored)
        ]
        raise NotAcceptable(f"frames can be had as {', '.join(offers)}" + (" in multipart/related" if several else ""))
    return best


@lru_cache(maxsize=1024)
def instance_form(accept: str, stored: str, multipart: bool) -> Form:
    """The form of one instance stored in `stored` inside the envelope already chosen by `envelope`.

    `application/dicom` without a transfer syntax means Explicit VR Little Endian; what cannot be had so (video) comes as stored.
    """
    best = _best((w for w in wanted(accept, [DICOM]) if w.multipart is multipart), lambda want: _instance_syntax(want, stored))
    if best is None:
        ready = ", ".join(uid for uid in SYNTAXES if uid == stored or _reachable(stored, uid))
        raise NotAcceptable(f"the instance can be had in the transfer syntaxes {ready}")
    return best


@lru_cache(maxsize=1024)
def envelope(accept: str, several: bool) -> str:
    """Around what to serve instances: "multipart/related", "application/dicom" (one instance, bare) or "application/zip"."""
    for want in wanted(accept, [DICOM], bare=[ZIP] if several else [DICOM, ZIP]):
        return "multipart/related" if want.multipart else want.media_type
    offers = ["multipart/related; type=application/dicom", *([] if several else [DICOM]), ZIP]
    raise NotAcceptable(f"instances can be had as {', '.join(offers)}")


def archived_form(stored: str) -> Form:
    """The form of an instance inside a ZIP archive: as stored."""
    return Form(DICOM, False, stored)


def _best(wants: Iterable[Wanted], resolve: Callable[[Wanted], tuple[str, str, int] | None]) -> Form | None:
    found = [(-want.quality, cost, order, want.multipart, kind, syntax)
             for order, want in enumerate(wants) if (answer := resolve(want)) for kind, syntax, cost in (answer,)]  # fmt: skip
    if not found:
        return None
    _, cost, _, multipart, kind, syntax = min(found)
    return Form(kind, multipart, syntax, cost == 0)


def _frame_syntax(want: Wanted, stored: str, own: str) -> tuple[str, str, int] | None:
    label = EXPLICIT_LE if stored in NATIVE else stored
    asked = want.syntax
    if asked is None and want.media_type == own:
        asked = label if stored in NATIVE or own != OCTETS else EXPLICIT_LE
    elif asked == "*":
        asked = stored if want.media_type in (own, OCTETS) else DEFAULTS.get(want.media_type)
    target = asked or DEFAULTS.get(want.media_type)
    if target is None:
        return None
    target = EXPLICIT_LE if target in NATIVE else target
    kind = syntax_of(target).media_type
    if kind != want.media_type and want.media_type != OCTETS:
        return None
    if target == label:
        return kind, target, 0
    return (kind, target, 1) if _reachable(stored, target) else None


def _instance_syntax(want: Wanted, stored: str) -> tuple[str, str, int] | None:
    if want.syntax in ("*", stored):
        return DICOM, stored, 0
    target = want.syntax or EXPLICIT_LE
    if target == stored or (want.syntax is None and not _reachable(stored, target)):
        return DICOM, stored, 0
    return (DICOM, target, 1) if _reachable(stored, target) else None


def _frame_servable(kind: str, stored: str) -> bool:
    return kind == syntax_of(stored).media_type or _reachable(stored, DEFAULTS[kind])


def _reachable(stored: str, target: str) -> bool:
    return target in SYNTAXES and can(stored, target)


def _canonical(accept: str) -> str:
    for old, name in ALIASES.items():
        accept = accept.replace(old, name)
    parse_accept(accept)
    return accept
