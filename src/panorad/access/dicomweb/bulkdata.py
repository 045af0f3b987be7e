"""WADO-RS of bulk data (PS3.18 section 10.4.1.1.5): the values that metadata links to, whole or by ranges."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from panorad.access.dicomweb import ranges
from panorad.access.dicomweb.deps import DicomWebDeps
from panorad.access.dicomweb.errors import MalformedQuery, NotAcceptable
from panorad.access.dicomweb.forms import Form, frame_form
from panorad.access.dicomweb.frames import read_frame
from panorad.access.dicomweb.media import OCTETS, accept_of, related, wanted
from panorad.access.dicomweb.multipart import closing, part_head, write_boundary
from panorad.access.dicomweb.target import base_url, record, stored, target_of, url_of
from panorad.data.imaging.bulkdata import bulk_value
from panorad.data.imaging.frames import frame_count
from panorad.data.imaging.syntaxes import syntax_of
from panorad.model.instance import Stored

PIXEL_DATA = "7FE00010"
_PATH = re.compile(r"[0-9A-Fa-f]{8}(/[0-9]{1,9}/[0-9A-Fa-f]{8})*")


@dataclass(frozen=True, slots=True)
class BulkData:
    """Answers for bulk data."""

    deps: DicomWebDeps

    def bulkdata(self, request: Request) -> Response:
        """The value at a path `TAG[/ITEM/TAG...]` of an instance, items counted from 1. Compressed pixels go frame by frame."""
        actor, target, accept = self.deps.actor(request), target_of(request), accept_of(request)
        path = request.path_params["path"].upper()
        if not _PATH.fullmatch(path):
            raise MalformedQuery("bulk data is addressed by TAG or TAG/ITEM/TAG, such as 7FE00010")
        one = stored(self.deps, actor, target)[0]
        record(self.deps, actor, [one])
        if path == PIXEL_DATA and syntax_of(one.header.transfer_syntax).encapsulated:
            return self._pixels(request, one, accept)
        return self._value(request, one, path, accept)

    def _value(self, request: Request, one: Stored, path: str, accept: str) -> Response:
        with self.deps.blobs.view(one.place) as view:
            bulk = bulk_value(view, path)
        kinds = list(dict.fromkeys((bulk.media_type, OCTETS)))
        want = next(iter(wanted(accept, kinds)), None)
        if want is None:
            raise NotAcceptable(f"the value can be had as {' or '.join(kinds)}, in multipart/related or without")
        etag = f'"{one.digest.hex()[:32]}.{path.replace("/", ".")}.{"m" if want.multipart else "s"}"'
        if ranges.not_modified(request, etag):
            return ranges.unchanged(etag)
        if not want.multipart:
            return ranges.answer(request, lambda at, size: bulk.data[at : at + size], len(bulk.data), want.media_type, etag)
        boundary, header = write_boundary(), one.header
        place = f"{url_of(base_url(request), header.study_uid, header.series_uid, header.sop_uid)}/bulkdata/{path}"
        body = b"".join((part_head(boundary, want.media_type, place), bulk.data, closing(boundary)))
        return Response(
            body, 200, {"Content-Type": related(want.media_type, boundary), "ETag": etag, "Cache-Control": ranges.PRIVATE}
        )

    def _pixels(self, request: Request, one: Stored, accept: str) -> Response:
        form = frame_form(accept, one.header.transfer_syntax, False)
        count = frame_count(one)
        if form.multipart:
            boundary = write_boundary()
            headers = {"Content-Type": related(form.media_type, boundary), "Cache-Control": ranges.PRIVATE}
            return StreamingResponse(self._parts(one, form, count, boundary), headers=headers)
        if count != 1 and syntax_of(form.syntax).encapsulated:
            raise NotAcceptable(f"{count} compressed frames can be had in multipart/related only")
        value = b"".join(read_frame(self.deps.blobs, one, number, form) for number in range(1, count + 1))
        etag = f'"{one.digest.hex()[:32]}.pixels.{form.syntax}"'
        return ranges.answer(request, lambda at, size: value[at : at + size], len(value), form.content_type, etag)

    def _parts(self, one: Stored, form: Form, count: int, boundary: str) -> Iterator[bytes]:
        for number in range(1, count + 1):
            yield part_head(boundary, form.content_type) + read_frame(self.deps.blobs, one, number, form)
        yield closing(boundary)
