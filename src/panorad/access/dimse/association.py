"""One accepted association as its services see it: who calls, its intake, and how to answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from panorad.access.dimse.command import Command, Field, Operation, response
from panorad.access.dimse.negotiation import Context
from panorad.access.dimse.services import Intake, Limits, Services
from panorad.access.dimse.upper_layer import ProtocolViolation, UpperLayer
from panorad.model.actor import Actor
from panorad.model.event import Event

IDENTIFIER_LIMIT = 4 << 20
"""Longest identifier read, in bytes: room for 65,000 UIDs."""

FRESH_S = 1.0
"""How long what an actor may see is taken for true, in seconds."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Association:
    """An established association. Its thread alone touches it."""

    layer: UpperLayer
    services: Services
    limits: Limits
    actor: Actor
    calling: str
    peer: str
    contexts: Mapping[int, Context]
    _intake: Intake | None = field(default=None, init=False)
    _cancelled: set[int] = field(default_factory=set, init=False)
    _renewed: float = field(default_factory=time.monotonic, init=False)

    @property
    def reader(self) -> Actor:
        """The actor as it stood within the last second: what it may see can change while an association lasts. Raises NodeUnknown."""
        if (now := time.monotonic()) - self._renewed > FRESH_S:
            self.actor, self._renewed = self.services.renew(self.actor), now
        return self.actor

    @property
    def intake(self) -> Intake:
        """The intake of this association, opened by the first C-STORE."""
        if self._intake is None:
            self._intake = self.services.open_intake(self.actor, f"dimse {self.calling}@{self.peer}")
        return self._intake

    def flush(self) -> None:
        """Have everything received indexed, as the peer may expect once it has released. It is durable in any case."""
        if self._intake is not None:
            self._intake.flush()

    def close(self) -> None:
        """Let go of the intake."""
        if self._intake is not None:
            self._intake.close()

    def respond(
        self, command: Command, status: int, comment: str = "", *, data: bytes = b"", counts: Mapping[int, int] | None = None
    ) -> None:
        """Answer a request, with an identifier when `data` is given."""
        answer = response(command, status, comment, data=bool(data), counts=counts)
        self.layer.send_message(command.context_id, answer, data)

    def drain(self, command: Command) -> None:
        """Read the data set of a command and drop it."""
        if command.has_data:
            for _ in self.layer.data(command.context_id):
                pass

    def identifier(self, command: Command) -> bytes:
        """The data set of a command, which for one that is too long is empty."""
        joined = bytearray()
        if command.has_data:
            for piece in self.layer.data(command.context_id):
                if len(joined) <= IDENTIFIER_LIMIT:
                    joined += piece
        return bytes(joined) if len(joined) <= IDENTIFIER_LIMIT else b""

    def cancelled(self, message_id: int) -> bool:
        """Whether C-CANCEL has come for a request (PS3.7 section 9.3.2.3). Looks at what has arrived and does not wait."""
        while self.layer.waiting():
            self._between(self.layer.command())
        return message_id in self._cancelled

    def sub_operation_status(self, message_id: int) -> Command:
        """Await the response to a C-STORE request of ours under this association (PS3.4 section C.4.3)."""
        while True:
            command = self.layer.command()
            if command.operation == Operation.C_STORE | 0x8000:
                self.drain(command)
                if command.number(Field.RESPONDED_TO) == message_id:
                    return command
            else:
                self._between(command)

    def cancel(self, command: Command) -> None:
        """Note a C-CANCEL request."""
        self._cancelled.add(command.number(Field.RESPONDED_TO))

    def finished(self, message_id: int) -> None:
        """Forget what was said about a request that has had its last answer."""
        self._cancelled.discard(message_id)

    def record(self, *events: Event) -> None:
        """Write events of their own; when the database is away the log must do, for the peer already has what it asked for."""
        try:
            with self.services.begin(self.actor) as tx:
                for event in events:
                    tx.emit(event)
        except Exception:
            log.exception("events %s of %s were not recorded", {event.kind for event in events}, self.calling)

    def _between(self, command: Command) -> None:
        if command.operation != Operation.C_CANCEL:
            self.layer.abort(2, 2)
            raise ProtocolViolation("a request came while another was being served")
        self.cancel(command)
