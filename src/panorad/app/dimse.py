"""The DICOM edge, wired: who may call, what it is served with."""

from __future__ import annotations

import socket

from panorad.access import dimse, gate
from panorad.app.center import Center
from panorad.data.imaging.transcode import transcode
from panorad.kit.transaction import Transaction
from panorad.model.actor import SYSTEM, Actor
from panorad.settings import Settings


def services_of(center: Center) -> dimse.Services:
    """What the DIMSE server needs of this process."""
    settings = center.settings

    def admit(calling: str, called: str, peer: str) -> Actor:
        if called != settings.ae_title:
            raise dimse.CalledUnknown(called)
        with center.begin(SYSTEM) as tx:
            try:
                return gate.node_actor(tx, calling, peer)
            except gate.NodeUnknown as error:
                if settings.open:
                    return gate.open_actor(tx, settings.institution, calling or "anyone", "node", peer)
                raise dimse.NodeUnknown(calling) from error

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
        return dimse.Destination(node.ae_title, node.host, node.port) if node and node.host and node.port else None

    return dimse.Services(
        admit=admit, renew=renew, open_intake=center.intakes.open, begin=center.begin, find=center.archive.find,
        stored=center.archive.stored,
        view=center.blobs.view, destination=destination, transcode=transcode,
    )  # fmt: skip


def limits_of(settings: Settings) -> dimse.Limits:
    """The DIMSE limits that the settings ask for."""
    return dimse.Limits(
        ae_title=settings.ae_title,
        maximum_pdu=settings.maximum_pdu,
        associations=settings.associations,
        idle_seconds=settings.association_idle_s,
    )


def server_of(center: Center, listener: socket.socket) -> dimse.Server:
    """The DICOM server of this process."""
    return dimse.Server(listener, services_of(center), limits_of(center.settings))
