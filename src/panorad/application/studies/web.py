"""The study list, a study's page, its preview beside the list, and one instance's attributes."""

from __future__ import annotations

import hashlib
from typing import cast, get_args

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from panorad.access.web.deps import WebDeps
from panorad.access.web.paging import Paging, page_number
from panorad.access.web.session import session_actor
from panorad.application.studies.pages import (
    FacetGroup,
    InstancePage,
    PreviewContext,
    StudyListPage,
    StudyPageContext,
    viewer_path,
)
from panorad.application.studies.tags import table
from panorad.kit.errors import Kind, PanoradError
from panorad.model.actor import Actor
from panorad.model.event import Event
from panorad.model.study_list import ORDERS, Facet, Recency, SeriesRow, StudyDetail, StudyFilter, StudyPage

EVENTS_SHOWN = 30
PICTURES = 6
INSTANCES_SHOWN = 50
LONGEST_SEARCH = 200
PIXEL_TAGS = ("7FE00010", "7FE00008", "7FE00009")


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


HEADINGS = {"date": _("Study date"), "modality": _("Modality"), "institution": _("Institution")}
RECENCY_LABELS: dict[str, str] = {"today": _("Today"), "7": _("Last 7 days"), "30": _("Last 30 days")}


class NoSuchStudy(PanoradError):
    """There is no such study, or you may not see it"""

    kind = Kind.ABSENT


class NoSuchInstance(PanoradError):
    """There is no such image, or you may not see it"""

    kind = Kind.ABSENT


def routes(deps: WebDeps) -> APIRouter:
    """The pages of this slice with their JSON twins."""
    pages = StudyPages(deps)
    router = APIRouter()
    for path, endpoint in (
        ("/", pages.list),
        ("/studies", pages.home),
        ("/studies.json", pages.list),
        ("/studies/{study}/preview", pages.preview),
        ("/studies/{study}/series/{series}/instances/{sop}.json", pages.instance),
        ("/studies/{study}/series/{series}/instances/{sop}", pages.instance),
        ("/studies/{study}.json", pages.study),
        ("/studies/{study}", pages.study),
    ):
        router.add_route(path, endpoint, methods=["GET"])
    return router


class StudyPages:
    """The endpoints, with what they stand on."""

    def __init__(self, deps: WebDeps) -> None:
        self.deps = deps

    def home(self, request: Request) -> Response:
        """GET /studies: the list lives at /."""
        return RedirectResponse("/" + (f"?{request.url.query}" if request.url.query else ""), 307)

    def list(self, request: Request) -> Response:
        """GET /: the study list; answers 304 without asking for studies while nothing has changed. Who reads none begins elsewhere."""
        actor = session_actor(request)
        if request.url.path == "/" and (home := self.deps.shell.home(actor)) != "/":
            return RedirectResponse(home, 303)
        wanted = self._wanted(request)
        with self.deps.begin(actor) as tx:
            etag = self._etag(request, actor, self.deps.imaging.watermark(tx), wanted)
            if request.headers.get("if-none-match") == etag:
                return _unchanged(etag)
            found = self.deps.imaging.studies(tx, wanted)
            tx.emit(_searched(wanted, len(found.rows)))
        context = StudyListPage(
            rows=found.rows,
            paging=Paging(page_number(request), found.total, exact=found.exact),
            facets=self._facets(request, found, wanted),
            wanted=wanted,
            etag=etag,
        )
        return self.deps.shell.page(
            request, "studies/list.html", context, self.deps.shell.text(request, _("Studies")), actor, etag
        )

    def study(self, request: Request) -> Response:
        """GET /studies/{study}: its series, instances of the chosen series, events."""
        actor, uid = session_actor(request), request.path_params["study"]
        number = page_number(request)
        with self.deps.begin(actor) as tx:
            etag = self._etag(request, actor, self.deps.imaging.watermark(tx), uid)
            if request.headers.get("if-none-match") == etag:
                return _unchanged(etag)
            detail = self.deps.imaging.study(tx, uid, self.deps.shell.language(request))
            if detail is None:
                raise NoSuchStudy
            tx.emit(Event("study.opened", {"study": uid}, {"page": "study"}))
            chosen = _chosen(detail, request.query_params.get("series", ""))
            rows, total = (
                self.deps.imaging.instances(tx, uid, chosen.series_uid, INSTANCES_SHOWN, (number - 1) * INSTANCES_SHOWN)
                if chosen
                else ((), 0)
            )
            events = self.deps.process.about(tx, uid, EVENTS_SHOWN)
        context = StudyPageContext(
            row=detail.row,
            series=detail.series,
            chosen=chosen,
            instances=tuple(rows),
            paging=Paging(number, total, INSTANCES_SHOWN),
            events=tuple(events),
            viewer_url=viewer_path(uid),
            download_url=f"/dicom-web/studies/{uid}?accept=application/zip",
            etag=etag,
        )
        return self.deps.shell.page(
            request, "studies/study.html", context, self.deps.shell.text(request, _("Study")), actor, etag
        )

    def preview(self, request: Request) -> Response:
        """GET /studies/{study}/preview: a piece of a page, for the pane beside the list."""
        actor, uid = session_actor(request), request.path_params["study"]
        with self.deps.begin(actor) as tx:
            detail = self.deps.imaging.study(tx, uid, self.deps.shell.language(request))
            if detail is None:
                raise NoSuchStudy
            tx.emit(Event("study.opened", {"study": uid}, {"page": "preview"}))
        context = PreviewContext(detail, _pictures(detail.series), viewer_path(uid))
        return self.deps.shell.render(request, "studies/preview.html", context, "", actor)

    def instance(self, request: Request) -> Response:
        """GET /studies/{study}/series/{series}/instances/{sop}: its picture and its attributes."""
        actor = session_actor(request)
        study, series, sop = (request.path_params[name] for name in ("study", "series", "sop"))
        with self.deps.begin(actor) as tx:
            detail = self.deps.imaging.study(tx, study, self.deps.shell.language(request))
            dataset = self.deps.imaging.metadata(tx, study, series, sop) if detail else None
            if detail is None or dataset is None:
                raise NoSuchInstance
            tx.emit(Event("study.opened", {"study": study, "series": series}, {"page": "attributes"}))
        tags, complete = table(dataset)
        path = f"/dicom-web/studies/{study}/series/{series}/instances/{sop}"
        context = InstancePage(detail.row, study, series, sop, tags, complete, path, any(tag in dataset for tag in PIXEL_TAGS))
        return self.deps.shell.page(
            request, "studies/instance.html", context, self.deps.shell.text(request, _("Attributes")), actor
        )

    def _wanted(self, request: Request) -> StudyFilter:
        asked = request.query_params
        order, recency = asked.get("order", ""), asked.get("date", "")
        size = Paging(1, 0).size
        return StudyFilter(
            today=self.deps.shell.today(),
            text=asked.get("q", "").strip()[:LONGEST_SEARCH],
            modality=asked.get("modality", "")[:16],
            institution=asked.get("institution", "")[:64],
            recency=cast(Recency, recency) if recency in get_args(Recency) else "",
            order=order if order.removeprefix("-") in ORDERS else "-received",
            language=self.deps.shell.language(request),
            limit=size,
            offset=(page_number(request) - 1) * size,
        )

    def _facets(self, request: Request, found: StudyPage, wanted: StudyFilter) -> tuple[FacetGroup, ...]:
        chosen = {"date": wanted.recency, "modality": wanted.modality, "institution": wanted.institution}
        groups = []
        for parameter, heading in HEADINGS.items():
            values = tuple(
                Facet(
                    one.value,
                    self.deps.shell.text(request, RECENCY_LABELS[one.value]) if one.value in RECENCY_LABELS else one.label,
                    one.count,
                )
                for one in found.facets.get(parameter, ())
                if one.value
            )
            if chosen[parameter] and chosen[parameter] not in {one.value for one in values}:
                values += (Facet(chosen[parameter], chosen[parameter], 0),)
            groups.append(FacetGroup(parameter, self.deps.shell.text(request, heading), values, str(chosen[parameter])))
        return tuple(groups)

    def _etag(self, request: Request, actor: Actor, watermark: str, wanted: object) -> str:
        """Changes with everything a page of this visitor is made of."""
        asked = (
            request.url.path,
            request.url.query,
            *(request.headers.get(name) for name in ("cookie", "accept", "accept-language")),
        )
        parts = (watermark, wanted, actor, asked, self.deps.shell.today())
        return f'W/"{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}"'


def _searched(wanted: StudyFilter, matches: int) -> Event:
    """The event of a look at the list: which filters were set, not what they said."""
    keys = [name for name in ("text", "modality", "institution", "recency") if getattr(wanted, name)]
    return Event("query", {}, {"protocol": "page", "level": "STUDY", "keys": keys, "matches": matches})


def _unchanged(etag: str) -> Response:
    return Response(status_code=304, headers={"etag": etag, "cache-control": "private, no-cache", "vary": "accept, cookie"})


def _chosen(detail: StudyDetail, series_uid: str) -> SeriesRow | None:
    return next((one for one in detail.series if one.series_uid == series_uid), detail.series[0] if detail.series else None)


def _pictures(series: tuple[SeriesRow, ...]) -> tuple[SeriesRow, ...]:
    """The series whose pictures stand for the study: the largest, in the order of their numbers."""
    largest = sorted(series, key=lambda one: -one.instances)[:PICTURES]
    return tuple(one for one in series if one in largest)
