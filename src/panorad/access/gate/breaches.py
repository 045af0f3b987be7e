"""Passwords out of public breaches, looked up in a file of SHA-1 digests that an operator points at.

The form is that of the public "Pwned Passwords" download ordered by hash: lines of forty hexadecimal digits, a colon and a count, sorted.
Such a file has tens of gigabytes, so it is searched by bisection where it lies; about thirty lines are read for one password.
"""

from __future__ import annotations

import os
from hashlib import sha1
from pathlib import Path

from panorad.access.gate.passwords import PasswordKnown
from panorad.kit.errors import Kind, PanoradError

_DIGITS = 40
_LONGEST_LINE = 64


class BreachListUnreadable(PanoradError):
    """The list of breached passwords cannot be read"""

    kind = Kind.UNAVAILABLE


class BreachList:
    """The file at `path`; without one, nothing is refused here."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def check(self, password: str) -> None:
        """Raise PasswordKnown for a password of the list, BreachListUnreadable when the list is gone or is none."""
        if self.path and self.holds(password):
            raise PasswordKnown

    def holds(self, password: str) -> bool:
        """Whether the list has the password. Raises BreachListUnreadable."""
        wanted = sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
        try:
            with open(self.path or os.devnull, "rb", buffering=0) as file:
                low, high = 0, file.seek(0, os.SEEK_END)
                while low < high:
                    middle = (low + high) // 2
                    at, line = _line_from(file.fileno(), middle, high)
                    if at is None:
                        high = middle
                    elif (found := _digest_of(line)) == wanted:
                        return True
                    elif found < wanted:
                        low = at + len(line)
                    else:
                        high = middle
        except OSError as error:
            raise BreachListUnreadable from error
        return False


def _line_from(descriptor: int, offset: int, end: int) -> tuple[int | None, bytes]:
    """The first line that begins at `offset` or after it and before `end`, and where."""
    start = max(0, offset - 1)
    data = os.pread(descriptor, 2 * _LONGEST_LINE, start)
    skip = 0 if offset == 0 else data.find(b"\n") + 1
    at = start + skip
    if (offset and not skip) or at >= end:
        return None, b""
    stop = data.find(b"\n", skip)
    return at, data[skip : stop + 1 if stop >= 0 else len(data)]


def _digest_of(line: bytes) -> bytes:
    found = line[:_DIGITS].upper()
    if len(found) < _DIGITS or found.strip(b"0123456789ABCDEF") or line[_DIGITS : _DIGITS + 1] not in (b":", b"\r", b"\n", b""):
        raise BreachListUnreadable("it is to have lines of forty hexadecimal digits, sorted")
    return found
