"""WADO-URI (PS3.18 section 9): one instance by query parameters, as a DICOM file or rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from panorad.access.dicomweb.deps import DicomWebDeps
from panorad.access.dicomweb.errors import MalformedQuery
from panorad.access.dicomweb.forms import instance_form
from panorad.access.dicomweb.media import DICOM, parse_accept
from panorad.access.dicomweb.rendered import View, chosen_frame, quality_of, serve
from panorad.access.dicomweb.retrieve import bare_instance
from panorad.access.dicomweb.target import Target, record, stored
from panorad.data.imaging.render import Viewport, Window

UIDS = ("studyUID", "seriesUID", "objectUID")
LARGEST = 8192
"""The largest side of a rendered image, in pixels."""


@dataclass(frozen=True, slots=True)
class WadoUri:
    """Answers WADO-URI requests."""

    deps: DicomWebDeps

    def retrieve(self, request: Request) -> Response:
        """`?requestType=WADO&studyUID=&seriesUID=&objectUID=` with `contentType`, `transferSyntax`, `frameNumber` and the view.

        Without a content type a single frame is image/jpeg and anything else application/dicom (PS3.18 section 9.5.1).
        """
        actor, asked = self.deps.actor(request), request.query_params
        if asked.get("requestType") != "WADO":
            raise MalformedQuery("requestType must be WADO")
        uids = [asked.get(name, "").strip() for name in UIDS]
        if not all(uids):
            raise MalformedQuery(f"{', '.join(UIDS)} are required")
        one = stored(self.deps, actor, Target(*uids))[0]
        record(self.deps, actor, [one], int("frameNumber" in asked))
        accept = asked.get("contentType", "").replace(" ", "+")
        if not accept:
            accept = "image/jpeg" if one.header.rows is not None and (one.header.frames or 1) == 1 else DICOM
        first = next(iter(parse_accept(accept)), None)
        if first is not None and first.name == DICOM:
            syntax = asked.get("transferSyntax") or first.syntax  # neither: Explicit VR Little Endian (PS3.18 section 9.5.2.1)
            form = instance_form(f'{DICOM}; transfer-syntax="{syntax}"' if syntax else DICOM, one.header.transfer_syntax, False)
            return bare_instance(self.deps.blobs, request, one, form)
        number = chosen_frame(one, asked["frameNumber"]) if "frameNumber" in asked else 1
        return serve(self.deps.blobs, request, one, number, view_of(asked), accept)


def view_of(asked: Mapping[str, str]) -> View:
    """The view that WADO-URI parameters ask for (PS3.18 section 9.5.2): window, size, region in fractions, quality."""
    window = [asked[name] for name in ("windowCenter", "windowWidth") if name in asked]
    if len(window) == 1:
        raise MalformedQuery("windowCenter and windowWidth go together")
    return View(
        window=Window.parse(",".join(window)) if window else None,
        viewport=_size(asked),
        region=_region(asked["region"]) if "region" in asked else None,
        quality=quality_of(asked.get("imageQuality", "")),
    )


def _region(text: str) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError:
        raise MalformedQuery("region must be four numbers from 0 to 1") from None
    return left, top, right, bottom


def _size(asked: Mapping[str, str]) -> Viewport | None:
    """The size asked for; where one side is left out it follows the image's proportions."""
    sides = {name: asked[name] for name in ("columns", "rows") if asked.get(name)}
    for name, text in sides.items():
        if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= LARGEST):
            raise MalformedQuery(f"{name} must be a whole number from 1 to {LARGEST}")
    return Viewport(int(sides.get("columns", LARGEST)), int(sides.get("rows", LARGEST))) if sides else None
