"""The intake page: input kept aside and conflicts, why, from whom, and the original bytes for who looks into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from panorad.access.gate.roles import can
from panorad.access.web.deps import WebDeps
from panorad.access.web.paging import Paging, page_number
from panorad.access.web.session import allowed, strong
from panorad.kit.errors import Kind, PanoradError
from panorad.management.intake.reasons import said
from panorad.model.event import Event
from panorad.model.study_list import ConflictRow, QuarantineRow

SHOWS = ("quarantine", "conflicts")
LONGEST_SEARCH = 200


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


KINDS = {
    "data-set-invalid": _("Not readable as DICOM"),
    "uid-mismatch": _("Another image than announced"),
    "no-institution": _("Sender without institution"),
    "too-large": _("Larger than allowed"),
}
"""The sorts of fault that input is kept aside for, in words; a sort not named here is shown as it is."""


class OriginalAbsent(PanoradError):
    """There is no such input, or its bytes are gone"""

    kind = Kind.ABSENT


@dataclass(frozen=True, slots=True)
class IntakePage:
    """The intake page: one of its two lists. `faults` has the words for the sorts of fault on this page."""

    show: str
    text: str
    quarantined: tuple[QuarantineRow, ...]
    conflicts: tuple[ConflictRow, ...]
    quarantined_total: int
    conflicts_total: int
    paging: Paging
    faults: Mapping[str, str]
    downloads: bool


def routes(deps: WebDeps) -> APIRouter:
    """GET /intake with its JSON twin, and the original bytes of one input."""
    pages = IntakePages(deps)
    router = APIRouter()
    router.add_route("/intake", pages.page, methods=["GET"])
    router.add_route("/intake.json", pages.page, methods=["GET"])
    router.add_route("/intake/{id:int}/original", pages.original, methods=["GET"])
    return router


class IntakePages:
    """The endpoints, with what they stand on."""

    def __init__(self, deps: WebDeps) -> None:
        self.deps = deps

    def page(self, request: Request) -> Response:
        """GET /intake?show=quarantine|conflicts&q=&page=."""
        actor = allowed(request, "intake", "read")
        show = request.query_params.get("show", SHOWS[0])
        show = show if show in SHOWS else SHOWS[0]
        text, number = request.query_params.get("q", "").strip()[:LONGEST_SEARCH], page_number(request)
        size = Paging(number, 0).size
        language = self.deps.shell.language(request)
        aside = (size, (number - 1) * size) if show == "quarantine" else (1, 0)
        twice = (size, (number - 1) * size) if show == "conflicts" else (1, 0)
        with self.deps.begin(actor) as tx:
            quarantined, quarantined_total = self.deps.imaging.quarantined(tx, *aside, text)
            conflicts, conflicts_total = self.deps.imaging.conflicts(tx, *twice, text)
        context = IntakePage(
            show=show,
            text=text,
            quarantined=tuple(replace(one, reason=said(language, one.reason)) for one in quarantined)
            if show == "quarantine"
            else (),
            conflicts=tuple(replace(one, reason=said(language, one.reason)) for one in conflicts) if show == "conflicts" else (),
            quarantined_total=quarantined_total,
            conflicts_total=conflicts_total,
            paging=Paging(number, quarantined_total if show == "quarantine" else conflicts_total),
            faults={one.kind: self.deps.shell.text(request, KINDS.get(one.kind, one.kind)) for one in quarantined},
            downloads=can(actor, "intake", "take"),
        )
        return self.deps.shell.page(request, "intake/intake.html", context, self.deps.shell.text(request, _("Intake")), actor)

    def original(self, request: Request) -> Response:
        """GET /intake/{id}/original: the bytes as they came."""
        actor, row_id = allowed(request, "intake", "take"), request.path_params["id"]
        strong(request)
        with self.deps.begin(actor) as tx:
            path = self.deps.imaging.quarantined_file(tx, row_id) if row_id < 1 << 63 else None
            if path is None or not path.is_file():
                raise OriginalAbsent
            tx.emit(Event("quarantine.read", {"quarantine": row_id}))
        return FileResponse(
            path,
            media_type="application/octet-stream",
            filename=f"quarantine-{row_id}.dcm",
            headers={"cache-control": "no-store"},
        )
