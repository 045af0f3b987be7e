"""The DICOM upper layer over one connected socket, for either side of an association (PS3.8 section 9).

Bytes are read into one reused buffer and handed on as views of it while they arrive: a PDU is never assembled, so its announced
length costs no memory, and no data byte is copied between the kernel and its reader. Sending gathers views likewise.
"""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import NoReturn, TypeVar

from panorad.access.dimse.command import Command, InvalidCommand
from panorad.access.dimse.pdu import (
    RELEASE_RP,
    RELEASE_RQ,
    Abort,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    InvalidPdu,
    PduType,
)
from panorad.access.dimse.states import Action, State, action
from panorad.access.dimse.transport import transport_of

MAXIMUM_PDU = 131072
"""The maximum length, in bytes, announced and sent by default: the largest that DCMTK takes."""

BUFFER = 1 << 18
"""Bytes of the receive buffer of one association; it fits a second level cache."""

SLACK = 64
"""Bytes by which a P-DATA-TF PDU may pass the announced maximum: some senders do not count the headers of its items."""

LONGEST = {PduType.ASSOCIATE_RQ: 1 << 20, PduType.ASSOCIATE_AC: 1 << 20, PduType.DATA: 1 << 20}
"""Longest control PDUs taken, in bytes; the others have four. P-DATA-TF counts here only while a release is awaited."""

COMMAND_LIMIT = 1 << 16
GATHER = 256
"""PDUs in one sendmsg call, of two buffers each (the kernel takes 1024 buffers)."""

SHORTEST = 128
"""Bytes sent in one PDU to a peer that announces even less."""

_PDU = struct.Struct(">BxI")
_PDV = struct.Struct(">IBB")
_FRAME = struct.Struct(">BxIIBB")

COMMAND, LAST = 1, 2
"""Bits of the message control header (PS3.8 section E.2)."""


TYPES = frozenset(PduType)
T = TypeVar("T")


class AssociationEnded(Exception):
    """The association is over; `reason` says why in a few words."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Released(AssociationEnded):
    """The peer asked for the release; A-RELEASE-RP is still owed."""


class Aborted(AssociationEnded):
    """The peer sent A-ABORT."""


class ConnectionLost(AssociationEnded):
    """The transport connection broke."""


class TimedOut(AssociationEnded):
    """The peer was silent for too long."""


class ProtocolViolation(AssociationEnded):
    """The peer sent what the state machine does not allow; A-ABORT was sent."""


class Rejected(AssociationEnded):
    """The peer rejected the association we asked for."""


class UpperLayer:
    """One association's transport: reading PDUs by the state table, sending messages. Not for use by two threads at a time.

    `maximum` is the P-DATA-TF length (bytes) we announce, `idle` the seconds of silence after which the peer is given up, `slowest` the
    seconds that we wait for the rest of one P-DATA-TF, however steadily it drips.
    """

    def __init__(
        self, sock: socket.socket, state: State, *, maximum: int = MAXIMUM_PDU, idle: float = 600.0, slowest: float = 120.0
    ) -> None:
        self.socket = sock
        self._transport = transport_of(sock)
        self.state = state
        self.maximum = maximum
        self.peer_maximum = MAXIMUM_PDU
        self._idle = idle
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._start = self._end = self._pdu_left = 0
        self._deadline: float | None = None
        self._slowest = slowest
        self._waited = -math.inf  # seconds waited for the rest of the P-DATA-TF being read; endless between them
        self._transport.patience(idle)

    # -- association control

    def receive_request(self, seconds: float) -> AssociateRequest:
        """Await A-ASSOCIATE-RQ for at most `seconds` (the ARTIM timer), however slowly its bytes come."""
        with self._within(seconds):
            _, _, body = self._control()
        self.state = State.AWAIT_LOCAL_ANSWER
        return self._decoded(AssociateRequest.decode, body)

    def accept(self, answer: AssociateAccept, peer_maximum: int) -> None:
        """Send A-ASSOCIATE-AC; `peer_maximum` is the longest P-DATA-TF the peer takes, 0 for any."""
        self.send(answer.encode())
        self.peer_maximum = peer_maximum or MAXIMUM_PDU
        self.state = State.READY

    def reject(self, answer: AssociateReject) -> None:
        """Send A-ASSOCIATE-RJ and await the end of the connection."""
        self.send(answer.encode())
        self.state = State.AWAIT_CLOSE

    def request(self, request: AssociateRequest, seconds: float) -> AssociateAccept:
        """Ask for an association; raises Rejected with the reason codes."""
        self.send(request.encode())
        with self._within(seconds):
            what, _, body = self._control()
        if what is Action.REJECTED:
            self.state = State.AWAIT_CLOSE
            refusal = self._decoded(AssociateReject.decode, body)
            raise Rejected(f"rejected: result {refusal.result}, source {refusal.source}, reason {refusal.reason}")
        answer = self._decoded(AssociateAccept.decode, body)
        self.peer_maximum = answer.user.maximum_length or MAXIMUM_PDU
        self.state = State.READY
        return answer

    def release(self, seconds: float) -> None:
        """Ask for the release and await it; what the peer still sends is dropped."""
        self.send(RELEASE_RQ)
        self.state = State.AWAIT_RELEASE
        with self._within(seconds):
            while True:
                what, _, _ = self._control()
                if what is Action.RELEASED:
                    break
                if what is Action.RELEASE_ASKED:  # both asked at once: AR-8
                    self.send(RELEASE_RP)
        self.state = State.AWAIT_CLOSE

    def answer_release(self) -> None:
        """Send A-RELEASE-RP, the last word of a peer's release."""
        self.send(RELEASE_RP)
        self.state = State.AWAIT_CLOSE

    def abort(self, source: int = 0, reason: int = 0) -> None:
        """Send A-ABORT if the connection still takes it (PS3.8 Table 9-26)."""
        if self.state is not State.AWAIT_CLOSE:
            self.state = State.AWAIT_CLOSE
            with contextlib.suppress(AssociationEnded):
                self.send(Abort(source, reason).encode())

    def close(self, seconds: float = 2.0) -> None:
        """Close the connection; after a last word of ours the peer gets `seconds` to read it and close first (Sta13)."""
        with contextlib.suppress(OSError, AssociationEnded), self._within(seconds):
            if self.state is State.AWAIT_CLOSE:
                self._transport.finish()
                for _ in range(1024):
                    self._receive(0)
        self.state = State.IDLE
        self._transport.close()

    # -- messages

    def command(self) -> Command:
        """Await the next command set, joining its fragments; raises what ends the association."""
        joined, context_id = bytearray(), -1
        while True:
            context, flags, size = self._fragment()
            if not flags & COMMAND or (context_id >= 0 and context != context_id) or len(joined) + size > COMMAND_LIMIT:
                self._violated("a command fragment was expected", 2, 6)
            context_id = context
            for piece in self._pieces(size):
                joined += piece
            if flags & LAST:
                try:
                    return Command.decode(joined, context_id)
                except InvalidCommand as error:
                    self._violated(str(error), 2, 6)

    def data(self, context_id: int) -> Iterator[memoryview]:
        """The data set of the command just read, in views good until the next one is asked for. Must be read to its end."""
        while True:
            context, flags, size = self._fragment()
            if flags & COMMAND or context != context_id:
                self._violated("a data fragment was expected", 2, 6)
            yield from self._pieces(size)
            if flags & LAST:
                return

    def waiting(self) -> bool:
        """Whether something of the peer can be read without waiting."""
        return self._end > self._start or self._transport.waiting()

    def send_message(self, context_id: int, command: bytes, data: bytes | memoryview = b"") -> None:
        """Send a command set and, when given, its data set, cut to the peer's maximum length; keeps no view of `data`."""
        with memoryview(command) as first, memoryview(data) as second:
            fragments = chain(self._cut(context_id, first, COMMAND), self._cut(context_id, second, 0))
            while batch := list(islice(fragments, GATHER)):
                try:
                    self._gather([part for fragment in batch for part in fragment])
                finally:
                    for _, piece in batch:
                        piece.release()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            self._transport.send(data)
        except OSError as error:
            raise ConnectionLost(str(error)) from None

    # -- reading

    def _fragment(self) -> tuple[int, int, int]:
        """The header of the next presentation data value: context, control header, size. Raises when a control PDU comes."""
        while not self._pdu_left:
            self._waited = -math.inf
            if self._end - self._start < 6:
                self._fill(6)
            kind, length = _PDU.unpack_from(self._buffer, self._start)
            if action(self.state, kind) is Action.DATA:
                if not 6 <= length <= self.maximum + SLACK:
                    self._violated(f"a P-DATA-TF of {length} bytes", 2, 6)
                self._start += 6
                self._pdu_left = length
                self._waited = 0.0
            else:
                self._control()
                self.state = State.AWAIT_LOCAL_RELEASE
                raise Released
        if self._end - self._start < 6:
            self._fill(6)
        length, context, flags = _PDV.unpack_from(self._buffer, self._start)
        left = self._pdu_left - 4 - length
        if length < 2 or left < 0 or 0 < left < 6:
            self._violated(f"a presentation data value of {length} bytes", 2, 6)
        self._start += 6
        self._pdu_left = left
        return context, flags, length - 2

    def _pieces(self, size: int) -> Iterator[memoryview]:
        while size:
            if self._start == self._end:
                self._fill(1)
            start = self._start
            end = min(start + size, self._end)
            self._start = end
            size -= end - start
            yield self._view[start:end]

    def _control(self) -> tuple[Action, int, bytes]:
        """Read one whole PDU that is not P-DATA-TF in state READY; raises for what ends the association."""
        self._fill(6)
        kind, length = _PDU.unpack_from(self._buffer, self._start)
        self._start += 6
        what = action(self.state, kind)
        if what in (Action.ABORT_AS_USER, Action.ABORT_AS_PROVIDER):
            known = kind in TYPES
            source = 0 if what is Action.ABORT_AS_USER else 2
            self._violated(f"PDU type {kind}", source, 0 if not source else 2 if known else 1)
        if length > LONGEST.get(PduType(kind), 4):
            self._violated(f"a PDU of type {kind} and {length} bytes", 2, 6)
        joined = bytearray()
        for piece in self._pieces(length):
            joined += piece
        body = bytes(joined)
        if what is Action.ABORTED:
            self.state = State.IDLE
            raise Aborted(f"aborted by the peer: source {body[2]}, reason {body[3]}" if len(body) == 4 else "aborted by the peer")
        return what, kind, body

    def _decoded(self, codec: Callable[[bytes], T], body: bytes) -> T:
        try:
            return codec(body)
        except InvalidPdu as error:
            self._violated(str(error), 2, 6)

    def _fill(self, need: int) -> None:
        have = self._end - self._start
        if not have:
            self._start = self._end = 0
        elif len(self._buffer) - self._start < need:
            self._buffer[:have] = self._buffer[self._start : self._end]
            self._start, self._end = 0, have
        while self._end - self._start < need:
            self._end += self._receive(self._end)

    def _receive(self, at: int) -> int:
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimedOut("no answer in time")
            self._transport.patience(left)
        began = time.monotonic()
        try:
            count = self._transport.receive(self._view[at:])
        except (BlockingIOError, TimeoutError):
            raise TimedOut("silent for too long") from None
        except OSError as error:
            raise ConnectionLost(str(error)) from None
        if not count:
            raise ConnectionLost("the peer closed the connection")
        self._waited += time.monotonic() - began
        if self._waited > self._slowest:
            raise TimedOut("a PDU came too slowly")
        return count

    # -- sending, timers, violations

    def _cut(self, context_id: int, content: memoryview, kind: int) -> Iterator[tuple[bytes, memoryview]]:
        """P-DATA-TF PDUs of one presentation data value each, as header and piece."""
        room, length = max(self.peer_maximum - 6, SHORTEST), len(content)
        for at in range(0, length, room):
            piece = content[at : at + room]
            last = LAST if at + room >= length else 0
            yield _FRAME.pack(PduType.DATA, len(piece) + 6, len(piece) + 2, context_id, kind | last), piece

    def _gather(self, parts: Sequence[bytes | memoryview]) -> None:
        try:
            self._transport.gather(parts)
        except OSError as error:
            raise ConnectionLost(str(error)) from None

    @contextlib.contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        self._deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self._deadline = None
            with contextlib.suppress(OSError):
                self._transport.patience(self._idle)

    def _violated(self, what: str, source: int, reason: int) -> NoReturn:
        self.abort(source, reason)
        raise ProtocolViolation(what)
