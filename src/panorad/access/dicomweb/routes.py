"""The DICOMweb services under `/dicom-web` (PS3.18): one table of addresses, walked by one function."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from panorad.access.dicomweb.bulkdata import BulkData
from panorad.access.dicomweb.deps import DicomWebDeps
from panorad.access.dicomweb.errors import answered
from panorad.access.dicomweb.frames import Frames
from panorad.access.dicomweb.metadata import Metadata
from panorad.access.dicomweb.query import Find
from panorad.access.dicomweb.rendered import Rendered
from panorad.access.dicomweb.retrieve import Retrieve
from panorad.access.dicomweb.stow import Store
from panorad.access.dicomweb.target import ROOT
from panorad.access.dicomweb.visible import Visible
from panorad.access.dicomweb.wadouri import WadoUri
from panorad.access.web.direct import Endpoint
from panorad.model.query import Level

STUDY = "/studies/{study}"
SERIES = STUDY + "/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"
FRAMES = INSTANCE + "/frames/{frames}"

class Address(NamedTuple):
    """One address of the service: method, path below the root, endpoint, and a sentence for the reference."""

    method: str
    path: str
    endpoint: Endpoint
    sentence: str


def addresses(deps: DicomWebDeps) -> tuple[Address, ...]:
    """Every address of the service, the most asked for first."""
    find, metadata, retrieve, rendered = Find(deps), Metadata(deps), Retrieve(deps), Rendered(deps)
    frames, bulk, store, uri = Frames(deps, Visible(deps)), BulkData(deps), Store(deps), WadoUri(deps)
    get = [
        Address("GET", FRAMES, frames.frames, "Frames of an instance, by a list of numbers from 1."),
        Address("GET", SERIES + "/metadata", metadata.metadata, "Metadata of a series."),
        Address("GET", "/studies", find.at(Level.STUDY), "Search for studies."),
        Address("GET", STUDY + "/series", find.at(Level.SERIES), "Search for series of a study."),
        Address("GET", SERIES + "/instances", find.at(Level.INSTANCE), "Search for instances of a series."),
        Address("GET", STUDY + "/instances", find.at(Level.INSTANCE), "Search for instances of a study."),
        Address("GET", "/series", find.at(Level.SERIES), "Search for series of all studies."),
        Address("GET", "/instances", find.at(Level.INSTANCE), "Search for instances of all studies."),
        Address("GET", "/patients", find.at(Level.PATIENT), "Search for patients (beyond PS3.18, as other archives have it)."),
        Address("GET", STUDY + "/metadata", metadata.metadata, "Metadata of a study."),
        Address("GET", INSTANCE + "/metadata", metadata.metadata, "Metadata of an instance."),
        Address("GET", STUDY, retrieve.instances, "All instances of a study."),
        Address("GET", SERIES, retrieve.instances, "All instances of a series."),
        Address("GET", INSTANCE, retrieve.instances, "One instance."),
        Address("GET", INSTANCE + "/bulkdata/{path:path}", bulk.bulkdata, "A value that metadata links to."),
        *(Address("GET", path + "/rendered", rendered.rendered, f"{name}, rendered.") for path, name in _SHOWN),
        *(Address("GET", path + "/thumbnail", rendered.thumbnail, f"{name}, as a small picture.") for path, name in _SHOWN),
        Address("GET", "/wado", uri.retrieve, "WADO-URI."),
    ]
    return (
        *(address._replace(endpoint=answered(address.endpoint)) for address in get),  # type: ignore[arg-type]
        Address("POST", "/studies", store.store, "Store instances."),
        Address("POST", STUDY, store.store, "Store instances of one study."),
    )


_SHOWN = (
    (STUDY, "The middle image of a study"),
    (SERIES, "The middle image of a series"),
    (INSTANCE, "An instance"),
    (FRAMES, "A frame"),
)


def routes(deps: DicomWebDeps) -> APIRouter:
    """The router of DICOMweb. WADO-URI answers at `/wado`, `/dicom-web/wado`, and `/dicom-web` itself by its `requestType`.

    GET endpoints are plain functions and run in worker threads; the endpoint of POST moves bytes from the event loop to one.
    """
    router = APIRouter()
    table = addresses(deps)
    for method, path, endpoint, _ in table:
        router.add_route(ROOT + path, endpoint, methods=[method], include_in_schema=False)
    uri = next(address.endpoint for address in table if address.path == "/wado")
    router.add_route("/wado", uri, methods=["GET"], include_in_schema=False)

    def root(request: Request) -> Response:
        if "requestType" in request.query_params:
            return uri(request)  # type: ignore[return-value]  # endpoints of GET are plain functions
        deps.actor(request)
        return JSONResponse(description(table), headers={"Allow": "GET, HEAD, OPTIONS"})

    router.add_route(ROOT, answered(root), methods=["GET", "OPTIONS"], include_in_schema=False)
    return router


def places(deps: DicomWebDeps) -> list[tuple[str, str, Endpoint]]:
    """Every address below the root with its method and endpoint, the most asked for first."""
    return [(address.method, ROOT + address.path, address.endpoint) for address in addresses(deps)]


def description(table: tuple[Address, ...]) -> dict[str, object]:
    """What the service offers, for people and programs that find its root."""
    return {
        "service": "DICOMweb (PS3.18): QIDO-RS, WADO-RS, STOW-RS, WADO-URI",
        "root": ROOT,
        "resources": [{"method": address.method, "path": ROOT + address.path, "purpose": address.sentence} for address in table],
    }
