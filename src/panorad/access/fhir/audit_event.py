"""AuditEvent (FHIR R4) in the shapes of IHE Basic Audit Log Patterns: one event, and a search that pages by event number."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from panorad.access.fhir.answers import ParameterInvalid, ResourceAbsent, base_url, resource
from panorad.access.web.session import allowed
from panorad.data.process import Trace, Wanted, trace, trail
from panorad.data.process import audit as table
from panorad.data.process.audit import MEANINGS, OUTCOMES, Code, Meaning
from panorad.data.process.dicom_audit import AuditSource, access_point, query_name, query_text
from panorad.kit.transaction import Begin
from panorad.model.event import KINDS, Event

SYSTEMS: Mapping[str, str] = {
    table.DCM: "http://dicom.nema.org/resources/ontology/DCM",
    table.OWN: "urn:panorad:codes",
    "ActReason": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
}
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ENTITY_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
TYPES = {"1": "Person", "2": "System Object", "3": "Organization", "4": "Other"}
ROLES = {
    "1": "Patient", "3": "Report", "4": "Domain Resource", "11": "Security User Entity", "13": "Security Resource", "15": "Practitioner",
    "12": "Security User Group", "14": "Security Granularity Definition", "24": "Query",
}  # fmt: skip
MOST, USUAL = 1000, 100
PARAMETERS: Mapping[str, tuple[str, str]] = {
    "date": ("date", "When it happened; prefixes eq, ge, gt, le, lt."),
    "patient": ("reference", "Patient ID, with or without `Patient/`."),
    "entity": ("reference", "Study Instance UID, as it is or as `urn:oid:UID`."),
    "agent": ("reference", "Login or AE title of who took part."),
    "type": ("token", "EventID of PS3.16 (DCM), with or without its system."),
    "outcome": ("token", "0, 4 or 8."),
}
"""Search parameters, beside `_count`."""
_DATE = re.compile(r"(eq|ge|gt|le|lt)?(\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?)?)?)")


@dataclass(frozen=True, slots=True)
class AuditEvents:
    """The endpoints of the resource."""

    begin: Begin
    source: AuditSource

    def search(self, request: Request) -> Response:
        """GET /fhir/AuditEvent: a search set, newest first, with links to what comes next. That it was read is an event."""
        actor = allowed(request, "event", "read")
        asked, wanted, count, before = wanted_of(request)
        with self.begin(actor) as tx:
            found = trail(tx, wanted, before=before, limit=count + 1) if wanted.kinds else []
            tx.emit(Event("audit.read", {}, {"by": "FHIR", "events": len(found[:count]), "keys": [name for name, _ in asked]}))
        base = base_url(request)
        links = [{"relation": "self", "url": f"{base}/AuditEvent?{urlencode(asked)}"}]
        if len(found) > count:
            following = [*(pair for pair in asked if pair[0] != "before"), ("before", str(found[count - 1].id))]
            links.append({"relation": "next", "url": f"{base}/AuditEvent?{urlencode(following)}"})
        entries = [
            {"fullUrl": f"{base}/AuditEvent/{one.id}", "resource": audit_event(one, self.source), "search": {"mode": "match"}}
            for one in found[:count]
        ]
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": links}
        return resource(bundle | ({"entry": entries} if entries else {}))

    def read(self, request: Request) -> Response:
        """GET /fhir/AuditEvent/{id}: one event."""
        actor, number = allowed(request, "event", "read"), request.path_params["id"]
        if not (number.isascii() and number.isdigit() and len(number) < 19):
            raise ResourceAbsent
        with self.begin(actor) as tx:
            found = trace(tx, int(number))
            if found is None or found.kind not in MEANINGS:
                raise ResourceAbsent
            tx.emit(Event("audit.read", {}, {"by": "FHIR", "events": 1}))
        return resource(audit_event(found, self.source))


def wanted_of(request: Request) -> tuple[list[tuple[str, str]], Wanted, int, int | None]:
    """What a search asks for: its parameters, the events, how many, and below which number. Raises ParameterInvalid."""
    asked = [(name, value) for name, value in request.query_params.multi_items() if value and name != "_format"]
    values: dict[str, Any] = {}
    kinds = set(MEANINGS)
    count, before = USUAL, None
    for name, value in asked:
        if name == "date":
            since, until = period(value)
            values["since"] = max(filter(None, (values.get("since"), since)), default=None)
            values["until"] = min(filter(None, (values.get("until"), until)), default=None)
        elif name == "type":
            code = value.rpartition("|")[2]
            kinds &= {kind for kind, meaning in MEANINGS.items() if meaning.event.value == code}
        elif name == "outcome":
            outcomes = tuple(said for said, number in OUTCOMES.items() if number in value.rpartition("|")[2].split(","))
            if not outcomes:
                raise ParameterInvalid(name)
            values["outcomes"] = outcomes
        elif name in ("patient", "entity", "agent"):
            field = {"patient": "patient", "entity": "study", "agent": "actor"}[name]
            values[field] = value.removeprefix("Patient/").removeprefix("urn:oid:")[:256]
        elif name in ("_count", "before"):
            if not (value.isascii() and value.isdigit() and len(value) < 19):
                raise ParameterInvalid(name)
            count, before = (min(int(value), MOST), before) if name == "_count" else (count, int(value))
        else:
            raise ParameterInvalid(name[:64])
    return asked, Wanted(kinds=tuple(sorted(kinds)), **values), max(count, 1), before


def period(text: str) -> tuple[datetime | None, datetime | None]:
    """The first moment and the first one after what a date parameter means (R4 search, section 3.1.1.4.5). Raises ParameterInvalid."""
    found = _DATE.fullmatch(text.replace(" ", "+"))
    if found is None:
        raise ParameterInvalid("date")
    prefix, date = found[1] or "eq", found[2]
    try:
        first, after = _span(date)
    except (ValueError, OverflowError):
        raise ParameterInvalid("date") from None
    return {"eq": (first, after), "ge": (first, None), "gt": (after, None), "le": (None, after), "lt": (None, first)}[prefix]


def _span(date: str) -> tuple[datetime, datetime]:
    if "T" in date:
        first = datetime.fromisoformat(date)
        first = first if first.tzinfo else first.replace(tzinfo=UTC)
        clock = re.split(r"[Z+-]", date.partition("T")[2])[0]
        length = timedelta(minutes=1) if clock.count(":") == 1 else timedelta(microseconds=1 if "." in clock else 1_000_000)
        return first, first + length
    year, month, day = (*map(int, date.split("-")), 0, 0)[:3]
    first = datetime(year, month or 1, day or 1, tzinfo=UTC)
    if day:
        return first, first + timedelta(days=1)
    if month:
        return first, datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return first, datetime(year + 1, 1, 1, tzinfo=UTC)


def audit_event(one: Trace, source: AuditSource) -> dict[str, Any]:
    """An event as an AuditEvent resource; its kind must be in `MEANINGS`."""
    meaning = MEANINGS[one.kind]
    subtypes = [_coding(meaning.type)] if meaning.type else []
    told: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": str(one.id),
        "type": _coding(meaning.event),
        "subtype": [*subtypes, _coding(Code(one.kind, KINDS[one.kind], table.OWN))],
        "action": meaning.action,
        "recorded": one.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "outcome": OUTCOMES[one.outcome],
    }
    if one.outcome != "success" and (why := table.reason(one.detail)):
        told["outcomeDesc"] = why
    told["purposeOfEvent"] = [{"coding": [_coding(table.purpose_code(one.purpose))]}]
    told["agent"] = list(_agents(one, meaning, source))
    told["source"] = {
        "site": source.site,
        "observer": {"identifier": {"value": source.id}, "display": source.id},
        "type": [{"system": "http://terminology.hl7.org/CodeSystem/security-source-type", "code": "4", "display": "Application Server"}],
    }
    return told | {"entity": list(_entities(one, meaning, source))}


def _agents(one: Trace, meaning: Meaning, source: AuditSource) -> list[dict[str, Any]]:
    who = str(one.objects.get("account") or one.actor) if meaning.flow == "person" else one.actor
    node = str(one.objects.get("node") or "")
    elsewhere = meaning.flow == "out" and node not in ("", one.actor)
    asking = {"in": table.SOURCE, "out": None if elsewhere else table.DESTINATION, "media": table.SOURCE}.get(meaning.flow)
    requestor = _agent(who or "unknown", True, asking)
    if point := access_point(one.source):
        requestor["network"] = {"address": point["NetworkAccessPointID"], "type": point["NetworkAccessPointTypeCode"]}
    others = [_agent(node, False, table.DESTINATION)] if elsewhere else []
    if meaning.flow == "media":
        return [requestor, _agent(str(one.detail.get("to") or "file"), False, table.MEDIA)]
    ours = {"in": table.DESTINATION, "out": table.SOURCE, "application": table.APPLICATION}.get(meaning.flow)
    return [requestor, *others, _agent(source.id, False, ours)]


def _agent(name: str, requestor: bool, role: Code | None) -> dict[str, Any]:
    told: dict[str, Any] = {"type": {"coding": [_coding(role)]}} if role else {}
    return told | {"who": {"identifier": {"value": name}, "display": name}, "requestor": requestor}


def _entities(one: Trace, meaning: Meaning, source: AuditSource) -> list[dict[str, Any]]:
    objects, found = one.objects, []
    for number in one.patients:
        issued = {"assigner": {"display": number.issuer}} if number.issuer else {}
        found.append(_entity({"value": number.id, **issued}, "1", "1"))
    if not one.patients and (patient := objects.get("patient")):
        found.append(_entity({"value": str(patient)}, "1", "1"))
    if study := objects.get("study"):
        entity = _entity({"system": "urn:dicom:uid", "value": f"urn:oid:{study}"}, "2", "3")
        if isinstance(count := one.detail.get("instances"), int):
            entity["detail"] = [{"type": "NumberOfInstances", "valueString": str(count)}]
        found.append(entity)
    if meaning.event is table.QUERY:
        entity = _entity({"value": query_name(one)}, "2", "24")
        found.append(entity | {"query": b64encode(query_text(one)).decode()})
    if account := objects.get("account"):
        found.append(_entity({"value": str(account)}, "1", "11"))
    if meaning.flow == "change" and (node := objects.get("node") or objects.get("calling")):
        found.append(_entity({"value": str(node)}, "2", "13"))
    found += [_entity({"value": part.value}, part.type, part.role) for part in table.named(meaning, objects, one.detail)]
    if quarantined := objects.get("quarantine"):
        found.append(_entity({"value": f"/intake/{quarantined}/original"}, "2", "3"))
    if meaning.flow == "log":
        found.append(_entity({"value": "/audit"}, "2", "13"))
    if added := objects.get("institution"):
        found.append(_entity({"value": str(added)}, "3", "15"))
    behalf = _entity({"value": one.institution or source.site}, "3", "15")
    return [*found, behalf | {"description": "Institution on whose behalf"}]


def _entity(identifier: Mapping[str, Any], kind: str, role: str) -> dict[str, Any]:
    return {
        "what": {"identifier": dict(identifier)},
        "type": {"system": ENTITY_TYPE, "code": kind, "display": TYPES[kind]},
        "role": {"system": ENTITY_ROLE, "code": role, "display": ROLES[role]},
    }


def _coding(code: Code) -> dict[str, str]:
    return {"system": SYSTEMS[code.scheme], "code": code.value, "display": code.meaning}


def routes(begin: Begin, source: AuditSource) -> list[tuple[str, Callable[[Request], Response]]]:
    """The addresses of the resource below `/fhir`."""
    events = AuditEvents(begin, source)
    return [("/AuditEvent", events.search), ("/AuditEvent/{id}", events.read)]


CAPABILITY: Mapping[str, Any] = {
    "type": "AuditEvent",
    "interaction": [{"code": "read"}, {"code": "search-type"}],
    "searchParam": [{"name": name, "type": kind, "documentation": text} for name, (kind, text) in PARAMETERS.items()],
}
"""What the CapabilityStatement says of the resource."""
