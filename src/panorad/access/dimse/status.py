"""DIMSE statuses and the one table from what went wrong to them (PS3.7 Annex C; PS3.4 Tables B.2-1, C.4-1, C.4-2 and C.4-3)."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from enum import IntEnum

from panorad.kit.errors import DatabaseDown, Kind, PanoradError, StorageFull, StorageLost


class Status(IntEnum):
    """Status (0000,0900). A700, A900 and C000 head the ranges of PS3.4 Table B.2-1; the codes within are this node's."""

    SUCCESS = 0x0000
    PROCESSING_FAILURE = 0x0110
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NOT_AUTHORIZED = 0x0124
    UNRECOGNIZED_OPERATION = 0x0211
    OUT_OF_RESOURCES = 0xA700
    STORAGE_LOST = 0xA701
    DATABASE_DOWN = 0xA702
    CANNOT_COUNT = 0xA701
    CANNOT_PERFORM = 0xA702
    MOVE_DESTINATION_UNKNOWN = 0xA801
    DOES_NOT_MATCH = 0xA900
    SUB_OPERATIONS_FAILED = 0xB000
    CANNOT_UNDERSTAND = 0xC000
    CANCEL = 0xFE00
    PENDING = 0xFF00
    PENDING_WARNING = 0xFF01


BY_ERROR: Mapping[type[PanoradError], Status] = {
    StorageFull: Status.OUT_OF_RESOURCES,
    StorageLost: Status.STORAGE_LOST,
    DatabaseDown: Status.DATABASE_DOWN,
}
"""Errors with a status of their own: all of "Refused: Out of resources", so that a sender keeps the instance and comes again."""

BY_KIND: Mapping[Kind, Status] = {
    Kind.INVALID: Status.CANNOT_UNDERSTAND,
    Kind.UNSUPPORTED: Status.CANNOT_UNDERSTAND,
    Kind.ABSENT: Status.CANNOT_UNDERSTAND,
    Kind.CONFLICT: Status.DOES_NOT_MATCH,
    Kind.FORBIDDEN: Status.NOT_AUTHORIZED,
    Kind.UNAVAILABLE: Status.OUT_OF_RESOURCES,
    Kind.INTERNAL: Status.PROCESSING_FAILURE,
}
"""Every other error by its kind."""

BY_CODE: Mapping[str, Status] = {"uid-mismatch": Status.DOES_NOT_MATCH}
"""Refusals of the archive with a status of their own, by code: the data set is not the one that its command set announces."""

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


def failure(error: Exception) -> tuple[Status, str]:
    """The status and Error Comment of an error. Only the messages of our own errors leave; of others, the status alone."""
    if isinstance(error, PanoradError):
        own = next((BY_ERROR[cls] for cls in type(error).__mro__ if cls in BY_ERROR), None)
        own = own or BY_CODE.get(getattr(error, "code", ""))
        return own or BY_KIND[error.kind], error.detail or error.message
    if isinstance(error, OSError):
        full = error.errno in _FULL
        return (Status.OUT_OF_RESOURCES, StorageFull().message) if full else (Status.STORAGE_LOST, StorageLost().message)
    return Status.PROCESSING_FAILURE, ""
