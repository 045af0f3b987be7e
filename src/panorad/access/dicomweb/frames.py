"""WADO-RS of frames (PS3.18 section 10.4.1.1.6): the hot path of every viewer, one read of the stored bytes and no parsing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from panorad.access.dicomweb import ranges
from panorad.access.dicomweb.deps import Blobs, DicomWebDeps
from panorad.access.dicomweb.errors import MalformedQuery
from panorad.access.dicomweb.forms import Form, frame_form
from panorad.access.dicomweb.media import accept_of, related
from panorad.access.dicomweb.multipart import closing, part_head, write_boundary
from panorad.access.dicomweb.visible import Visible
from panorad.data.imaging.decoding import decode_frame, decoded_bytes, decoded_photometric
from panorad.data.imaging.encoding import Choice, encoder_for, significant_bits
from panorad.data.imaging.frames import FrameAbsent, frame, frame_count
from panorad.data.imaging.image import Image
from panorad.data.imaging.syntaxes import syntax_of
from panorad.data.process.recorder import Retrieval
from panorad.model.actor import Actor
from panorad.model.instance import Stored

_LIST = re.compile(r"\d{1,9}(,\d{1,9})*")


class Frames:
    """Answers for frames."""

    def __init__(self, deps: DicomWebDeps, visible: Visible) -> None:
        self._deps = deps
        self._visible = visible
        self._boundary = write_boundary()

    def frames(self, request: Request) -> Response:
        """The frames of a list such as `1` or `3,1,2`, in that order."""
        actor, path = self._deps.actor(request), request.path_params
        numbers = frame_numbers(path["frames"], self._deps.limits.frames)
        place = (path["study"], path["series"], path["instance"])
        first = numbers[0]
        one, span = self._visible.frame_span(actor, *place, first)
        form = frame_form(accept_of(request), one.header.transfer_syntax, len(numbers) > 1)
        if len(numbers) > 1:
            self._check(one, numbers)
        self._deps.retrieved(actor, (Retrieval(place[0], place[1], 1, len(numbers)),))
        if len(numbers) > 1:
            return self._several(actor, place, numbers, form)
        return self._single(request, one, span, first, form)

    def _single(self, request: Request, one: Stored, span: tuple[int, int] | None, number: int, form: Form) -> Response:
        etag = f'"{one.digest.hex()[:32]}.{number}.{form.syntax}.{"m" if form.multipart else "s"}"'
        if ranges.not_modified(request, etag):
            return ranges.unchanged(etag)
        data = read_frame(self._deps.blobs, one, number, form, span)
        headers = {"ETag": etag, "Cache-Control": ranges.PRIVATE}
        if not form.multipart:
            return ranges.answer(request, lambda at, size: data[at : at + size], len(data), form.content_type, etag)
        headers["Content-Type"] = related(form.media_type, self._boundary)
        body = b"".join((part_head(self._boundary, form.content_type), data, closing(self._boundary)))
        return Response(body, 200, headers)

    def _several(self, actor: Actor, place: tuple[str, str, str], numbers: tuple[int, ...], form: Form) -> Response:
        def parts() -> Iterator[bytes]:
            for number in numbers:
                one, span = self._visible.frame_span(actor, *place, number)
                yield part_head(self._boundary, form.content_type) + read_frame(self._deps.blobs, one, number, form, span)
            yield closing(self._boundary)

        return StreamingResponse(
            parts(), headers={"Content-Type": related(form.media_type, self._boundary), "Cache-Control": ranges.PRIVATE}
        )

    @staticmethod
    def _check(one: Stored, numbers: tuple[int, ...]) -> None:
        count = frame_count(one)
        for number in numbers:
            if not 1 <= number <= count:
                raise FrameAbsent(f"frame {number} of {count}")


def frame_numbers(text: str, most: int) -> tuple[int, ...]:
    """The frame numbers of a path, counted from 1. Raises MalformedQuery."""
    if not _LIST.fullmatch(text):
        raise MalformedQuery("frames are a list of numbers from 1, such as 1,2,3")
    numbers = tuple(int(number) for number in text.split(","))
    if len(numbers) > most or 0 in numbers:
        raise MalformedQuery(f"frames are numbers from 1, at most {most} at a time")
    return numbers


def read_frame(blobs: Blobs, one: Stored, number: int, form: Form, span: tuple[int, int] | None = None) -> bytes:
    """A frame in the form it is served in; with `span` known, a stored one is a single read. Raises as `frame` and `frame_as`."""
    if form.as_stored and span is not None:
        return blobs.read(one.place, *span)
    with blobs.view(one.place) as view:
        return frame(view, one, number) if form.as_stored else frame_as(view, number, form.syntax)


def frame_as(part10: memoryview, number: int, syntax: str) -> bytes:
    """A frame in another transfer syntax: native little endian bytes, or one encapsulated stream.

    Raises:
        SyntaxUndecodable, SyntaxUnencodable: the center cannot do that for these pixels.
        PixelsBroken: they are damaged.
    """
    image = Image(part10)
    if not syntax_of(syntax).encapsulated:
        return decoded_bytes(image, number)
    encode = encoder_for(syntax, image.pixel)
    pixels = decode_frame(image, number)
    return encode(pixels, Choice(significant_bits(pixels, image.pixel.stored), decoded_photometric(image) == "RGB", 100))
