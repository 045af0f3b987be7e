"""WADO-RS of studies, series and instances (PS3.18 section 10.4.1.1.1), streamed instance by instance."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from panorad.access.dicomweb import ranges
from panorad.access.dicomweb.deps import Blobs, DicomWebDeps
from panorad.access.dicomweb.errors import NotAcceptable
from panorad.access.dicomweb.forms import Form, archived_form, envelope, instance_form
from panorad.access.dicomweb.media import DICOM, RELATED, ZIP, accept_of, related
from panorad.access.dicomweb.multipart import closing, part_head, write_boundary
from panorad.access.dicomweb.target import record, stored, target_of
from panorad.data.imaging.transcode import transcode
from panorad.kit.errors import Kind, PanoradError
from panorad.model.instance import Stored


@dataclass(frozen=True, slots=True)
class Retrieve:
    """Answers for whole instances."""

    deps: DicomWebDeps

    def instances(self, request: Request) -> Response:
        """A study, a series or one instance: multipart/related, one bare application/dicom, or a ZIP archive."""
        actor, target, accept = self.deps.actor(request), target_of(request), accept_of(request)
        kind = envelope(accept, several=not target.instance)
        found = stored(self.deps, actor, target)
        forms = [] if kind == ZIP else [instance_form(accept, one.header.transfer_syntax, kind == RELATED) for one in found]
        record(self.deps, actor, found)
        if kind == ZIP:
            return self._archive(found, target.instance or target.series or target.study)
        if kind == RELATED:
            return _readable(accept, found, forms, lambda forms: self._related(list(zip(found, forms, strict=True))))
        return _readable(accept, found, forms, lambda forms: bare_instance(self.deps.blobs, request, found[0], forms[0]))

    def _related(self, items: Sequence[tuple[Stored, Form]]) -> Response:
        boundary = write_boundary()
        headers = {"Content-Type": related(DICOM, boundary), "Cache-Control": ranges.PRIVATE}
        first: bytes | None = None
        if len(items) == 1 and not items[0][1].as_stored:
            first = transcoded(self.deps.blobs, items[0][0], items[0][1].syntax)  # so that a failure still has a status
        if first is None and all(form.as_stored for _, form in items):
            heads = sum(len(part_head(boundary, form.content_type)) for _, form in items)
            headers["Content-Length"] = str(sum(one.place.length for one, _ in items) + heads + len(closing(boundary)))
        return StreamingResponse(self._parts(items, boundary, first), headers=headers)

    def _parts(self, items: Sequence[tuple[Stored, Form]], boundary: str, ready: bytes | None) -> Iterator[bytes]:
        for one, form in items:
            if form.as_stored:
                body = instance_pieces(self.deps.blobs, one)
            else:
                try:
                    body = iter((ready or transcoded(self.deps.blobs, one, form.syntax),))
                except PanoradError:  # better an instance in another form, and labelled so, than a study without it
                    form, body = archived_form(one.header.transfer_syntax), instance_pieces(self.deps.blobs, one)
            yield part_head(boundary, form.content_type) + next(body)
            yield from body
        yield closing(boundary)

    def _archive(self, found: Sequence[Stored], name: str) -> Response:
        safe = "".join(c for c in name if c.isalnum() or c in ".-_")[:64]
        headers = {
            "Content-Type": ZIP,
            "Cache-Control": ranges.PRIVATE,
            "Content-Disposition": f'attachment; filename="{safe}.zip"',
        }
        return StreamingResponse(archive(self.deps.blobs, found), headers=headers)


def _readable(accept: str, found: Sequence[Stored], forms: list[Form], answer: Callable[[list[Form]], Response]) -> Response:
    """An answer in these forms; as stored where a single instance's pixels cannot be read and no transfer syntax was asked for."""
    try:
        return answer(forms)
    except PanoradError as error:
        if error.kind is Kind.UNAVAILABLE:
            raise
        if "transfer-syntax" in accept:
            raise NotAcceptable(error.message) from error
        return answer([archived_form(one.header.transfer_syntax) for one in found])


def bare_instance(blobs: Blobs, request: Request, one: Stored, form: Form) -> Response:
    """One instance without envelope; as stored also by ranges."""
    etag = f'"{one.digest.hex()[:32]}.{form.syntax}"'
    headers = {"Content-Disposition": 'attachment; filename="instance.dcm"'}
    if form.as_stored:
        return ranges.answer(request, partial(blobs.read, one.place), one.place.length, form.content_type, etag, headers)
    if ranges.not_modified(request, etag):
        return ranges.unchanged(etag)
    body = transcoded(blobs, one, form.syntax)
    return ranges.answer(request, lambda at, size: body[at : at + size], len(body), form.content_type, etag, headers)


def instance_pieces(blobs: Blobs, one: Stored) -> Iterator[bytes]:
    """An instance's Part 10 file as stored, a chunk at a time."""
    return ranges.pieces(partial(blobs.read, one.place), 0, one.place.length)


def transcoded(blobs: Blobs, one: Stored, syntax: str) -> bytes:
    """An instance's Part 10 file in another transfer syntax."""
    with blobs.view(one.place) as view:
        return transcode(view, syntax)


class _Sink:
    """What zipfile writes to: keeps the bytes until they are taken."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing lies behind."""

    def close(self) -> None:
        """The pieces stay."""

    def take(self) -> bytes:
        taken, self.pieces = b"".join(self.pieces), []
        return taken


def archive(blobs: Blobs, found: Sequence[Stored]) -> Iterator[bytes]:
    """A ZIP archive of instances as stored, not compressed, in folders by series; made as it is sent."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as file:
        for number, one in enumerate(found, 1):
            entry = zipfile.ZipInfo(f"{_safe(one.header.series_uid)}/{number:06d}_{_safe(one.header.sop_uid)}.dcm")
            entry.file_size = one.place.length
            with file.open(entry, "w", force_zip64=one.place.length > 1 << 31) as member:
                for piece in instance_pieces(blobs, one):
                    member.write(piece)
                    yield sink.take()
    yield sink.take()


def _safe(uid: str) -> str:
    return "".join(c for c in uid if c.isalnum() or c in ".-_").strip(".") or "_"
