"""The audit pages: the trail with its filters, its export, the state of the seals, and who has looked at a study or a patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from panorad.access.web.deps import WebDeps
from panorad.access.web.session import allowed
from panorad.data.process import Looker, Trace
from panorad.kit.errors import Kind, PanoradError
from panorad.management.audit.asking import OUTCOMES, Asked, asked_of, number_of
from panorad.management.audit.export import FORMATS
from panorad.model.actor import SYSTEM
from panorad.model.event import KINDS, Event
from panorad.model.roles import may

SIZE = 50
EXPORTED = 1_000_000
"""Events that one export from the page holds at most; the command line gives all."""


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


class NoSuchForm(PanoradError):
    """The trail can be had as csv, dicom or fhir"""

    kind = Kind.INVALID


class NothingNamed(PanoradError):
    """Name a study by its UID or a patient by the patient ID"""

    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Seals:
    """The state of the seals: the head of the chain, when the log was last read against it, what was wrong then."""

    head: str
    verified: datetime | None
    fault: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One stretch of the trail, newest first; `older` is the number to go on from, `kinds` what can be chosen,
    `exports` whether it may be had as a file."""

    asked: Asked
    rows: tuple[Trace, ...]
    older: int | None
    newest: bool
    seals: Seals
    kinds: Mapping[str, str]
    outcomes: tuple[str, ...]
    exports: bool


@dataclass(frozen=True, slots=True)
class LookedPage:
    """Who has looked at one study, or at a patient's studies."""

    study: str
    patient: str
    rows: tuple[Looker, ...]


def routes(deps: WebDeps) -> APIRouter:
    """GET /audit, /audit/looked with their JSON twins, and /audit/export."""
    pages = AuditPages(deps)
    router = APIRouter()
    for path, endpoint in (
        ("/audit", pages.page),
        ("/audit.json", pages.page),
        ("/audit/export", pages.export),
        ("/audit/looked", pages.looked),
        ("/audit/looked.json", pages.looked),
    ):
        router.add_route(path, endpoint, methods=["GET"])
    return router


class AuditPages:
    """The endpoints, with what they stand on. Reading the trail is an event of its own."""

    def __init__(self, deps: WebDeps) -> None:
        self.deps = deps
        self.zone = ZoneInfo(deps.settings.time_zone)

    def page(self, request: Request) -> Response:
        """GET /audit: the trail, newest first, narrowed by person, kind, outcome, study, patient and days."""
        actor, asked, before = allowed(request, "event", "read"), asked_of(request), number_of(request, "before")
        wanted = asked.wanted(self.zone)
        with self.deps.begin(actor) as tx:
            found = self.deps.process.trail(tx, wanted, before=before, limit=SIZE + 1)
            tx.emit(_read(asked, "page", len(found[:SIZE])))
        with self.deps.begin(SYSTEM) as tx:  # that the log was read against the seals is an event of no institution
            seals = Seals(*self.deps.process.sealed(tx))
        rows = tuple(found[:SIZE])
        older = rows[-1].id if len(found) > SIZE else None
        context = AuditPage(asked, rows, older, before is None, seals, KINDS, OUTCOMES, may(actor.roles, "event", "export"))
        return self.deps.shell.page(request, "audit/audit.html", context, self.deps.shell.text(request, _("Audit")), actor)

    def export(self, request: Request) -> Response:
        """GET /audit/export: what the filters leave, oldest first, as `format=csv`, `dicom` or `fhir`."""
        actor, asked, name = allowed(request, "event", "export"), asked_of(request), request.query_params.get("format", "csv")
        if name not in FORMATS:
            raise NoSuchForm(name[:20])
        write, media_type, ending = FORMATS[name]
        wanted = asked.wanted(self.zone)
        with self.deps.begin(actor) as tx:
            tx.emit(Event("audit.exported", _named(asked), {"format": name, "keys": _keys(asked)}))
        traces = self.deps.process.walk(self.deps.begin, actor, wanted, EXPORTED)
        headers = {"Content-Disposition": f'attachment; filename="audit.{ending}"', "Cache-Control": "no-store"}
        return StreamingResponse(write(traces, self.deps.audit_source), headers=headers, media_type=media_type)

    def looked(self, request: Request) -> Response:
        """GET /audit/looked: who has looked at `study` or at the studies of `patient`; for those whose institution holds them."""
        actor, asked = allowed(request, "event", "read"), asked_of(request)
        if not asked.study and not asked.patient:
            raise NothingNamed
        with self.deps.begin(actor) as tx:
            studies = [asked.study] if asked.study else self.deps.process.studies_of(tx, asked.patient)
            rows = tuple(self.deps.process.looked(tx, studies))
            tx.emit(Event("audit.read", _named(asked), {"by": "looked", "events": len(rows)}))
        context = LookedPage(asked.study, asked.patient, rows)
        title = self.deps.shell.text(request, _("Who has looked"))
        return self.deps.shell.page(request, "audit/looked.html", context, title, actor)


def _read(asked: Asked, by: str, count: int) -> Event:
    return Event("audit.read", _named(asked), {"by": by, "events": count, "keys": _keys(asked)})


def _keys(asked: Asked) -> list[str]:
    return [name for name in Asked.__slots__ if getattr(asked, name)]


def _named(asked: Asked) -> dict[str, str]:
    return {name: value for name in ("study", "patient") if (value := getattr(asked, name))}
