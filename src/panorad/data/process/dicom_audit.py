"""Events as DICOM Audit Messages: the XML of PS3.15 A.5.1, filled in after the conventions of A.5.2 and the tables of A.5.3.

The schema has no place for a purpose of use. It goes as a detail of the institution on whose behalf the event happened, which is a
participant object of every message. No patient's name leaves: where the schema asks for a name, the number stands.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from xml.sax.saxutils import escape, quoteattr

from panorad.data.process import audit
from panorad.data.process.audit import MEANINGS, OUTCOMES, OWN, RFC3881, Code, Meaning
from panorad.data.process.trail import Trace
from panorad.kit.jsontext import dumps
from panorad.model.event import KINDS

_UNFIT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class AuditSource:
    """Who reports: our AE title and the code of the institution that runs the center (AuditSourceID, AuditEnterpriseSiteID)."""

    id: str
    site: str


def message(trace: Trace, source: AuditSource) -> str | None:
    """The audit message of an event without XML declaration; None for kinds that have no meaning to an auditor (`audit.SILENT`)."""
    meaning = MEANINGS.get(trace.kind)
    if meaning is None:
        return None
    parts = [*_event(trace, meaning), *_participants(trace, meaning, source)]
    parts.append(
        f"<AuditSourceIdentification{_attributes(AuditEnterpriseSiteID=source.site, AuditSourceID=source.id)}>"
        '<AuditSourceTypeCode csd-code="4"/></AuditSourceIdentification>'
    )
    return f"<AuditMessage>{''.join([*parts, *_objects(trace, meaning, source)])}</AuditMessage>"


def _event(trace: Trace, meaning: Meaning) -> Iterator[str]:
    at = trace.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    heads = _attributes(EventActionCode=meaning.action, EventDateTime=at, EventOutcomeIndicator=OUTCOMES[trace.outcome])
    yield f"<EventIdentification{heads}>{_coded('EventID', meaning.event)}"
    if meaning.type is not None:
        yield _coded("EventTypeCode", meaning.type)
    yield _coded("EventTypeCode", Code(trace.kind, KINDS[trace.kind], OWN))
    if trace.outcome != "success" and (why := audit.reason(trace.detail)):
        yield f"<EventOutcomeDescription>{escape(_clean(why))}</EventOutcomeDescription>"
    yield "</EventIdentification>"


def _participants(trace: Trace, meaning: Meaning, source: AuditSource) -> Iterator[str]:
    """Whoever takes part, the requestor marked. Data flow from the Source to the Destination (PS3.15 A.5.3.3, 6, 7, 10)."""
    who = str(trace.objects.get("account") or trace.actor) if meaning.flow == "person" else trace.actor
    titles = f"AETITLES={trace.actor}" if trace.actor_kind == "node" else ""
    node = str(trace.objects.get("node") or "")
    elsewhere = meaning.flow == "out" and node not in ("", trace.actor)
    roles: Mapping[str, Code | None] = {
        "in": audit.SOURCE, "out": None if elsewhere else audit.DESTINATION, "media": audit.SOURCE, "application": None,
    }  # fmt: skip
    yield _participant(who, titles, True, roles.get(meaning.flow), trace.source)
    if elsewhere:
        yield _participant(node, f"AETITLES={node}", False, audit.DESTINATION)
    if meaning.flow == "media":
        yield _participant(str(trace.detail.get("to") or "file"), "", False, audit.MEDIA, media=audit.URI_MEDIA)
        return
    ours: Mapping[str, Code | None] = {"in": audit.DESTINATION, "out": audit.SOURCE, "application": audit.APPLICATION}
    yield _participant(source.id, f"AETITLES={source.id}", False, ours.get(meaning.flow))


def _participant(user: str, other: str, requestor: bool, role: Code | None, where: str = "", media: Code | None = None) -> str:
    attributes = {"UserID": user or "unknown", "AlternativeUserID": other, "UserIsRequestor": str(requestor).lower()}
    attributes |= access_point(where)
    inner = (_coded("RoleIDCode", role) if role else "") + (
        f"<MediaIdentifier>{_coded('MediaType', media)}</MediaIdentifier>" if media else ""
    )
    return f"<ActiveParticipant{_attributes(**attributes)}>{inner}</ActiveParticipant>"


def access_point(where: str) -> dict[str, str]:
    """NetworkAccessPointID and its type: 2 for an IP address, 1 for a machine's name; nothing for what is neither."""
    place = where.rpartition("@")[2]
    try:
        return {"NetworkAccessPointID": str(ipaddress.ip_address(place)), "NetworkAccessPointTypeCode": "2"}
    except ValueError:
        return {"NetworkAccessPointID": place, "NetworkAccessPointTypeCode": "1"} if _HOST.fullmatch(place) else {}


def _objects(trace: Trace, meaning: Meaning, source: AuditSource) -> Iterator[str]:
    objects = trace.objects
    if study := objects.get("study"):
        count = trace.detail.get("instances")
        told = f'<SOPClass NumberOfInstances="{count}"/>' if isinstance(count, int) else ""
        described = f"<ParticipantObjectDescription>{told}</ParticipantObjectDescription>" if told else ""
        yield _object(study, audit.STUDY, "2", "3", described=described)
    for number in trace.patients:
        whole = f"{number.id}^^^{number.issuer}" if number.issuer else number.id
        yield _object(whole, Code("2", "Patient Number", RFC3881), "1", "1")
    if not trace.patients and (patient := objects.get("patient")):
        yield _object(patient, Code("2", "Patient Number", RFC3881), "1", "1")
    if meaning.event is audit.QUERY:
        yield _object(query_name(trace), Code("10", "Search Criteria", RFC3881), "2", "24", query=query_text(trace))
    if account := objects.get("account"):
        yield _object(account, Code("11", "User Identifier", RFC3881), "1", "11")
    if meaning.flow == "change" and (node := objects.get("node") or objects.get("calling")):
        yield _object(node, audit.NODE, "2", "13")
    for part in audit.named(meaning, objects, trace.detail):
        yield _object(part.value, part.kind, part.type, part.role)
    if quarantined := objects.get("quarantine"):
        yield _object(f"/intake/{quarantined}/original", Code("12", "URI", RFC3881), "2", "3")
    if meaning.flow == "log":
        yield _object("/audit", Code("12", "URI", RFC3881), "2", "13", name="Security Audit Log")
    if added := objects.get("institution"):
        yield _object(added, Code("institution", "Institution", OWN), "3", "15")
    purpose = f'<ParticipantObjectDetail type="PurposeOfUse" value="{_base64(trace.purpose.encode())}"/>'
    behalf = Code("on-behalf-of", "Institution on whose behalf", OWN)
    yield _object(trace.institution or source.site, behalf, "3", "15", name=trace.institution_name, detail=purpose)


def query_name(trace: Trace) -> str:
    """What was asked by, and at which level."""
    return f"{trace.detail.get('protocol', 'query')} {trace.detail.get('level', '')}".strip()


def query_text(trace: Trace) -> bytes:
    """The query as the log keeps it: level, keys and full identifiers, no other values."""
    named = {name: trace.objects[name] for name in ("patient", "study", "series") if name in trace.objects}
    return dumps({"level": trace.detail.get("level"), "keys": trace.detail.get("keys", []), **named}, str)


def _object(
    number: object, kind: Code, type_code: str, role: str, *, name: str = "", query: bytes = b"", detail: str = "", described: str = ""
) -> str:
    attributes = _attributes(
        ParticipantObjectID=str(number) or "unknown", ParticipantObjectTypeCode=type_code, ParticipantObjectTypeCodeRole=role
    )
    said = (
        f"<ParticipantObjectQuery>{_base64(query)}</ParticipantObjectQuery>"
        if query
        else f"<ParticipantObjectName>{escape(_clean(name or str(number)))}</ParticipantObjectName>"
    )
    inner = f"{_coded('ParticipantObjectIDTypeCode', kind)}{said}{detail}{described}"
    return f"<ParticipantObjectIdentification{attributes}>{inner}</ParticipantObjectIdentification>"


def _coded(element: str, code: Code) -> str:
    return f"<{element}{_attributes(**{'csd-code': code.value, 'codeSystemName': code.scheme, 'originalText': code.meaning})}/>"


def _attributes(**values: str) -> str:
    return "".join(f" {name}={quoteattr(_clean(value))}" for name, value in values.items() if value)


def _clean(text: str) -> str:
    return _UNFIT.sub("\ufffd", text)[:_LONGEST]


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
