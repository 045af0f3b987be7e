"""QIDO-RS (PS3.18 section 10.6): searches for studies, series and instances."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from panorad.access.dicomweb.deps import DicomWebDeps
from panorad.access.dicomweb.media import accept_of
from panorad.access.dicomweb.metadata import json_response, wants_xml, xml_response
from panorad.access.dicomweb.search import parse
from panorad.access.dicomweb.target import base_url, url_of
from panorad.model.event import Event
from panorad.model.query import Level, Query, named

STUDY_UID, SERIES_UID, SOP_UID, RETRIEVE_URL = "0020000D", "0020000E", "00080018", "00081190"
WITHIN: Mapping[str, str] = {"study": STUDY_UID, "series": SERIES_UID}
UIDS: Mapping[Level, tuple[str, ...]] = {
    Level.STUDY: (STUDY_UID,),
    Level.SERIES: (STUDY_UID, SERIES_UID),
    Level.INSTANCE: (STUDY_UID, SERIES_UID, SOP_UID),
}
MORE = "There are {}{} additional results that can be requested"
"""The words of PS3.18 section 8.3.4.4.1 for an answer that holds only some of the results."""

_UNPRINTABLE = re.compile(r"[^ -~]")


@dataclass(frozen=True, slots=True)
class Find:
    """Answers searches."""

    deps: DicomWebDeps

    def at(self, level: Level) -> Callable[[Request], Response]:
        """The handler of searches at one level."""

        def handler(request: Request) -> Response:
            return self.search(request, level)

        return handler

    def search(self, request: Request, level: Level) -> Response:
        """One page of what matches, with the total in X-Total-Count; an empty list when nothing does."""
        actor = self.deps.actor(request)
        xml = wants_xml(accept_of(request))
        within = {WITHIN[name]: value for name, value in request.path_params.items()}
        asked = parse(request.query_params.multi_items(), level, within, self.deps.limits)
        with self.deps.begin(actor) as tx:
            page = self.deps.imaging.find(tx, asked.query, Event("query", named(asked.query), _told(asked.query)))
        base = base_url(request)
        rows = [retrievable(row, level, base) for row in page.rows]
        warnings = [*asked.warnings, *page.warnings]
        remaining = page.total - asked.query.offset - len(rows)
        if remaining > 0 or (rows and not page.exact):
            warnings.append(MORE.format("" if page.exact else "at least ", max(remaining, 1)))
        headers = {"X-Total-Count": str(page.total), "Cache-Control": "private, no-store"}
        if not page.exact:
            headers["X-Total-Count-Exact"] = "false"
        if warnings:
            headers["Warning"] = warning(base, warnings)
        return xml_response(rows, headers) if xml else json_response(request, rows, headers)


def _told(query: Query) -> dict[str, Any]:
    """What the event of a search keeps of it: its keys, no values."""
    keys = [".".join(match.path) for match in query.matches]
    return {"protocol": "QIDO-RS", "level": query.level.name, "keys": keys, "status": "200"}


def retrievable(row: Mapping[str, Any], level: Level, base: str) -> Mapping[str, Any]:
    """A result with its Retrieve URL, in the order of tags that the DICOM JSON Model asks for."""
    uids = [(row.get(tag, {}).get("Value") or [""])[0] for tag in UIDS.get(level, ())]
    if not uids or not all(uids):
        return row
    complete = {**row, RETRIEVE_URL: {"vr": "UR", "Value": [url_of(base, *uids)]}}
    return {tag: complete[tag] for tag in sorted(complete)}


def warning(agent: str, texts: list[str]) -> str:
    """The value of a Warning header (RFC 7234 section 5.5, code 299) with one or more texts."""
    clean = (_UNPRINTABLE.sub("?", text).replace("\\", "").replace('"', "'") for text in texts)
    return ", ".join(f'299 {agent.split("://", 1)[-1]}: "{text}"' for text in clean)
