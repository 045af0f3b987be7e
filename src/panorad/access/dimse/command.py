"""DIMSE command sets: fields, codec and the responses built from a request (PS3.7 sections 6.3, 9.3 and Annex E).

A command set is group 0000 in Implicit VR Little Endian. Decoding is tolerant: unknown elements are kept, and the group
length is not believed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

_ELEMENT = struct.Struct("<HHI")
_US = struct.Struct("<H")

NO_DATA_SET = 0x0101
"""Value of Command Data Set Type that says that no data set follows (PS3.7 section E.1)."""

RESPONSE = 0x8000
"""The bit that makes a request's Command Field its response's."""


class Operation(IntEnum):
    """Command Field of the requests served or sent (PS3.7 section E.1)."""

    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    C_CANCEL = 0x0FFF


class Field(IntEnum):
    """Element numbers in group 0000 (PS3.7 section E.1)."""

    GROUP_LENGTH = 0x0000
    AFFECTED_SOP_CLASS = 0x0002
    COMMAND_FIELD = 0x0100
    MESSAGE_ID = 0x0110
    RESPONDED_TO = 0x0120
    MOVE_DESTINATION = 0x0600
    PRIORITY = 0x0700
    DATA_SET_TYPE = 0x0800
    STATUS = 0x0900
    OFFENDING_ELEMENT = 0x0901
    ERROR_COMMENT = 0x0902
    AFFECTED_SOP_INSTANCE = 0x1000
    REMAINING = 0x1020
    COMPLETED = 0x1021
    FAILED = 0x1022
    WARNING = 0x1023
    MOVE_ORIGINATOR = 0x1030
    MOVE_ORIGINATOR_MESSAGE = 0x1031


class InvalidCommand(Exception):
    """The bytes are not a command set."""


@dataclass(frozen=True, slots=True)
class Command:
    """One decoded command set: raw values by element number, and the presentation context it came under."""

    values: Mapping[int, bytes]
    context_id: int

    @classmethod
    def decode(cls, data: bytes | bytearray, context_id: int = 1) -> Command:
        """From the joined command fragments; raises InvalidCommand when lengths do not fit or Command Field is missing."""
        values: dict[int, bytes] = {}
        at, end = 0, len(data)
        while at < end:
            if at + 8 > end:
                raise InvalidCommand("an element is cut short")
            group, element, length = _ELEMENT.unpack_from(data, at)
            at += 8
            if group or at + length > end:
                raise InvalidCommand("an element is not of group 0000 or too long")
            values[element] = bytes(data[at : at + length])
            at += length
        if len(values.get(Field.COMMAND_FIELD, b"")) != 2:
            raise InvalidCommand("Command Field (0000,0100) is missing")
        return cls(values, context_id)

    def number(self, element: int, default: int = 0) -> int:
        """An unsigned short, or `default` when absent or malformed."""
        raw = self.values.get(element, b"")
        return int.from_bytes(raw, "little") if len(raw) == 2 else default

    def text(self, element: int) -> str:
        """A UID, AE title or comment without padding; empty when absent."""
        return self.values.get(element, b"").decode("latin-1").strip(" \0")

    @property
    def operation(self) -> int:
        """Command Field (0000,0100)."""
        return self.number(Field.COMMAND_FIELD)

    @property
    def message_id(self) -> int:
        """Message ID (0000,0110)."""
        return self.number(Field.MESSAGE_ID)

    @property
    def has_data(self) -> bool:
        """Whether a data set follows."""
        return self.number(Field.DATA_SET_TYPE, NO_DATA_SET) != NO_DATA_SET


Value = int | str | bytes


def encode(values: Mapping[int, Value]) -> bytes:
    """A command set with its group length; numbers become US, texts are padded to even length (PS3.5 section 6.2)."""
    parts = []
    for element in sorted(values):
        value = values[element]
        if isinstance(value, str):
            value = value.encode("latin-1", "replace")
        raw = _US.pack(value) if isinstance(value, int) else value
        if len(raw) & 1:
            raw += b"\0" if element in _UIDS else b" "
        parts.append(_ELEMENT.pack(0, element, len(raw)) + raw)
    body = b"".join(parts)
    return _ELEMENT.pack(0, Field.GROUP_LENGTH, 4) + len(body).to_bytes(4, "little") + body


_UIDS = (Field.AFFECTED_SOP_CLASS, Field.AFFECTED_SOP_INSTANCE)


def response(
    request: Command, status: int, comment: str = "", *, data: bool = False, counts: Mapping[int, int] | None = None
) -> bytes:
    """The response to a request: Status, Error Comment (at most 64 characters, PS3.7 Annex C), what C-GET and C-MOVE count."""
    values: dict[int, Value] = {element: request.values[element] for element in _UIDS if element in request.values}
    values[Field.COMMAND_FIELD] = request.operation | RESPONSE
    values[Field.RESPONDED_TO] = request.message_id
    values[Field.DATA_SET_TYPE] = 0 if data else NO_DATA_SET
    values[Field.STATUS] = status
    if comment:
        values[Field.ERROR_COMMENT] = comment.encode("ascii", "replace")[:64]
    values.update(counts or {})
    return encode(values)


_STORED_HEAD = struct.Struct(">BxIIBB")
_STORED_CLASS = struct.Struct("<HHIIHHI")
_STORED_FIELDS = struct.Struct("<" + "HHIH" * 4 + "HHI")


def stored(sop_class: bytes, sop_instance: bytes, message_id: int, context_id: int) -> bytes:
    """The whole P-DATA-TF PDU that says that an instance was stored (PS3.7 section 9.3.1.2): the one message that must be cheap.

    The UIDs are the request's own padded bytes.
    """
    length = 8 + len(sop_class) + _STORED_FIELDS.size + len(sop_instance)
    fields = _STORED_FIELDS.pack(
        *(0, Field.COMMAND_FIELD, 2, Operation.C_STORE | RESPONSE),
        *(0, Field.RESPONDED_TO, 2, message_id),
        *(0, Field.DATA_SET_TYPE, 2, NO_DATA_SET),
        *(0, Field.STATUS, 2, 0),
        *(0, Field.AFFECTED_SOP_INSTANCE, len(sop_instance)),
    )
    return b"".join(
        (
            _STORED_HEAD.pack(4, length + 18, length + 14, context_id, 3),
            _STORED_CLASS.pack(0, Field.GROUP_LENGTH, 4, length, 0, Field.AFFECTED_SOP_CLASS, len(sop_class)),
            sop_class,
            fields,
            sop_instance,
        )
    )
