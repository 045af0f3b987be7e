"""multipart/related as a stream: a parser for any chunking, and a writer (RFC 2046 section 5.1, PS3.18 section 8.6.1.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from secrets import token_hex

from panorad.access.dicomweb.errors import MalformedBody

HEADER_BYTES = 16 * 1024
"""The most a part's header lines may take, in bytes."""
PADDING_BYTES = 64
"""The most white space after a boundary, in bytes."""


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part begins; header names are lower-case."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    """The next bytes of the current part."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The current part is complete."""


Event = PartBegin | PartData | PartEnd


class _State(Enum):
    PREAMBLE = auto()
    HEADERS = auto()
    DATA = auto()
    EPILOGUE = auto()


class Parser:
    """Turns the bytes of one multipart body into events as they come; holds back at most a boundary's length or a part's headers.

    Lines end with CRLF; a body whose first boundary line ends with a bare LF is read with bare LFs throughout. What precedes the
    first boundary and follows the last one is ignored. `feed` and `close` raise MalformedBody.
    """

    def __init__(self, boundary: str) -> None:
        if not boundary or len(boundary) > 200:
            raise MalformedBody("multipart without a usable boundary")
        self._dashes = b"--" + boundary.encode("latin-1", "replace")
        self._line = b"\r\n"
        self._state = _State.PREAMBLE
        self._held = b"\r\n"  # so that a boundary at the very beginning is at the start of a line
        self._fresh = 0
        self._searched = b""
        self._marks: list[int] = []  # where what was searched for stands in the current bytes, the last one first
        self.parts = 0

    @property
    def complete(self) -> bool:
        """Whether the closing boundary was seen."""
        return self._state is _State.EPILOGUE

    def feed(self, chunk: bytes | memoryview) -> Iterator[Event]:
        """The events that `chunk` completes, in order. Data views are valid until the next call."""
        data = memoryview(self._held + chunk if self._held else bytes(chunk))
        self._held, self._marks, self._searched = b"", [], b""
        at = 0
        while at < len(data) or at == 0:
            step = {_State.PREAMBLE: self._preamble, _State.HEADERS: self._headers, _State.DATA: self._data}.get(self._state)
            if step is None:
                return
            after, events = step(data, at)
            yield from events
            if after is None:
                return
            at = after

    def close(self) -> None:
        """The body has ended: raises MalformedBody when the closing boundary never came."""
        if self._state is not _State.EPILOGUE:
            raise MalformedBody("the multipart body ends before its closing boundary")

    def _preamble(self, data: memoryview, at: int) -> tuple[int | None, tuple[Event, ...]]:
        found = self._delimiter(data, at, b"\n")
        if found is None or found[2] is None:
            self._hold(data, max(at, len(data) - len(self._dashes) - 1) if found is None else found[0])
            return None, ()
        _, after, kind = found
        self._line = b"\r\n" if kind == b"\r\n" else b"\n" if kind == b"\n" else self._line
        return self._enter(kind, after), ()

    def _headers(self, data: memoryview, at: int) -> tuple[int | None, tuple[Event, ...]]:
        raw = bytes(data[at : at + HEADER_BYTES + 4])
        if raw.startswith(self._line):
            end, skip = 0, len(self._line)
        else:
            end = raw.find(self._line * 2)
            skip = 2 * len(self._line)
        if end < 0:
            if len(raw) > HEADER_BYTES:
                raise MalformedBody(f"a part's headers are longer than {HEADER_BYTES} bytes")
            self._hold(data, at)
            return None, ()
        self._state = _State.DATA
        self.parts += 1
        start = at + end + skip - len(self._line)  # the blank line's end may open the boundary of an empty part
        self._fresh = len(self._line)
        return start, (PartBegin(_fields(raw[:end])),)

    def _data(self, data: memoryview, at: int) -> tuple[int | None, tuple[Event, ...]]:
        found = self._delimiter(data, at, self._line)
        if found is None or found[2] is None:
            keep = self._begun(data, at) if found is None else found[0]
            events = self._piece(data, at, keep)
            self._hold(data, keep)
            return None, events
        begin, after, kind = found
        events = (*self._piece(data, at, begin), PartEnd())
        return self._enter(kind, after), events

    def _piece(self, data: memoryview, start: int, stop: int) -> tuple[Event, ...]:
        skipped = min(self._fresh, max(stop - start, 0))
        self._fresh -= skipped
        return (PartData(data[start + skipped : stop]),) if stop > start + skipped else ()

    def _begun(self, data: memoryview, at: int) -> int:
        """Where a boundary may begin that the next chunk completes; the end of the data when none does."""
        mark = self._line + self._dashes
        start = max(at, len(data) - len(mark) + 1)
        tail = bytes(data[start:])
        begun = tail.find(mark[:1])
        while begun >= 0 and not mark.startswith(tail[begun:]):
            begun = tail.find(mark[:1], begun + 1)
        return start + begun if begun >= 0 else len(data)

    def _enter(self, kind: bytes | None, after: int) -> int:
        self._state = _State.EPILOGUE if kind == b"--" else _State.HEADERS
        return after

    def _hold(self, data: memoryview, start: int) -> None:
        self._held = bytes(data[start:])

    def _delimiter(self, data: memoryview, at: int, line: bytes) -> tuple[int, int, bytes | None] | None:
        """The next boundary: where its line break begins, where the next thing begins, what ended it (None: not known yet)."""
        raw: bytes = data.obj  # type: ignore[assignment]  # the views made by feed lie on bytes
        mark = line + self._dashes
        for found in self._found(raw, mark, at):
            after = found + len(mark)
            tail = raw[after : after + PADDING_BYTES + 2]
            if tail.startswith(b"--"):
                return found, after + 2, b"--"
            padded = tail.lstrip(b" \t")
            after += len(tail) - len(padded)
            for ending in (b"\r\n", b"\n"):
                if padded.startswith(ending) and (self._state is _State.PREAMBLE or ending == line):
                    return found, after + len(ending), ending
            if padded in (b"", b"\r", b"-") and len(tail) < PADDING_BYTES + 2:
                return found, after, None
        return None

    def _found(self, raw: bytes, mark: bytes, at: int) -> Iterator[int]:
        """Where a mark stands in the current bytes, from `at` on. Searched once, from their end: CPython is faster at that."""
        if mark != self._searched:
            self._marks, self._searched = [], mark
            end = len(raw)
            while (last := raw.rfind(mark, at, end)) >= 0:
                self._marks.append(last)
                end = last + len(mark) - 1
        while self._marks:
            if (found := self._marks.pop()) >= at:
                yield found


def write_boundary() -> str:
    """A fresh boundary that no part can hold by accident."""
    return f"panorad-{token_hex(16)}"


def part_head(boundary: str, content_type: str, location: str = "") -> bytes:
    """The bytes before a part's own: delimiter line and headers."""
    place = f"Content-Location: {location}\r\n" if location else ""
    return f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\n{place}\r\n".encode("latin-1")


def closing(boundary: str) -> bytes:
    """The bytes after the last part."""
    return f"\r\n--{boundary}--\r\n".encode("latin-1")


def _fields(raw: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in raw.decode("utf-8", "replace").replace("\r\n", "\n").split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields
