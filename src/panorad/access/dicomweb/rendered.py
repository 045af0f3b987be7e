"""WADO-RS of rendered images and thumbnails (PS3.18 sections 8.3.5, 10.4.1.1.3 and 10.4.1.1.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response

from panorad.access.dicomweb import ranges
from panorad.access.dicomweb.deps import Blobs, DicomWebDeps
from panorad.access.dicomweb.errors import MalformedQuery, NotAcceptable, NotFound
from panorad.access.dicomweb.frames import frame_numbers
from panorad.access.dicomweb.media import accept_of, wanted
from panorad.access.dicomweb.query import warning
from panorad.access.dicomweb.target import base_url, record, stored, target_of
from panorad.data.imaging.frames import FrameAbsent, frame_count
from panorad.data.imaging.render import NotRenderable, Viewport, Window, render, rendered_types, thumbnail
from panorad.model.instance import Stored

IGNORED = ("annotation", "iccprofile")
"""Parameters of PS3.18 section 8.3.5.1 that are passed over with a warning."""
THUMBNAIL = 128
"""The longer side of a thumbnail, in pixels, where no viewport is given."""


@dataclass(frozen=True, slots=True)
class View:
    """How to render; `region` is left, top, right, bottom as fractions of the image, `quality` that of JPEG from 1 to 100."""

    window: Window | None = None
    viewport: Viewport | None = None
    region: tuple[float, float, float, float] | None = None
    quality: int = 90
    warnings: tuple[str, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Rendered:
    """Answers for what people look at."""

    deps: DicomWebDeps

    def rendered(self, request: Request) -> Response:
        """An instance, a frame, or the middle image of a study or series, rendered; documents and videos as they are."""
        actor, view = self.deps.actor(request), view_of(request.query_params)
        one, number = chosen(stored(self.deps, actor, target_of(request)), request)
        record(self.deps, actor, [one], 1)
        answer = serve(self.deps.blobs, request, one, number, view, accept_of(request))
        if view.warnings:
            answer.headers["Warning"] = warning(base_url(request), list(view.warnings))
        return answer

    def thumbnail(self, request: Request) -> Response:
        """A small JPEG of the same choice, 128 pixels wide or high unless a viewport is given."""
        actor, view = self.deps.actor(request), view_of(request.query_params)
        one, number = chosen(stored(self.deps, actor, target_of(request)), request)
        if next(iter(wanted(accept_of(request), ["image/jpeg"], envelope=False)), None) is None:
            raise NotAcceptable("the thumbnail is image/jpeg")
        frame = number if "frames" in request.path_params else None
        size = max(view.viewport.width, view.viewport.height) if view.viewport else THUMBNAIL
        etag = f'"{one.digest.hex()[:32]}.{frame or "middle"}.t{size}"'
        record(self.deps, actor, [one], 1)
        if ranges.not_modified(request, etag):
            return ranges.unchanged(etag)
        with self.deps.blobs.view(one.place) as part10:
            picture = (
                thumbnail(part10, size) if frame is None else render(part10, frame, viewport=Viewport(size, size), quality=80)
            )
        if picture is None:
            raise NotRenderable("it has no pixels that can be shown")
        return Response(picture, 200, {"Content-Type": "image/jpeg", "ETag": etag, "Cache-Control": ranges.PRIVATE})


def chosen(found: Sequence[Stored], request: Request) -> tuple[Stored, int]:
    """The instance and frame to show: those that the path names, else the middle image of the first series that has any."""
    if text := request.path_params.get("frames"):
        return found[0], chosen_frame(found[0], text)
    if "instance" in request.path_params:
        return found[0], 1
    shown = [one for one in found if frame_count(one)] or list(found)
    series = [one for one in shown if one.header.series_uid == shown[0].header.series_uid]
    return series[len(series) // 2], 1


def chosen_frame(one: Stored, text: str) -> int:
    """The one frame that a text names. Raises MalformedQuery, FrameAbsent."""
    (number,) = frame_numbers(text, 1)
    if number > frame_count(one):
        raise FrameAbsent(f"frame {number} of {frame_count(one)}")
    return number


def serve(blobs: Blobs, request: Request, one: Stored, number: int, view: View, accept: str) -> Response:
    """One instance or frame in a form for people. Raises NotAcceptable, NotFound when it has none, and what `render` raises."""
    with blobs.view(one.place) as part10:
        kinds = rendered_types(part10)
        if not kinds:
            raise NotFound("the instance has nothing that can be shown")
        want = next(iter(wanted(accept, kinds, envelope=False)), None)
        if want is None:
            raise NotAcceptable(f"this can be shown as {', '.join(kinds)}")
        etag = f'"{one.digest.hex()[:32]}.{number}.{_digest(view, want.media_type)}"'
        if ranges.not_modified(request, etag):
            return ranges.unchanged(etag)
        body = render(
            part10,
            number,
            media_type=want.media_type,
            window=view.window,
            region=view.region,
            viewport=view.viewport,
            quality=view.quality,
        )
    kind = "text/html; charset=utf-8" if want.media_type == "text/html" else want.media_type
    safe = {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    return ranges.answer(request, lambda at, size: body[at : at + size], len(body), kind, etag, safe)


def view_of(parameters: Mapping[str, str]) -> View:
    """The view that query parameters ask for (PS3.18 section 8.3.5.1). Raises MalformedQuery, RenderingInvalid."""
    window, viewport = parameters.get("window"), parameters.get("viewport")
    return View(
        Window.parse(window) if window else None,
        Viewport.parse(viewport) if viewport else None,
        quality=quality_of(parameters.get("quality", "")),
        warnings=tuple(f"The {name} parameter is not supported and was ignored." for name in IGNORED if name in parameters),
    )


def quality_of(text: str) -> int:
    """The JPEG quality from 1 to 100, 90 by default. Raises MalformedQuery."""
    if text and not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 100):
        raise MalformedQuery("the quality must be a whole number from 1 to 100")
    return int(text or 90)


def _digest(view: View, media_type: str) -> str:
    return blake2b(repr((view, media_type)).encode(), digest_size=8).hexdigest()
