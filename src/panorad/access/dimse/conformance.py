"""What this node offers over DICOM, as data: the negotiation walks it, the DICOM Conformance Statement is made from it (PS3.2).

Storage is open-ended: every abstract syntax that is not the known UID of something else is taken as a storage SOP class, so that
private and future classes are kept too, and every transfer syntax is taken as it is proposed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from panorad.data.imaging.dictionary import uids
from panorad.data.imaging.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from panorad.model.query import Level

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"

IDENTIFIER_SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
"""Transfer syntaxes of identifiers: of the proposed ones, the requestor's first of these is taken."""

IMPLEMENTATION_UID, IMPLEMENTATION_VERSION = IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
"""Implementation Class UID and Version Name (PS3.7 section D.3.3.2): the same that the files carry which are written here."""


class Service(Enum):
    """The DIMSE-C services by the role this node plays when it accepts the association."""

    VERIFICATION = "Verification"
    STORAGE = "Storage"
    FIND = "Query"
    MOVE = "Retrieve by C-MOVE"
    GET = "Retrieve by C-GET"


class Root(Enum):
    """Query/Retrieve information models (PS3.4 section C.6) with their topmost level."""

    PATIENT = Level.PATIENT
    STUDY = Level.STUDY


@dataclass(frozen=True, slots=True)
class Offer:
    """One SOP class with its service and, for query and retrieve, its information model."""

    uid: str
    name: str
    service: Service
    root: Root = Root.STUDY


OFFERS: Mapping[str, Offer] = {
    offer.uid: offer
    for offer in (
        Offer("1.2.840.10008.1.1", "Verification", Service.VERIFICATION),
        Offer("1.2.840.10008.5.1.4.1.2.1.1", "Patient Root Query/Retrieve Information Model - FIND", Service.FIND, Root.PATIENT),
        Offer("1.2.840.10008.5.1.4.1.2.1.2", "Patient Root Query/Retrieve Information Model - MOVE", Service.MOVE, Root.PATIENT),
        Offer("1.2.840.10008.5.1.4.1.2.1.3", "Patient Root Query/Retrieve Information Model - GET", Service.GET, Root.PATIENT),
        Offer("1.2.840.10008.5.1.4.1.2.2.1", "Study Root Query/Retrieve Information Model - FIND", Service.FIND),
        Offer("1.2.840.10008.5.1.4.1.2.2.2", "Study Root Query/Retrieve Information Model - MOVE", Service.MOVE),
        Offer("1.2.840.10008.5.1.4.1.2.2.3", "Study Root Query/Retrieve Information Model - GET", Service.GET),
    )
}
"""Every SOP class served by name; storage SOP classes come from `offer`."""

_NOT_STORAGE = ("1.2.840.10008.1.3.10", "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.2")
"""Media directories and storage commitment, which have the word in their name only."""


_OF_NO_PATIENT = (
    "1.2.840.10008.5.1.4.38.1",  # Hanging Protocol
    "1.2.840.10008.5.1.4.39.1",  # Color Palette
    "1.2.840.10008.5.1.4.43.1",  # Generic Implant Template
    "1.2.840.10008.5.1.4.44.1",  # Implant Assembly Template
    "1.2.840.10008.5.1.4.45.1",  # Implant Template Group
    "1.2.840.10008.5.1.4.1.1.200.1",  # CT Defined Procedure Protocol
    "1.2.840.10008.5.1.4.1.1.200.3",  # Protocol Approval
    "1.2.840.10008.5.1.4.1.1.200.7",  # XA Defined Procedure Protocol
    "1.2.840.10008.5.1.4.1.1.201.1",  # Inventory
)
"""Non-Patient Object Storage (PS3.4 Annex GG): these belong to no study, under which everything is kept here."""


def storage_like(uid: str) -> bool:
    """Whether an abstract syntax is to be stored: a storage SOP class of PS3.6 Annex A, or a UID that PS3.6 does not name."""
    if uid not in uids():
        return bool(uid)
    name, kind = uids()[uid][:2]
    return kind == "SOP Class" and uid not in (*_NOT_STORAGE, *_OF_NO_PATIENT) and ("Storage" in name or not name)


def offer(uid: str) -> Offer | None:
    """What is offered under an abstract syntax, or None when it is not supported."""
    if uid in OFFERS:
        return OFFERS[uid]
    return Offer(uid, uid, Service.STORAGE) if storage_like(uid) else None


def storage_classes() -> Iterator[tuple[str, str]]:
    """The storage SOP classes known by name (UID, name), for the Conformance Statement."""
    return ((uid, name) for uid, (name, *_) in uids().items() if name and storage_like(uid))
