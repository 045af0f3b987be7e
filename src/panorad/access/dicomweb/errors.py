"""Errors of DICOMweb and their HTTP answers (PS3.18 section 8.5); the table from an error's kind to a status is the web's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from panorad.access.web.bearer import challenge
from panorad.access.web.errors import ANSWERS
from panorad.access.web.session import SignInNeeded
from panorad.data.imaging.frames import PixelsBroken
from panorad.kit.errors import Kind, PanoradError, StorageFull


class MalformedAccept(PanoradError):
    """The Accept header or parameter cannot be read"""

    kind = Kind.INVALID


class MalformedQuery(PanoradError):
    """The query parameters cannot be read"""

    kind = Kind.INVALID


class MalformedBody(PanoradError):
    """The request's body cannot be read"""

    kind = Kind.INVALID


class BodyTooLarge(PanoradError):
    """The request's body is larger than the center takes"""

    kind = Kind.INVALID


class NotFound(PanoradError):
    """The center has no such object, or may not show it to you"""

    kind = Kind.ABSENT


class NotAcceptable(PanoradError):
    """Nothing the request accepts can be served"""

    kind = Kind.UNSUPPORTED


class UnsupportedMedia(PanoradError):
    """The request's body is of a media type that cannot be stored"""

    kind = Kind.UNSUPPORTED


SPECIAL: Mapping[type[PanoradError], int] = {
    SignInNeeded: 401, PixelsBroken: 406, BodyTooLarge: 413, UnsupportedMedia: 415, StorageFull: 507,
}  # fmt: skip
"""Errors whose status HTTP knows more exactly than their kind tells."""


def status_for(error: PanoradError) -> int:
    """The HTTP status that answers an error."""
    return next((status for kind, status in SPECIAL.items() if isinstance(error, kind)), ANSWERS[error.kind].status)


def problem(error: PanoradError) -> Response:
    """The answer to an error: a problem document (RFC 9457) with a sentence a person can act on."""
    refused = challenge(error)
    status = refused[0] if refused else status_for(error)
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": error.message}
    headers = refused[1] if refused else {"WWW-Authenticate": 'Session realm="panorad"'} if status == 401 else {}
    return Response(json.dumps(body, ensure_ascii=False).encode(), status, headers, "application/problem+json")


def answered(handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """`handler` with every named error turned into its problem document; runs in a worker thread as `handler` does."""

    def endpoint(request: Request) -> Response:
        try:
            return handler(request)
        except PanoradError as error:
            return problem(error)

    return endpoint
