"""Command sets against pynetdicom's messages, and against arbitrary bytes."""

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_STORE_RQ, C_STORE_RSP
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode as encode_data_set

from panorad.access.dimse.command import Command, Field, InvalidCommand, Operation, encode, response, stored

from .raw import CT


def store_primitive() -> C_STORE:
    primitive = C_STORE()
    primitive.MessageID, primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = 7, CT, "1.2.345"
    primitive.Priority, primitive.DataSet = 2, BytesIO(b"\0\0")
    return primitive


def test_a_store_request_is_the_bytes_that_pynetdicom_writes() -> None:
    message = C_STORE_RQ()
    message.primitive_to_message(store_primitive())
    theirs = encode_data_set(message.command_set, True, True)
    assert theirs is not None
    ours = encode(
        {
            Field.AFFECTED_SOP_CLASS: CT,
            Field.COMMAND_FIELD: Operation.C_STORE,
            Field.MESSAGE_ID: 7,
            Field.PRIORITY: 2,
            Field.DATA_SET_TYPE: 1,
            Field.AFFECTED_SOP_INSTANCE: "1.2.345",
        }
    )
    assert ours == theirs
    command = Command.decode(theirs, 5)
    assert (command.operation, command.message_id, command.has_data, command.context_id) == (1, 7, True, 5)
    assert (command.text(Field.AFFECTED_SOP_CLASS), command.text(Field.AFFECTED_SOP_INSTANCE)) == (CT, "1.2.345")


def test_the_cheap_store_response_is_the_ordinary_one_and_pynetdicom_s() -> None:
    primitive = C_STORE()
    primitive.MessageIDBeingRespondedTo, primitive.AffectedSOPClassUID = 7, CT
    primitive.AffectedSOPInstanceUID, primitive.Status = "1.2.345", 0
    message = C_STORE_RSP()
    message.primitive_to_message(primitive)
    theirs = encode_data_set(message.command_set, True, True)
    request = Command.decode(encode({0x0002: CT, Field.COMMAND_FIELD: 1, Field.MESSAGE_ID: 7, 0x1000: "1.2.345"}))
    cheap = stored(request.values[Field.AFFECTED_SOP_CLASS], request.values[Field.AFFECTED_SOP_INSTANCE], 7, 3)
    assert cheap[12:] == response(request, 0) == theirs
    assert cheap[:12] == struct.pack(">BBIIBB", 4, 0, len(cheap) - 6, len(cheap) - 10, 3, 3)


def test_an_error_comment_fits_its_value_representation() -> None:
    request = Command.decode(encode({Field.COMMAND_FIELD: 1, Field.MESSAGE_ID: 1}))
    answer = Command.decode(response(request, 0xC000, "\u4e0d" + "x" * 100))
    assert answer.values[Field.ERROR_COMMENT] == b"?" + b"x" * 63


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_called_invalid(data: bytes) -> None:
    try:
        command = Command.decode(data)
    except InvalidCommand:
        return
    assert 0 <= command.operation <= 0xFFFF


def test_a_group_length_that_lies_is_not_believed() -> None:
    raw = bytearray(encode({Field.COMMAND_FIELD: 0x30, Field.MESSAGE_ID: 1}))
    raw[8:12] = b"\xff\xff\xff\x7f"
    assert Command.decode(raw).operation == Operation.C_ECHO


def test_a_command_without_its_field_is_invalid() -> None:
    with pytest.raises(InvalidCommand, match="Command Field"):
        Command.decode(encode({Field.MESSAGE_ID: 1}))
