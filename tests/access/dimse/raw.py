"""A peer on a plain socket that says exactly what a test wants, well-formed or not."""

import socket
import struct
from collections.abc import Iterable
from typing import Self

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

CT, VERIFICATION = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"


def request(
    contexts: Iterable[tuple[str, list[str]]] = ((CT, [EXPLICIT]), (VERIFICATION, [IMPLICIT])),
    *,
    called: str = "PANORAD",
    calling: str = "PEER",
    items: Iterable[object] = (),
) -> bytes:
    """An A-ASSOCIATE-RQ as pynetdicom writes it."""
    primitive, limit, implementation = A_ASSOCIATE(), MaximumLengthNotification(), ImplementationClassUIDNotification()
    limit.maximum_length_received, implementation.implementation_class_uid = 16384, "1.2.3.4"
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = calling, called
    primitive.user_information = [limit, implementation, *items]
    proposed = [build_context(abstract, syntaxes) for abstract, syntaxes in contexts]
    for at, context in enumerate(proposed):
        context.context_id = 2 * at + 1
    primitive.presentation_context_definition_list = proposed
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return pdu.encode()


def window(invoked: int, performed: int) -> AsynchronousOperationsWindowNegotiation:
    item = AsynchronousOperationsWindowNegotiation()
    item.maximum_number_operations_invoked, item.maximum_number_operations_performed = invoked, performed
    return item


def command(**values: int | str) -> bytes:
    """A command set; keywords are element numbers as `e0100=1`."""
    body = b""
    for name in sorted(values):
        value = values[name]
        raw = struct.pack("<H", value) if isinstance(value, int) else value.encode() + b"\0" * (len(value) & 1)
        body += struct.pack("<HHI", 0, int(name[1:], 16), len(raw)) + raw
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def store_command(sop_uid: str, message_id: int = 1) -> bytes:
    return command(e0002=CT, e0100=1, e0110=message_id, e0700=0, e0800=0, e1000=sop_uid)


def pdv(context: int, flags: int, data: bytes) -> bytes:
    return struct.pack(">IBB", len(data) + 2, context, flags) + data


def pdata(*values: bytes) -> bytes:
    body = b"".join(values)
    return struct.pack(">BBI", 4, 0, len(body)) + body


class Peer:
    """One connection."""

    def __init__(self, port: int, seconds: float = 10, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), seconds, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def pdu(self) -> tuple[int, bytes]:
        head = self.exactly(6)
        return head[0], self.exactly(int.from_bytes(head[2:], "big"))

    def associate(self, raw: bytes | None = None) -> A_ASSOCIATE_AC:
        self.send(raw or request())
        kind, body = self.pdu()
        assert kind == 2, (kind, body)
        accept = A_ASSOCIATE_AC()
        accept.decode(struct.pack(">BBI", 2, 0, len(body)) + body)
        return accept

    def response(self) -> dict[int, bytes]:
        """The next command set: values by element number."""
        kind, body = self.pdu()
        assert kind == 4, (kind, body)
        found, at = {}, 6
        while at < len(body):
            _, element, length = struct.unpack_from("<HHI", body, at)
            found[element] = body[at + 8 : at + 8 + length]
            at += 8 + length
        return found

    def status(self) -> int:
        return int.from_bytes(self.response()[0x0900], "little")

    def echo(self) -> int:
        self.send(pdata(pdv(3, 3, command(e0002=VERIFICATION, e0100=0x30, e0110=7, e0800=0x0101))))
        return self.status()

    def release(self) -> None:
        self.send(bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0)))
        assert self.pdu()[0] == 6

    def ended(self) -> tuple[int, bytes] | None:
        """The abort with which the server ended the connection, or None when it only closed."""
        try:
            last = self.pdu()
        except (EOFError, ConnectionResetError):
            return None
        return last
