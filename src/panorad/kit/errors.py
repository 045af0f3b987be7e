"""Errors named after the fact: the class docstring is the message, `kind` decides each protocol's answer."""

from __future__ import annotations

from enum import Enum
from pathlib import PurePath


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


def fault_of(error: BaseException) -> str:
    """The type of an error and the line that raised it, for the log; its text may hold patient data and is left out."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__} at {where}"


class StorageFull(PanoradError):
    """The center cannot take more data: its disk is full"""

    kind = Kind.UNAVAILABLE


class StorageLost(PanoradError):
    """The center's image storage cannot be reached"""

    kind = Kind.UNAVAILABLE


class NotRecorded(PanoradError):
    """It could not be written to the event log, so it was not done"""

    kind = Kind.UNAVAILABLE


class DatabaseDown(PanoradError):
    """The center's database cannot be reached"""

    kind = Kind.UNAVAILABLE
