"""Sending stored instances by C-STORE: the storage service as SCU (PS3.4 Annex B), over a new association or under C-GET.

Instances go out as they are stored where the peer takes their transfer syntax, straight from the mapped file; else transcoded.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from panorad.access.dimse.command import NO_DATA_SET, Command, Field, Operation, Value, encode
from panorad.access.dimse.conformance import EXPLICIT_LITTLE, IMPLEMENTATION_UID, IMPLEMENTATION_VERSION, IMPLICIT_LITTLE
from panorad.access.dimse.negotiation import ACCEPTANCE
from panorad.access.dimse.pdu import AssociateRequest, ProposedContext, UserInformation
from panorad.access.dimse.services import Destination, Limits, Services
from panorad.access.dimse.states import State
from panorad.access.dimse.tls import Credentials, HandshakeFailed
from panorad.access.dimse.upper_layer import AssociationEnded, ProtocolViolation, UpperLayer
from panorad.model.instance import Stored

CONTEXTS = 128
"""Presentation contexts that one association can have: the odd numbers of one byte."""

FALLBACK = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
"""What is proposed beside the stored syntax; the second is every node's (PS3.5 section 10.1)."""

WARNINGS = frozenset((0x0107, 0x0116, 0xB000, 0xB006, 0xB007))
"""Warnings of a C-STORE response: the instance was stored (PS3.4 Table B.2-1, PS3.7 Annex C)."""

Accepted = Mapping[tuple[str, str], int]
"""Presentation context IDs by (SOP class, transfer syntax)."""


@dataclass(frozen=True, slots=True)
class Originator:
    """Who asked for the move: its AE title and the message ID of its C-MOVE (PS3.7 section 9.3.1.1)."""

    ae_title: str
    message_id: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Instances that fit one association, with the contexts to propose for them: (SOP class, transfer syntaxes)."""

    proposals: tuple[tuple[str, tuple[str, ...]], ...]
    instances: tuple[Stored, ...]


class DestinationLost(Exception):
    """No association with the destination, or it ended too early."""


class NoContext(Exception):
    """The peer takes the instance's SOP class in no transfer syntax that we can give."""


def batches(instances: Sequence[Stored]) -> Iterator[Batch]:
    """Cut instances, in their order, so that each batch needs no more contexts than one association has."""
    proposals: dict[tuple[str, tuple[str, ...]], None] = {}
    batch: list[Stored] = []
    for stored in instances:
        header = stored.header
        needed: dict[tuple[str, tuple[str, ...]], None] = {(header.sop_class, (header.transfer_syntax,)): None}
        others = tuple(syntax for syntax in FALLBACK if syntax != header.transfer_syntax)
        needed[header.sop_class, others] = None
        if len(proposals | needed) > CONTEXTS:
            yield Batch(tuple(proposals), tuple(batch))
            proposals, batch = {}, []
        proposals |= needed
        batch.append(stored)
    if batch:
        yield Batch(tuple(proposals), tuple(batch))


def send_instance(
    layer: UpperLayer,
    accepted: Accepted,
    services: Services,
    stored: Stored,
    message_id: int,
    answer: Callable[[int], Command],
    originator: Originator | None = None,
) -> int:
    """Send one instance and give the peer's status; raises NoContext, what reading or transcoding raises, or AssociationEnded."""
    header = stored.header
    context_id = accepted.get((header.sop_class, header.transfer_syntax))
    values: dict[int, Value] = {
        Field.AFFECTED_SOP_CLASS: header.sop_class,
        Field.COMMAND_FIELD: Operation.C_STORE,
        Field.MESSAGE_ID: message_id,
        Field.PRIORITY: 0,
        Field.DATA_SET_TYPE: NO_DATA_SET - 1,
        Field.AFFECTED_SOP_INSTANCE: header.sop_uid,
    }
    if originator is not None:
        values |= {Field.MOVE_ORIGINATOR: originator.ae_title, Field.MOVE_ORIGINATOR_MESSAGE: originator.message_id}
    command = encode(values)
    with services.view(stored.place) as part10:
        if context_id is not None:
            with part10[stored.place.data_at :] as data:
                layer.send_message(context_id, command, data)
        else:
            target = next((syntax for syntax in FALLBACK if (header.sop_class, syntax) in accepted), None)
            target = target or next((syntax for sop_class, syntax in accepted if sop_class == header.sop_class), None)
            if target is None:
                raise NoContext(f"the peer does not take SOP class {header.sop_class}")
            whole = services.transcode(part10, target)
            with memoryview(whole) as file, file[data_set_at(whole) :] as data:
                layer.send_message(accepted[header.sop_class, target], command, data)
    return answer(message_id).number(Field.STATUS, 0x0110)


def data_set_at(part10: bytes) -> int:
    """Where the data set begins in a Part 10 file, by its group length (PS3.10 section 7.1)."""
    if part10[128:136] != b"DICM\x02\x00\x00\x00":
        raise ValueError("not a Part 10 file that begins with its group length")
    return 144 + int.from_bytes(part10[140:144], "little")


@contextlib.contextmanager
def associate(
    destination: Destination,
    proposals: Sequence[tuple[str, tuple[str, ...]]],
    limits: Limits,
    credentials: Credentials | None = None,
) -> Iterator[tuple[UpperLayer, Accepted]]:
    """An association of ours with a destination, released at the end and aborted on error. Raises DestinationLost."""
    contexts = tuple(ProposedContext(2 * at + 1, uid, syntaxes) for at, (uid, syntaxes) in enumerate(proposals))
    user = UserInformation(limits.maximum_pdu, IMPLEMENTATION_UID, IMPLEMENTATION_VERSION)
    request = AssociateRequest(destination.ae_title, limits.ae_title, contexts, user)
    sock = _connect(destination, limits.request_seconds, credentials)
    layer = UpperLayer(
        sock, State.AWAIT_ANSWER, maximum=limits.maximum_pdu, idle=limits.idle_seconds, slowest=limits.pdu_seconds
    )
    try:
        try:
            results = layer.request(request, limits.request_seconds).contexts
        except AssociationEnded as ended:
            raise DestinationLost(ended.reason) from None
        abstract = {context.id: context.abstract_syntax for context in contexts}
        taken = [result for result in results if result.result == ACCEPTANCE and result.id in abstract]
        yield layer, {(abstract[result.id], result.transfer_syntax): result.id for result in taken}
        with contextlib.suppress(AssociationEnded):  # everything sent has been answered
            layer.release(limits.request_seconds)
    finally:
        if layer.state is State.READY:
            layer.abort()
        layer.close()


def _connect(destination: Destination, seconds: float, credentials: Credentials | None) -> socket.socket:
    """A connection to a destination, over TLS where it says so (PS3.15 section B.12). Raises DestinationLost."""
    if destination.tls and credentials is None:
        raise DestinationLost("it wants TLS, and we have no certificate")
    try:
        sock = socket.create_connection((destination.host, destination.port), seconds)
    except OSError as error:
        raise DestinationLost(str(error)) from None
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if destination.tls and credentials is not None:
            return credentials.connect(sock, destination.host, destination.bindings, seconds)
    except (OSError, HandshakeFailed) as error:
        sock.close()
        raise DestinationLost(str(error)) from None
    return sock


def answer_of(layer: UpperLayer) -> Callable[[int], Command]:
    """Awaits the response to a C-STORE request on an association of ours, on which nothing else may come."""

    def answer(message_id: int) -> Command:
        command = layer.command()
        if command.has_data:
            for _ in layer.data(command.context_id):
                pass
        if command.operation != Operation.C_STORE | 0x8000 or command.number(Field.RESPONDED_TO) != message_id:
            layer.abort(2, 2)
            raise ProtocolViolation("something else than the response came")
        return command

    return answer
