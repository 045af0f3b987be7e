"""What each kind of event means as a DICOM audit event (PS3.15 A.5.3): one table, read by every codec that lets the audit trail out.

Codes are of PS3.16 Annex D (DCM). Kinds that tell an auditor nothing that another event has not told stand in `SILENT` with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from panorad.model import purpose as model
from panorad.model.event import Outcome

DCM = "DCM"
OWN = "99PANORAD"
"""Our coding scheme (PS3.16 section 8.2: private ones begin with 99): kinds of events and codes of institutions."""
RFC3881 = "RFC-3881"


class Code(NamedTuple):
    """A coded value with its meaning."""

    value: str
    meaning: str
    scheme: str = DCM


Flow = Literal["in", "out", "media", "person", "application", "log", "change"]
"""Who takes part: data come in from or go out to somebody, or to media; a person signs in; we start; the log is read; a setting changes."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """EventID, EventActionCode, EventTypeCode and the participants of one kind of event."""

    event: Code
    action: Literal["C", "R", "U", "D", "E"]
    flow: Flow
    type: Code | None = None


STARTED = Code("110100", "Application Activity")
LOG_USED = Code("110101", "Audit Log Used")
BEGIN = Code("110102", "Begin Transferring DICOM Instances")
ACCESSED = Code("110103", "DICOM Instances Accessed")
TRANSFERRED = Code("110104", "DICOM Instances Transferred")
EXPORT = Code("110106", "Export")
QUERY = Code("110112", "Query")
ALERT = Code("110113", "Security Alert")
AUTHENTICATION = Code("110114", "User Authentication")

APPLICATION = Code("110150", "Application")
DESTINATION = Code("110152", "Destination Role ID")
SOURCE = Code("110153", "Source Role ID")
MEDIA = Code("110154", "Destination Media")
URI_MEDIA = Code("110037", "URI")
STUDY = Code("110180", "Study Instance UID")
NODE = Code("110182", "Node ID")

MEANINGS: Mapping[str, Meaning] = {
    "instances.received": Meaning(TRANSFERRED, "C", "in"),
    "instances.refused": Meaning(TRANSFERRED, "C", "in"),
    "query": Meaning(QUERY, "E", "in"),
    "study.opened": Meaning(ACCESSED, "R", "out"),
    "quarantine.read": Meaning(ACCESSED, "R", "out"),
    "transfer.begun": Meaning(BEGIN, "E", "out"),
    "instances.retrieved": Meaning(TRANSFERRED, "R", "out"),
    "instances.sent": Meaning(TRANSFERRED, "R", "out"),
    "instances.exported": Meaning(EXPORT, "R", "media"),
    "association.refused": Meaning(ALERT, "E", "change", Code("110126", "Node Authentication")),
    "account.signed_in": Meaning(AUTHENTICATION, "E", "person", Code("110122", "Login")),
    "account.signed_out": Meaning(AUTHENTICATION, "E", "person", Code("110123", "Logout")),
    "account.refused": Meaning(AUTHENTICATION, "E", "person", Code("110122", "Login")),
    "account.added": Meaning(ALERT, "E", "change", Code("110137", "User Security Attributes Changed")),
    "account.password_set": Meaning(ALERT, "E", "change", Code("110137", "User Security Attributes Changed")),
    "access.refused": Meaning(ALERT, "E", "change", Code("110132", "Use of Restricted Function")),
    "institution.added": Meaning(ALERT, "E", "change", Code("110129", "Security Configuration")),
    "node.added": Meaning(ALERT, "E", "change", Code("110128", "Network Configuration")),
    "node.bound": Meaning(ALERT, "E", "change", Code("110129", "Security Configuration")),
    "node.unbound": Meaning(ALERT, "E", "change", Code("110129", "Security Configuration")),
    "role.given": Meaning(ALERT, "E", "change", Code("110136", "Security Roles Changed")),
    "role.taken": Meaning(ALERT, "E", "change", Code("110136", "Security Roles Changed")),
    "grant.given": Meaning(ALERT, "E", "change", Code("110135", "Object Security Attributes Changed")),
    "grant.revoked": Meaning(ALERT, "E", "change", Code("110135", "Object Security Attributes Changed")),
    "consent.recorded": Meaning(ALERT, "E", "change", Code("110135", "Object Security Attributes Changed")),
    "consent.withdrawn": Meaning(ALERT, "E", "change", Code("110135", "Object Security Attributes Changed")),
    "policy.set": Meaning(ALERT, "E", "change", Code("110129", "Security Configuration")),
    "account.disabled": Meaning(ALERT, "E", "change", Code("110137", "User Security Attributes Changed")),
    "account.enabled": Meaning(ALERT, "E", "change", Code("110137", "User Security Attributes Changed")),
    "account.second_factor_set": Meaning(ALERT, "E", "change", Code("110137", "User Security Attributes Changed")),
    "account.second_factor_removed": Meaning(ALERT, "E", "change", Code("110137", "User Security Attributes Changed")),
    "account.recovery_code_used": Meaning(ALERT, "E", "change", Code("110137", "User Security Attributes Changed")),
    "account.confirmed": Meaning(ALERT, "E", "change", Code("110122", "Login")),
    "account.session_ended": Meaning(ALERT, "E", "change", Code("110123", "Logout")),
    "account.linked": Meaning(ALERT, "E", "change", Code("110137", "User Security Attributes Changed")),
    "account.provider_refused": Meaning(ALERT, "E", "change", Code("110122", "Login")),
    "account.provider_ended": Meaning(ALERT, "E", "change", Code("110123", "Logout")),
    "account.acting": Meaning(ALERT, "E", "change", Code("110136", "Security Roles Changed")),
    "token.added": Meaning(ALERT, "E", "change", Code("110137", "User Security Attributes Changed")),
    "token.revoked": Meaning(ALERT, "E", "change", Code("110137", "User Security Attributes Changed")),
    "client.added": Meaning(ALERT, "E", "change", Code("110137", "User Security Attributes Changed")),
    "client.revoked": Meaning(ALERT, "E", "change", Code("110137", "User Security Attributes Changed")),
    "token.issued": Meaning(ALERT, "E", "change", Code("110126", "Node Authentication")),
    "token.used": Meaning(ALERT, "E", "change", Code("110126", "Node Authentication")),
    "token.refused": Meaning(ALERT, "E", "change", Code("110126", "Node Authentication")),
    "client.used": Meaning(ALERT, "E", "change", Code("110126", "Node Authentication")),
    "client.refused": Meaning(ALERT, "E", "change", Code("110126", "Node Authentication")),
    "institution.changed": Meaning(ALERT, "E", "change", Code("110129", "Security Configuration")),
    "node.changed": Meaning(ALERT, "E", "change", Code("110128", "Network Configuration")),
    "audit.verified": Meaning(LOG_USED, "R", "log"),
    "audit.read": Meaning(LOG_USED, "R", "log"),
    "audit.exported": Meaning(LOG_USED, "R", "log"),
    "center.started": Meaning(STARTED, "E", "application", Code("110120", "Application Start")),
}

SILENT: Mapping[str, str] = {
    "instances.conflict": "the transfer is told by instances.received; that two contents share a UID is no access",
    "study.stored": "told by instances.received of the same transaction",
    "series.settled": "the center's own work on what it holds; nobody sees it",
    "archive.verified": "the center reads its own bytes back; nobody sees them",
    "archive.reindexed": "the center reads its own bytes again; nobody sees them",
}
"""Kinds that PS3.15 A.5.3 has no event for, or that repeat another one, and why."""

OUTCOMES: Mapping[Outcome, str] = {"success": "0", "refused": "4", "failure": "8"}
"""EventOutcomeIndicator: nominal success, minor failure, serious failure (PS3.15 A.5.1)."""

_MEANT = {
    "TREAT": "treatment", "CAREMGT": "care management", "COC": "coordination of care", "HQUALIMP": "health quality improvement",
    "TRAIN": "training", "HRESCH": "healthcare research", "PATRQT": "patient requested", "ETREAT": "Emergency Treatment",
}  # fmt: skip
PURPOSES: Mapping[str, Code] = {
    **{name: Code(purpose.code, _MEANT[purpose.code], "ActReason") for name, purpose in model.PURPOSES.items()},
    model.OPERATION: Code("HOPERAT", "healthcare operations", "ActReason"),
}
"""Purposes of use in HL7's ActReason; others are said in our own scheme."""


def purpose_code(purpose: str) -> Code:
    """The code of a purpose of use."""
    return PURPOSES.get(purpose, Code(purpose, purpose, OWN))


def reason(detail: Mapping[str, object]) -> str:
    """Why something was refused or failed, as its event says it."""
    return str(next((detail[name] for name in ("reason", "fault", "status") if detail.get(name)), ""))


class Named(NamedTuple):
    """A participant object of a change: its number or name, what that is, ParticipantObjectTypeCode and its role (PS3.15 A.5.1)."""

    value: str
    kind: Code
    type: str
    role: str


def named(meaning: Meaning, objects: Mapping[str, object], detail: Mapping[str, object]) -> Iterator[Named]:
    """What a change to rights was about, beside patients, studies, accounts, nodes and institutions."""
    if meaning.flow != "change":
        return
    for name, said, role in (
        ("role", "Role", "12"),
        ("grant", "Grant", "14"),
        ("consent", "Consent", "14"),
        ("grantee", "Grantee", "11"),
    ):
        if value := objects.get(name) or (detail.get(name) if name == "role" else None):
            yield Named(str(value), Code(name, said, OWN), "2", role)
