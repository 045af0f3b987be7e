"""The storage and verification services as SCP (PS3.4 Annexes A and B; PS3.7 sections 9.1.1 and 9.1.5): the fast lane."""

from __future__ import annotations

import contextlib
import logging

from panorad.access.dimse.association import Association
from panorad.access.dimse.command import Command, Field, stored
from panorad.access.dimse.conformance import Service
from panorad.access.dimse.negotiation import Context
from panorad.access.dimse.services import Incoming
from panorad.access.dimse.status import Status, failure
from panorad.access.dimse.upper_layer import AssociationEnded
from panorad.kit.errors import PanoradError

log = logging.getLogger(__name__)


def echo(association: Association, command: Command, context: Context) -> None:
    """C-ECHO."""
    association.drain(command)
    association.respond(command, Status.SUCCESS)


def store(association: Association, command: Command, context: Context) -> None:
    """C-STORE: the data set goes to the intake as it arrives, and success is answered when the intake vouches for it.

    Whatever fails, the data set is read to its end and the failure answered, so that the next instance has its chance.
    """
    if context.offer.service is not Service.STORAGE or not command.has_data:
        association.drain(command)
        wrong = Status.CANNOT_UNDERSTAND if command.has_data is False else Status.SOP_CLASS_NOT_SUPPORTED
        return association.respond(command, wrong, "no data set" if wrong is Status.CANNOT_UNDERSTAND else "not for storage")
    error = _receive(association, command, context)
    values = command.values
    if error is None:
        answer = stored(
            values.get(Field.AFFECTED_SOP_CLASS, b""),
            values.get(Field.AFFECTED_SOP_INSTANCE, b""),
            command.message_id,
            command.context_id,
        )
        return association.layer.send(answer)
    if not isinstance(error, PanoradError):
        log.error("an instance of %s could not be taken", association.calling, exc_info=error)
    return association.respond(command, *failure(error))


def _receive(association: Association, command: Command, context: Context) -> Exception | None:
    """Pass one data set to the intake; gives what prevented its storage, and raises only what ends the association."""
    incoming: Incoming | None = None
    error: Exception | None = None
    try:
        incoming = association.intake.begin(
            command.text(Field.AFFECTED_SOP_INSTANCE), command.text(Field.AFFECTED_SOP_CLASS), context.transfer_syntax
        )
    except Exception as failed:
        error = failed
    try:
        for piece in association.layer.data(command.context_id):
            if incoming is not None and error is None:
                try:
                    incoming.write(piece)
                except Exception as failed:
                    error = failed
        if incoming is not None and error is None:
            try:
                incoming.finish()
            except Exception as failed:
                return failed
            return None
    except AssociationEnded:
        _abort(incoming)
        raise
    _abort(incoming)
    return error


def _abort(incoming: Incoming | None) -> None:
    if incoming is not None:
        with contextlib.suppress(Exception):
            incoming.abort()
