"""Everything that happens is an event: what, when, who, on behalf of whom, for which purpose, about which objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["success", "refused", "failure"]

KINDS: Mapping[str, str] = {
    "instances.received": "Images were received and indexed",
    "instances.refused": "Input was refused or quarantined",
    "instances.conflict": "The same UIDs arrived with other content",
    "study.stored": "A study was seen for the first time",
    "series.settled": "A series has been quiet long enough to be served from its metadata document",
    "query": "The index was searched",
    "study.opened": "A study was looked at on a page",
    "quarantine.read": "Input kept aside was downloaded",
    "transfer.begun": "Sending of images began",
    "instances.retrieved": "Images, frames or metadata were retrieved",
    "instances.sent": "Images were sent to another node",
    "instances.exported": "Images were exported to files",
    "association.refused": "A DICOM association was refused",
    "account.signed_in": "A person signed in",
    "account.signed_out": "A person signed out",
    "account.refused": "A sign-in was refused",
    "account.added": "An account was made",
    "account.password_set": "A password was set",
    "account.disabled": "An account was disabled",
    "account.enabled": "An account was enabled",
    "account.acting": "A person chose for which institution and purpose to act",
    "role.given": "A role was given",
    "role.taken": "A role was taken away",
    "account.second_factor_set": "A second factor was set up",
    "account.second_factor_removed": "A second factor was removed",
    "account.recovery_code_used": "A recovery code was used",
    "account.confirmed": "A person gave a code again",
    "account.session_ended": "Sessions of an account were ended",
    "account.linked": "An account was linked to a person at the sign-in provider",
    "account.provider_refused": "A sign-in through the provider was refused",
    "account.provider_ended": "The provider ended a person's sessions",
    "token.added": "A token was made",
    "token.issued": "A client was given an access token",
    "token.used": "A token was used for the first time",
    "token.refused": "A token was refused",
    "token.revoked": "A token was revoked",
    "client.added": "A client was added",
    "client.used": "A client has come in for the first time",
    "client.refused": "A client was refused",
    "client.revoked": "A client was revoked",
    "access.refused": "A request was refused",
    "grant.given": "A grant was given",
    "grant.revoked": "A grant was revoked",
    "consent.recorded": "What a patient permits or refuses was recorded",
    "consent.withdrawn": "A consent was withdrawn",
    "policy.set": "A consent policy was set",
    "institution.added": "An institution was added",
    "institution.changed": "An institution was changed",
    "node.added": "A DICOM node was added",
    "node.bound": "A DICOM node was bound to a certificate",
    "node.unbound": "A certificate was taken from a DICOM node",
    "node.changed": "A DICOM node was changed",
    "archive.verified": "Stored bytes were read back against their digests",
    "audit.verified": "The event log was read again against its seals",
    "audit.read": "The event log was read",
    "audit.exported": "Events were written to a file",
    "archive.reindexed": "The index was rebuilt from storage",
    "center.started": "The center started",
}
"""Every kind of event with its sentence; an event of another kind cannot be written."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `objects` names what it is about (study, series, node, account...), `detail` holds counts and reasons."""

    kind: str
    objects: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
    outcome: Outcome = "success"
    institution: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of event {self.kind!r}")
