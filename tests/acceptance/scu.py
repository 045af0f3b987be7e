"""A C-STORE service class user that sends data sets exactly as they are, and knows which of them were acknowledged.

Association PDUs come from pynetdicom; P-DATA is written here (PS3.8 section 9.3.5), because no byte may be decoded on the way.
"""

import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification
from pynetdicom.presentation import build_context

from .part10 import Part10

SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700


class AssociationRefusedError(Exception):
    """The peer rejected the association, or accepted none of what the sender needs."""


class AssociationLostError(Exception):
    """The peer aborted or the connection ended before the answer."""


@dataclass(frozen=True)
class Answer:
    """A C-STORE response: Status (0000,0900) and Error Comment (0000,0902)."""

    status: int
    comment: str


class StoreAssociation:
    """An open association with one presentation context for each (SOP class, transfer syntax); 128 at most."""

    def __init__(
        self,
        port: int,
        contexts: Iterable[tuple[str, str]],
        *,
        called: str = "PANORAD",
        calling: str = "ACCEPTANCE",
        seconds: float = 60,
        tap: Callable[[bytes], object] = len,
    ) -> None:
        """Open it. ``tap`` is called with every piece that is sent."""
        self._socket = socket.create_connection(("127.0.0.1", port), seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._message, self._tap = 0, tap
        try:
            self._negotiate(sorted(set(contexts)), called, calling)
        except BaseException:
            self._socket.close()
            raise

    def _negotiate(self, contexts: list[tuple[str, str]], called: str, calling: str) -> None:
        request, limit, implementation = A_ASSOCIATE(), MaximumLengthNotification(), ImplementationClassUIDNotification()
        limit.maximum_length_received, implementation.implementation_class_uid = 1 << 16, "1.2.826.0.1.3680043.9.7.1"
        request.application_context_name = "1.2.840.10008.3.1.1.1"
        request.calling_ae_title, request.called_ae_title = calling, called
        request.user_information = [limit, implementation]
        proposed = [build_context(abstract, transfer) for abstract, transfer in contexts]
        for index, context in enumerate(proposed):
            context.context_id = 2 * index + 1
        request.presentation_context_definition_list = proposed
        pdu = A_ASSOCIATE_RQ()
        pdu.from_primitive(request)
        self._write(pdu.encode())
        kind, body = self._receive()
        if kind != 2:
            raise AssociationRefusedError(f"PDU type {kind}: {body.hex()}")
        answer = A_ASSOCIATE_AC()
        answer.decode(struct.pack(">BBI", 2, 0, len(body)) + body)
        accepted = answer.to_primitive()
        results = {c.context_id: c.result for c in accepted.presentation_context_definition_results_list}
        self.contexts = {pair: 2 * i + 1 for i, pair in enumerate(contexts) if results.get(2 * i + 1) == 0}
        limits = (i.maximum_length_received for i in accepted.user_information if isinstance(i, MaximumLengthNotification))
        longest = next(limits, 0)
        self._fragment = min(longest or 1 << 17, 1 << 17) - 6

    def store(self, file: Part10, sop_class: str = "", sop_instance: str = "") -> Answer:
        """Send one data set and wait for the answer. The two UIDs replace those of the file meta where it has none.

        Errors: AssociationRefusedError when its presentation context was not accepted, AssociationLostError when no answer came.
        """
        sop_class, sop_instance = sop_class or file.sop_class, sop_instance or file.sop_instance
        context = self.contexts.get((sop_class, file.transfer_syntax))
        if context is None:
            raise AssociationRefusedError(f"no presentation context for {sop_class} in {file.transfer_syntax}")
        self._message = self._message % 0xFFFF + 1
        try:
            self._send(context, 1, _store_request(self._message, sop_class, sop_instance))
            self._send(context, 0, file.dataset)
            return self._answer()
        except OSError as error:
            raise AssociationLostError(str(error)) from error

    def _send(self, context: int, kind: int, data: bytes) -> None:
        view = memoryview(data)
        for at in range(0, max(len(data), 1), self._fragment):
            piece = view[at : at + self._fragment]
            last = 2 if at + self._fragment >= len(data) else 0
            head = struct.pack(">BBIIBB", 4, 0, len(piece) + 6, len(piece) + 2, context, kind | last)
            self._write(head + piece)

    def _write(self, data: bytes) -> None:
        self._tap(data)
        self._socket.sendall(data)

    def _answer(self) -> Answer:
        command = b""
        while True:
            kind, body = self._receive()
            if kind != 4:
                raise AssociationLostError(f"PDU type {kind} instead of an answer: {body.hex()}")
            at = 0
            while at < len(body):
                size, flags = struct.unpack_from(">I", body, at)[0], body[at + 5]
                command += body[at + 6 : at + 4 + size]
                at += 4 + size
                if flags & 2:
                    elements = dict(_elements(command))
                    comment = elements.get(0x0902, b"").decode("utf-8", "replace").strip()
                    return Answer(struct.unpack("<H", elements[0x0900])[0], comment)

    def _receive(self) -> tuple[int, bytes]:
        head = self._exactly(6)
        return head[0], self._exactly(struct.unpack(">I", head[2:])[0])

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            got = self._socket.recv(size - len(data))
            if not got:
                raise AssociationLostError("the peer closed the connection")
            data += got
        return bytes(data)

    def release(self) -> None:
        """Release the association (A-RELEASE) and close."""
        try:
            self._write(bytes([5, 0, 0, 0, 0, 4, 0, 0, 0, 0]))
            self._receive()
        finally:
            self._socket.close()

    def close(self) -> None:
        """Close the connection without a word, as a peer that lost its power does."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.release()
        else:
            self.close()


def _element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


def _store_request(message: int, sop_class: str, sop_instance: str) -> bytes:
    """Encode a C-STORE-RQ (PS3.7 section 9.3.1.1)."""
    uids = [uid.encode() + b"\0" * (len(uid) % 2) for uid in (sop_class, sop_instance)]
    body = _element(0x0002, uids[0]) + _element(0x0100, b"\1\0") + _element(0x0110, struct.pack("<H", message))
    body += _element(0x0700, b"\0\0") + _element(0x0800, b"\0\0") + _element(0x1000, uids[1])
    return _element(0, struct.pack("<I", len(body))) + body


def _elements(command: bytes) -> Iterable[tuple[int, bytes]]:
    at = 0
    while at < len(command):
        number, length = struct.unpack_from("<HI", command, at + 2)
        yield number, command[at + 8 : at + 8 + length]
        at += 8 + length
