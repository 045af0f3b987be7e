"""The router of `/fhir`: every resource's addresses, and the CapabilityStatement that tells exactly what is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from panorad import __version__
from panorad.access.fhir import audit_event
from panorad.access.fhir.answers import JSON, ROOT, answered, base_url, resource
from panorad.data.process.dicom_audit import AuditSource
from panorad.kit.transaction import Begin


class Resource(NamedTuple):
    """One resource: its addresses below the root, and what the CapabilityStatement says of it."""

    routes: Callable[[Begin, AuditSource], list[tuple[str, Callable[[Request], Response]]]]
    capability: Mapping[str, Any]


RESOURCES: tuple[Resource, ...] = (Resource(audit_event.routes, audit_event.CAPABILITY),)
"""Every resource that is served."""


def routes(begin: Begin, source: AuditSource) -> APIRouter:
    """GET /fhir/metadata, and the addresses of every resource."""
    router = APIRouter()

    def metadata(request: Request) -> Response:
        """GET /fhir/metadata: what the FHIR service offers (CapabilityStatement)."""
        return resource(capability(base_url(request)))

    for path, endpoint in (("/metadata", metadata), *(pair for one in RESOURCES for pair in one.routes(begin, source))):
        router.add_route(ROOT + path, answered(endpoint), methods=["GET"], include_in_schema=False)
    return router


def capability(base: str) -> dict[str, Any]:
    """The CapabilityStatement (R4)."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-24",
        "kind": "instance",
        "software": {"name": "Panorad", "version": __version__},
        "implementation": {"description": "Panorad", "url": base},
        "fhirVersion": "4.0.1",
        "format": [JSON.partition(";")[0], "json"],
        "rest": [{"mode": "server", "resource": [dict(one.capability) for one in RESOURCES]}],
    }
