"""The query service as SCP: C-FIND in the patient root and study root information models (PS3.4 sections C.4.1 and C.6)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from panorad.access.dimse.association import Association
from panorad.access.dimse.command import Command
from panorad.access.dimse.conformance import Root, Service
from panorad.access.dimse.identifier import Element, InvalidIdentifier, Row, decode, encode, vr_of
from panorad.access.dimse.negotiation import Context
from panorad.access.dimse.status import Status, failure
from panorad.access.dimse.upper_layer import AssociationEnded
from panorad.kit.errors import PanoradError
from panorad.model.event import Event
from panorad.model.query import Level, Match, Query, named

LEVELS: Mapping[str, Level] = {
    "PATIENT": Level.PATIENT,
    "STUDY": Level.STUDY,
    "SERIES": Level.SERIES,
    "IMAGE": Level.INSTANCE,
}
"""Values of Query/Retrieve Level (0008,0052) (PS3.4 section C.3.1)."""

UNIQUE: Mapping[Level, str] = {
    Level.PATIENT: "00100020",
    Level.STUDY: "0020000D",
    Level.SERIES: "0020000E",
    Level.INSTANCE: "00080018",
}
"""The unique key of each level (PS3.4 section C.6.1.1)."""

CHARACTER_SET, LEVEL, RETRIEVE_AE, AVAILABILITY = "00080005", "00080052", "00080054", "00080056"

NOT_KEYS = frozenset((CHARACTER_SET, LEVEL, "00080053", RETRIEVE_AE, AVAILABILITY))
"""Attributes of an identifier that steer the query and match nothing (PS3.4 section C.4.1.1.3)."""

log = logging.getLogger(__name__)


def level_of(elements: Sequence[Element], root: Root) -> Level:
    """Query/Retrieve Level; raises InvalidIdentifier when it is missing or not of the information model."""
    found = next((element.values for element in elements if element.tag == LEVEL), ())
    level = LEVELS.get(found[0]) if len(found) == 1 else None
    if level is None or level < root.value:
        raise InvalidIdentifier("Query/Retrieve Level (0008,0052) is missing or not of this information model")
    return level


def query_of(elements: Sequence[Element], context: Context) -> Query:
    """The query that an identifier means: every key with values matches, every key is returned."""
    keys = [element for element in elements if element.tag not in NOT_KEYS and not element.tag.endswith("0000")]
    level = level_of(elements, context.offer.root)
    return Query(level, tuple(_matches(keys)), frozenset(key.tag for key in keys), fuzzy=context.fuzzy)


def _matches(keys: Sequence[Element], path: tuple[str, ...] = ()) -> Iterator[Match]:
    for key in keys:
        if key.values:
            yield Match((*path, key.tag), key.values)
        for item in key.items:
            yield from _matches(item, (*path, key.tag))


def find(association: Association, command: Command, context: Context) -> None:
    """C-FIND: one pending response for each match, read from the index page by page, so that no answer is ever held whole."""
    data = association.identifier(command)
    if context.offer.service is not Service.FIND:
        return association.respond(command, Status.SOP_CLASS_NOT_SUPPORTED, "not a query information model")
    try:
        elements = decode(data, context.transfer_syntax)
        query = query_of(elements, context)
    except InvalidIdentifier as error:
        return association.respond(command, Status.DOES_NOT_MATCH, str(error))
    sent, status, comment = _answer(association, command, context, elements, query)
    if status not in (Status.SUCCESS, Status.CANCEL):
        told = _told(association, query)
        association.record(replace(told, detail={**told.detail, "matches": sent, "status": f"{status:04X}"}, outcome="failure"))
    association.finished(command.message_id)
    return association.respond(command, status, comment)


def _told(association: Association, query: Query) -> Event:
    """The event of a search: its keys, no values but identifiers. Each page that is read tells of itself, or is not read."""
    keys = [".".join(match.path) for match in query.matches]
    return Event("query", named(query), {"protocol": "C-FIND", "node": association.calling, "level": query.level.name, "keys": keys})


def _answer(
    association: Association, command: Command, context: Context, elements: Sequence[Element], query: Query
) -> tuple[int, Status, str]:
    """Send the pending responses; gives how many there were and the final status with its comment."""
    limits, sent = association.limits, 0
    terms = next((element.values for element in elements if element.tag == CHARACTER_SET), ())
    blank = {element.tag: {"vr": element.vr if element.vr != "UN" else vr_of(element.tag)} for element in elements}
    blank.pop(CHARACTER_SET, None)
    blank.setdefault(UNIQUE[query.level], {"vr": vr_of(UNIQUE[query.level])})
    fixed: Row = {
        LEVEL: {"vr": "CS", "Value": [next(name for name, level in LEVELS.items() if level is query.level)]},
        RETRIEVE_AE: {"vr": "AE", "Value": [limits.ae_title]},
        AVAILABILITY: {"vr": "CS", "Value": ["ONLINE"]},
    }
    try:
        while True:
            with association.services.begin(association.reader) as tx:
                page = association.services.find(tx, replace(query, limit=limits.page, offset=sent), _told(association, query))
            pending = Status.PENDING_WARNING if page.warnings else Status.PENDING
            for row in page.rows:
                if association.cancelled(command.message_id):
                    return sent, Status.CANCEL, ""
                if sent >= limits.matches:
                    return sent, Status.OUT_OF_RESOURCES, f"more than {limits.matches} matches: ask for less"
                answer = {tag: row.get(tag) or empty for tag, empty in blank.items()} | dict(fixed)
                association.respond(command, pending, data=encode(answer, context.transfer_syntax, terms))
                sent += 1
            if len(page.rows) < limits.page:
                return sent, Status.SUCCESS, ""
    except AssociationEnded:
        raise
    except Exception as error:
        if not isinstance(error, PanoradError):
            log.exception("a query of %s failed", association.calling)
        return sent, *failure(error)
