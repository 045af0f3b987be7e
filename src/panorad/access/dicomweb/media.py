"""Media types: what a client accepts of what we can serve (PS3.18 sections 8.3.3 and 8.7, RFC 9110 section 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from starlette.requests import Request

from panorad.access.dicomweb.errors import MalformedAccept

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
JSON = "application/json"
OCTETS = "application/octet-stream"
ZIP = "application/zip"
RELATED = "multipart/related"

ACCEPT_LENGTH = 4096
"""The longest Accept header that is read, in characters."""

_UID = re.compile(r"[0-9.]{1,64}")
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"?|[,;]|[^",;]+')


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an Accept header: a lower-case type that may hold `*`, its parameters by lower-case name, and its weight."""

    name: str
    parameters: Mapping[str, str]
    quality: float = 1.0

    @property
    def syntax(self) -> str | None:
        """The transfer syntax asked for: a UID, `*` for any, None when not said."""
        return self.parameters.get("transfer-syntax")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing the client takes: a concrete media type, in multipart or bare, in which transfer syntax, how gladly."""

    media_type: str
    multipart: bool
    syntax: str | None
    quality: float


def parse_parameters(text: str) -> tuple[str, dict[str, str]]:
    """A header value `name; key=value; key="quoted"` as its lower-case name and parameters; never fails on odd input."""
    fields = [_unquoted(field) for field in _split(text, ";")]
    parameters: dict[str, str] = {}
    for key, equals, value in fields[1:]:
        if equals and key not in parameters:
            parameters[key] = value
    return (fields[0][0] if fields else ""), parameters


@lru_cache(maxsize=512)
def parse_accept(text: str) -> tuple[MediaRange, ...]:
    """The media ranges of an Accept header, most wanted first, in the order written among equals; those of weight 0 are left out.

    Elements that are not media ranges are passed over. Raises MalformedAccept when the text holds none at all.
    """
    if len(text) > ACCEPT_LENGTH:
        raise MalformedAccept(f"more than {ACCEPT_LENGTH} characters")
    ranges = []
    for element in _split(text, ","):
        name, parameters = parse_parameters(element)
        kind, slash, subtype = name.partition("/")
        if slash and kind and subtype and "/" not in subtype:
            ranges.append(MediaRange(name, parameters, _weight(parameters.pop("q", "1"))))
    if not ranges and text.strip():
        raise MalformedAccept(text[:200])
    return tuple(sorted((r for r in ranges if r.quality > 0), key=lambda r: -r.quality))


def accept_of(request: Request) -> str:
    """What the request accepts: the `accept` query parameter (PS3.18 section 8.3.3.1), else the header, else anything."""
    asked = request.query_params.get("accept")
    if asked:
        return re.sub(r"(?<=dicom) (?=json|xml)", "+", asked)  # an unescaped plus sign arrives as a space
    return ", ".join(request.headers.getlist("accept")) or "*/*"


def wanted(
    accept: str, media_types: Sequence[str], *, bare: Sequence[str] | None = None, envelope: bool = True
) -> Iterator[Wanted]:
    """What the client takes of what we could serve, most wanted first.

    `media_types` are those served as parts of multipart/related, best first, `bare` those served without envelope (default: the
    same). A bare `*/*` means the envelope form of any when `envelope`, else the bare form, and leaves the transfer syntax free.
    """
    single = media_types if bare is None else bare
    for media in parse_accept(accept):
        if media.name in ("multipart/related", "multipart/*"):
            inner = media.parameters.get("type", "*/*").lower()
            syntax = media.syntax or ("*" if inner == "*/*" else None)
            yield from (Wanted(m, True, syntax, media.quality) for m in media_types if _covers(inner, m))
        elif media.name == "*/*":
            kinds = media_types if envelope else single
            yield from (Wanted(m, envelope, media.syntax or "*", media.quality) for m in kinds)
        else:
            yield from (Wanted(m, False, media.syntax, media.quality) for m in single if _covers(media.name, m))


def content_type(media_type: str, syntax: str = "") -> str:
    """A part's or body's Content-Type, with the transfer syntax where there is one (PS3.18 section 8.7.3.5.2)."""
    return f"{media_type}; transfer-syntax={syntax}" if _UID.fullmatch(syntax) else media_type


def related(media_type: str, boundary: str) -> str:
    """The Content-Type of a multipart/related answer whose parts are of `media_type` (RFC 2387)."""
    return f'{RELATED}; type="{media_type}"; boundary={boundary}'


def _covers(pattern: str, media_type: str) -> bool:
    if pattern == JSON:
        return media_type in (JSON, DICOM_JSON)
    return pattern in ("*/*", media_type) or (pattern.endswith("/*") and media_type.startswith(pattern[:-1]))


def _split(text: str, separator: str) -> list[str]:
    parts = [""]
    for piece in _PIECE.findall(text):
        if piece == separator:
            parts.append("")
        else:
            parts[-1] += piece
    return [part.strip() for part in parts if part.strip()]


def _unquoted(field: str) -> tuple[str, str, str]:
    key, equals, value = field.partition("=")
    value = value.strip()
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1] if value.endswith('"') and len(value) > 1 else value[1:])
    return key.strip().lower(), equals, value


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 1.0
    return min(max(weight, 0.0), 1.0) if weight == weight else 1.0
