"""The DICOM edge, wired: who may call, what it is served with."""

from __future__ import annotations

import socket

from panorad.access import dimse, gate
from panorad.app.center import Center
from panorad.data.imaging.transcode import transcode
from panorad.kit.transaction import Transaction
from panorad.model.actor import SYSTEM, Actor
from panorad.model.certificate import Certificate
from panorad.settings import Settings


def credentials_of(settings: Settings) -> dimse.Credentials | None:
    """What we show and whom we trust over TLS; None when nothing is set. Raises SettingInvalid, CredentialsUnusable."""
    files = settings.tls_files
    return dimse.Credentials(*files) if files else None


def services_of(center: Center, credentials: dimse.Credentials | None = None) -> dimse.Services:
    """What the DIMSE server needs of this process."""
    settings = center.settings

    def admit(calling: str, called: str, peer: str, certificate: Certificate | None) -> Actor:
        if called != settings.ae_title:
            raise dimse.CalledUnknown(called)
        with center.begin(SYSTEM) as tx:
            try:
                actor = gate.node_actor(tx, calling, peer)
                gate.check_certificate(tx, actor.name, certificate)
            except gate.NodeUnknown as error:
                if settings.open:
                    return gate.open_actor(tx, settings.institution, calling or "anyone", "node", peer)
                raise dimse.NodeUnknown(calling) from error
            except gate.BindingRefused as error:
                if not (settings.open and isinstance(error, gate.NodeUnbound)):
                    raise dimse.CallerRefused(error.message) from error
            return actor

    def renew(actor: Actor) -> Actor:
        if actor.sees is None:
            return actor
        with center.begin(SYSTEM) as tx:
            try:
                return gate.node_actor(tx, actor.name, actor.source)
            except gate.NodeUnknown as error:
                raise dimse.NodeUnknown(actor.name) from error

    def destination(tx: Transaction, ae_title: str) -> dimse.Destination | None:
        node = gate.node(tx, ae_title)
        if node is None or not node.host or not node.port:
            return None
        return dimse.Destination(node.ae_title, node.host, node.port, node.tls, gate.bindings(tx, node.ae_title))

    return dimse.Services(
        admit=admit, renew=renew, open_intake=center.intakes.open, begin=center.begin, find=center.archive.find,
        stored=center.archive.stored,
        view=center.blobs.view, destination=destination, transcode=transcode,
        credentials=credentials,
    )  # fmt: skip


def limits_of(settings: Settings) -> dimse.Limits:
    """The DIMSE limits that the settings ask for."""
    return dimse.Limits(
        ae_title=settings.ae_title,
        maximum_pdu=settings.maximum_pdu,
        associations=settings.associations,
        each=settings.associations_per_peer,
        request_seconds=settings.association_request_s,
        idle_seconds=settings.association_idle_s,
    )


def server_of(center: Center, plain: socket.socket | None, secured: socket.socket | None) -> dimse.Server:
    """The DICOM server of this process on the listening sockets that there are. Raises SettingInvalid, CredentialsUnusable."""
    credentials = credentials_of(center.settings)
    listeners: dict[socket.socket, dimse.Credentials | None] = {} if plain is None else {plain: None}
    if secured is not None:
        listeners[secured] = credentials
    return dimse.Server(listeners, services_of(center, credentials), limits_of(center.settings))
