"""Errors named after the fact: the class docstring is the message, `kind` decides each protocol's answer."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """What sort of failure it is; each protocol has one table from kind to its own status."""

    INVALID = "invalid"
    ABSENT = "absent"
    CONFLICT = "conflict"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"
    UNSUPPORTED = "unsupported"
    INTERNAL = "internal"


class PanoradError(Exception):
    """Something went wrong."""

    kind = Kind.INTERNAL
    keeps = False
    """Whether the transaction in which it is raised is committed all the same: a refusal that must leave its trace."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def message(self) -> str:
        """The sentence for a person: the class docstring's first line, then the detail."""
        first = (self.__doc__ or type(self).__name__).strip().splitlines()[0]
        return f"{first.rstrip('.')}: {self.detail}" if self.detail else first

    def __str__(self) -> str:
        return self.message


class StorageFull(PanoradError):
    """The center cannot take more data: its disk is full"""

    kind = Kind.UNAVAILABLE


class StorageLost(PanoradError):
    """The center's image storage cannot be reached"""

    kind = Kind.UNAVAILABLE


class DatabaseDown(PanoradError):
    """The center's database cannot be reached"""

    kind = Kind.UNAVAILABLE
