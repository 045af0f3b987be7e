"""Conditional and range requests (RFC 9110 sections 13 and 14) over anything that reads by offset."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

CHUNK = 1 << 20
"""How many bytes are read and sent at a time."""
PRIVATE = "private, no-cache"
"""Cache-Control of patient data: a browser may keep it and must ask each time."""

Read = Callable[[int, int], bytes]
"""Reads (offset, length)."""

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def not_modified(request: Request, etag: str) -> bool:
    """Whether the client already holds the representation with this entity tag (weak comparison)."""
    held = request.headers.get("if-none-match")
    if held is None:
        return False
    return held.strip() == "*" or etag.removeprefix("W/") in {tag.strip().removeprefix("W/") for tag in held.split(",")}


def unchanged(etag: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a client that already holds it."""
    return Response(None, 304, {"ETag": etag, "Cache-Control": PRIVATE, **(headers or {})})


def answer(
    request: Request, read: Read, size: int, content_type: str, etag: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The bytes, the range of them asked for (206), 304 when the client holds them, or 416 for a range beyond their end."""
    if not_modified(request, etag):
        return unchanged(etag)
    told = {"ETag": etag, "Cache-Control": PRIVATE, "Accept-Ranges": "bytes", "Content-Type": content_type, **(headers or {})}
    span = _span(request, size, etag)
    if span is None:
        return Response(None, 416, {**told, "Content-Range": f"bytes */{size}"})
    start, stop = span
    status = 200
    if (start, stop) != (0, size):
        status, told["Content-Range"] = 206, f"bytes {start}-{stop - 1}/{size}"
    if stop - start <= CHUNK:
        return Response(read(start, stop - start), status, told)
    told["Content-Length"] = str(stop - start)
    return StreamingResponse(pieces(read, start, stop), status, told)


def pieces(read: Read, start: int, stop: int) -> Iterator[bytes]:
    """The bytes from `start` to `stop`, a chunk at a time."""
    for at in range(start, stop, CHUNK):
        yield read(at, min(CHUNK, stop - at))


def _span(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """The range to send: all when none is asked for, when we do not serve its kind, or when the client's copy is of another."""
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if not found or found[0] == "bytes=-" or request.headers.get("if-range", etag) != etag:
        return 0, size
    first, last = found[1], found[2]
    if not first:
        return (max(size - int(last), 0), size) if int(last) and size else None
    start, stop = int(first), min(int(last) + 1, size) if last else size
    if last and int(last) < int(first):
        return 0, size
    return (start, stop) if start < size else None
