"""One event of every kind that has a meaning to an auditor, as the center writes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from panorad.data.process import PatientNumber, Trace
from panorad.data.process.dicom_audit import AuditSource
from panorad.model.event import KINDS

AT = datetime(2026, 3, 11, 6, 30, 15, 123456, UTC)
SOURCE = AuditSource("PANORAD", "CENTER")

OF_KIND: dict[str, tuple[str, str, str, dict[str, Any], dict[str, Any]]] = {
    "instances.received": ("node", "CT1", "success", {"study": "1.2.3", "series": "1.2.3.4"}, {"instances": 12, "bytes": 6000}),
    "instances.refused": ("node", "CT1", "refused", {"sop": "1.2.9"}, {"reason": "there are no bytes", "kind": "data-set-invalid"}),
    "query": ("person", "reader", "success", {"patient": "P-1"}, {"protocol": "QIDO-RS", "level": "STUDY", "keys": ["00100020"]}),
    "study.opened": ("person", "reader", "success", {"study": "1.2.3"}, {"page": "study"}),
    "quarantine.read": ("person", "reader", "success", {"quarantine": 7}, {}),
    "transfer.begun": ("node", "WS1", "success", {"study": "1.2.3", "node": "WS2", "requestor": "WS1"}, {"instances": 12}),
    "instances.retrieved": ("person", "reader", "success", {"study": "1.2.3", "series": "1.2.3.4"}, {"instances": 1, "frames": 3}),
    "instances.sent": ("node", "WS1", "failure", {"study": "1.2.3", "node": "WS2"}, {"instances": 0, "failed": 12, "status": "A702"}),
    "instances.exported": ("system", "panorad", "success", {"study": "1.2.3"}, {"instances": 12, "to": "/media/usb"}),
    "association.refused": ("node", "STRANGER", "refused", {"calling": "STRANGER", "called": "PANORAD"}, {"reason": "unknown"}),
    "account.signed_in": ("system", "panorad", "success", {"account": "reader"}, {}),
    "account.signed_out": ("system", "panorad", "success", {"account": "reader"}, {}),
    "account.refused": ("system", "panorad", "refused", {"account": "reader"}, {"locked": False}),
    "account.added": ("person", "boss", "success", {"account": "reader"}, {}),
    "account.password_set": ("person", "reader", "success", {"account": "reader"}, {}),
    "access.refused": ("person", "reader", "refused", {"study": "1.2.3"}, {"reason": "no grant"}),
    "institution.added": ("system", "panorad", "success", {"institution": "TOWN"}, {"name": "Town"}),
    "node.added": ("system", "panorad", "success", {"node": "CT1", "institution": "TOWN"}, {}),
    "node.bound": ("person", "boss", "success", {"node": "CT1"}, {"kind": "name", "value": "ct1.town.example"}),
    "node.unbound": ("person", "boss", "success", {"node": "CT1"}, {"kind": "any", "value": ""}),
    "role.given": ("person", "boss", "success", {"account": "reader", "institution": "TOWN"}, {"role": "radiologist"}),
    "role.taken": ("person", "boss", "success", {"account": "reader", "institution": "TOWN"}, {"role": "radiologist"}),
    "grant.given": (
        "person", "reader", "success", {"grant": 7, "study": "1.2.3", "grantee": "institution TOWN"},
        {"purposes": ["treatment"], "origin": "referral", "scope": "study"},
    ),
    "grant.revoked": ("person", "reader", "success", {"grant": 7, "study": "1.2.3"}, {"scope": "study"}),
    "consent.recorded": (
        "person", "nurse", "success", {"consent": 9, "patient": "P-1", "issuer": "COUNTY"},
        {"decision": "refuse", "purposes": ["research"], "audience": "everyone"},
    ),
    "consent.withdrawn": ("person", "nurse", "success", {"consent": 9, "patient": "P-1", "issuer": "COUNTY"}, {"decision": "refuse"}),
    "policy.set": ("person", "boss", "success", {"institution": "TOWN"}, {"purpose": "research", "audience": "others", "rule": "consent"}),
    "account.disabled": ("person", "boss", "success", {"account": "reader"}, {}),
    "account.enabled": ("person", "boss", "success", {"account": "reader"}, {}),
    "account.second_factor_set": ("person", "boss", "success", {"account": "reader"}, {}),
    "account.second_factor_removed": ("person", "boss", "success", {"account": "reader"}, {}),
    "account.recovery_code_used": ("person", "boss", "success", {"account": "reader"}, {}),
    "account.confirmed": ("person", "boss", "success", {"account": "reader"}, {}),
    "account.session_ended": ("person", "boss", "success", {"account": "reader"}, {}),
    "account.linked": ("person", "boss", "success", {"account": "reader"}, {}),
    "account.provider_refused": ("person", "boss", "refused", {"account": "reader"}, {"reason": "unknown"}),
    "account.provider_ended": ("person", "boss", "success", {}, {}),
    "account.acting": ("person", "boss", "success", {"account": "reader"}, {}),
    "token.added": ("person", "boss", "success", {"token": "pnrd_1a2b"}, {}),
    "token.revoked": ("person", "boss", "success", {"token": "pnrd_1a2b"}, {}),
    "client.added": ("person", "boss", "success", {"client": "archive"}, {}),
    "client.revoked": ("person", "boss", "success", {"client": "archive"}, {}),
    "token.issued": ("person", "boss", "success", {"token": "pnrd_1a2b"}, {}),
    "token.used": ("person", "boss", "success", {"token": "pnrd_1a2b"}, {}),
    "token.refused": ("person", "boss", "refused", {"token": "pnrd_1a2b"}, {"reason": "unknown"}),
    "client.used": ("person", "boss", "success", {"client": "archive"}, {}),
    "client.refused": ("person", "boss", "refused", {"client": "archive"}, {"reason": "unknown"}),
    "institution.changed": ("person", "boss", "success", {"institution": "TOWN"}, {}),
    "node.changed": ("person", "boss", "success", {"node": "CT1", "institution": "TOWN"}, {}),
    "audit.verified": ("system", "panorad", "failure", {}, {"fault": "seal 3 was changed"}),
    "audit.read": ("person", "auditor", "success", {}, {"by": "page", "events": 50}),
    "audit.exported": ("system", "panorad", "success", {}, {"format": "csv"}),
    "center.started": ("system", "panorad", "success", {}, {"recovered": 0}),
}  # fmt: skip
"""Who acted, with what outcome, on what, and the detail."""


def trace(kind: str, number: int = 4096, **changes: Any) -> Trace:
    """An event of a kind."""
    actor_kind, actor, outcome, objects, detail = OF_KIND[kind]
    assert kind in KINDS
    patients = (PatientNumber("P-1", "COUNTY"),) if "study" in objects else ()
    given: dict[str, Any] = {
        "id": number, "at": AT, "kind": kind, "outcome": outcome, "actor_kind": actor_kind, "actor": actor, "institution": "COUNTY",
        "institution_name": "County hospital", "purpose": "treatment", "source": "10.0.0.7", "objects": objects, "detail": detail,
        "patients": patients,
    }  # fmt: skip
    return Trace(**{**given, **changes})
