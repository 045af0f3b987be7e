"""Serving one accepted connection from its first byte to its last: negotiation, requests by table, release, abort."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from panorad.access.dimse import find, retrieve, storage
from panorad.access.dimse.association import Association
from panorad.access.dimse.command import RESPONSE, Command, Operation
from panorad.access.dimse.negotiation import (
    CALLED_UNKNOWN,
    CALLING_UNKNOWN,
    CONGESTION,
    LIMIT_EXCEEDED,
    Context,
    negotiate,
    objection,
)
from panorad.access.dimse.pdu import AssociateReject, AssociateRequest
from panorad.access.dimse.places import Place, Places
from panorad.access.dimse.services import CalledUnknown, CallerRefused, Limits, NodeUnknown, Services
from panorad.access.dimse.states import State
from panorad.access.dimse.status import Status
from panorad.access.dimse.tls import certificate_of
from panorad.access.dimse.upper_layer import AssociationEnded, ProtocolViolation, Released, TimedOut, UpperLayer
from panorad.model.actor import Actor
from panorad.model.certificate import Certificate
from panorad.model.event import Event

log = logging.getLogger(__name__)

Handler = Callable[[Association, Command, Context], None]


def _cancel(association: Association, command: Command, context: Context) -> None:
    """A C-CANCEL that comes after the last answer is of no effect (PS3.7 section 9.3.2.3)."""


def _unrecognized(association: Association, command: Command, context: Context) -> None:
    association.drain(command)
    if not command.operation & RESPONSE:
        association.respond(command, Status.UNRECOGNIZED_OPERATION)


HANDLERS: Mapping[int, Handler] = {
    Operation.C_ECHO: storage.echo,
    Operation.C_STORE: storage.store,
    Operation.C_FIND: find.find,
    Operation.C_MOVE: retrieve.move,
    Operation.C_GET: retrieve.get,
    Operation.C_CANCEL: _cancel,
}
"""What serves a request, by Command Field."""


def serve(sock: socket.socket, services: Services, limits: Limits, places: Places, place: Place) -> None:
    """Serve a connection in its place, over TLS once the handshake is done, and close it. Never raises but for a fault of this program."""
    try:
        peer = sock.getpeername()[0]
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        layer = UpperLayer(sock, State.AWAIT_REQUEST, maximum=limits.maximum_pdu, idle=limits.idle_seconds, slowest=limits.pdu_seconds)
        certificate = certificate_of(sock) if isinstance(sock, ssl.SSLSocket) else None
    except OSError:
        return sock.close()
    try:
        request = layer.receive_request(limits.request_seconds)
        caller = Caller(request, peer, certificate)
        association = _establish(layer, caller, services, limits, places, place)
        if association is not None:
            _converse(association)
    except (TimedOut, ProtocolViolation) as ended:
        log.warning("connection from %s ended: %s", peer, ended.reason)
        if isinstance(ended, TimedOut):
            layer.abort()
    except AssociationEnded as ended:
        log.info("connection from %s ended: %s", peer, ended.reason)
    except Exception:
        log.exception("serving %s failed", peer)
        layer.abort()
    finally:
        layer.close(min(limits.request_seconds, 5.0))
    return None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for an association: what was asked, from which network address, with which certificate (None: not over TLS)."""

    request: AssociateRequest
    peer: str
    certificate: Certificate | None


def _establish(
    layer: UpperLayer, caller: Caller, services: Services, limits: Limits, places: Places, place: Place
) -> Association | None:
    """Answer the request; gives None when it was rejected."""
    request, peer = caller.request, caller.peer
    refusal = LIMIT_EXCEEDED if place.refusal else objection(request)
    reason = place.refusal or "not DICOM's protocol version or application context"
    if refusal is None:
        try:
            actor = services.admit(request.calling, request.called, peer, caller.certificate)
        except (NodeUnknown, CallerRefused) as error:
            refusal, reason = CALLING_UNKNOWN, error.message
        except CalledUnknown as error:
            refusal, reason = CALLED_UNKNOWN, error.message
        except Exception:
            log.exception("%s at %s could not be looked up", request.calling, peer)
            refusal, reason = CONGESTION, "the center cannot look up its nodes"
        else:
            if places.name(place, actor.name):
                return _accept(layer, caller, services, limits, actor)
            refusal, reason = LIMIT_EXCEEDED, "too many associations of this AE title"
    layer.reject(refusal)
    record_refusal(services, peer, reason, request, refusal, caller.certificate)
    return None


def _accept(layer: UpperLayer, caller: Caller, services: Services, limits: Limits, actor: Actor) -> Association:
    request = caller.request
    answer, contexts = negotiate(request, limits.maximum_pdu)
    layer.accept(answer, request.user.maximum_length)
    return Association(layer, services, limits, actor, request.calling, caller.peer, contexts)


def record_refusal(
    services: Services,
    peer: str,
    reason: str,
    request: AssociateRequest | None = None,
    refusal: AssociateReject | None = None,
    certificate: Certificate | None = None,
) -> None:
    """Tell the log and the event log that a peer was refused; without a request when it did not get past its TLS handshake."""
    calling = request.calling if request else ""
    actor = Actor("node", calling or "?", source=f"dimse {calling}@{peer}")
    detail: dict[str, object] = {"reason": reason, "tls": request is None or certificate is not None}
    objects = {"peer": peer}
    if request is not None:
        objects |= {"calling": request.calling, "called": request.called}
    if refusal is not None:
        detail |= {"result": refusal.result, "source": refusal.source, "diagnostic": refusal.reason}
    if certificate is not None:
        objects["certificate"] = certificate.fingerprint
    log.warning("association of %s at %s refused: %s", calling or "?", peer, reason)
    try:
        with services.begin(actor) as tx:
            tx.emit(Event("association.refused", objects, detail, "refused"))
    except Exception:
        log.exception("the refusal of %s was not recorded", calling or peer)


def _converse(association: Association) -> None:
    """Serve requests until the association ends; whatever was received is flushed before a release is answered."""
    layer, contexts = association.layer, association.contexts
    try:
        while True:
            command = layer.command()
            context = contexts.get(command.context_id)
            if context is None:
                layer.abort(2, 6)
                raise ProtocolViolation(f"presentation context {command.context_id} was not accepted")
            HANDLERS.get(command.operation, _unrecognized)(association, command, context)
    except Released:
        with contextlib.suppress(AssociationEnded):
            _flush(association)
            layer.answer_release()
    finally:
        association.close()


def _flush(association: Association) -> None:
    try:
        association.flush()
    except Exception:
        log.exception("what %s sent is stored but not yet indexed", association.calling)
