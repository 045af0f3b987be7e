"""How FHIR answers: resources as JSON, errors as OperationOutcome; one table from an error's kind to an issue type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from panorad.access.web.errors import status_for
from panorad.access.web.session import SignInNeeded
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.jsontext import dumps

JSON = "application/fhir+json; fhirVersion=4.0"
ROOT = "/fhir"

ISSUES: Mapping[Kind, str] = {
    Kind.INVALID: "invalid",
    Kind.ABSENT: "not-found",
    Kind.CONFLICT: "conflict",
    Kind.FORBIDDEN: "forbidden",
    Kind.UNAVAILABLE: "transient",
    Kind.UNSUPPORTED: "not-supported",
    Kind.INTERNAL: "exception",
}
"""Issue types (http://hl7.org/fhir/R4/valueset-issue-type.html)."""


class ParameterInvalid(PanoradError):
    """A search parameter is unknown or its value cannot be read"""

    kind = Kind.INVALID


class ResourceAbsent(PanoradError):
    """There is no such resource, or you may not see it"""

    kind = Kind.ABSENT


def resource(value: Mapping[str, Any], status: int = 200) -> Response:
    """A resource as the answer."""
    return Response(dumps(value), status, {"Cache-Control": "private, no-store"}, JSON)


def outcome(error: PanoradError) -> Response:
    """The OperationOutcome of an error; nothing but its own sentence, none for an internal one."""
    status, code = (401, "login") if isinstance(error, SignInNeeded) else (status_for(error.kind), ISSUES[error.kind])
    issue = {"severity": "error", "code": code}
    if error.kind is not Kind.INTERNAL:
        issue["diagnostics"] = error.message
    return resource({"resourceType": "OperationOutcome", "issue": [issue]}, status)


def answered(handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """`handler` with every named error turned into its OperationOutcome."""

    def endpoint(request: Request) -> Response:
        try:
            return handler(request)
        except PanoradError as error:
            return outcome(error)

    endpoint.__doc__ = handler.__doc__
    return endpoint


def base_url(request: Request) -> str:
    """The address of the FHIR service as this client sees it."""
    return f"{request.url.scheme}://{request.headers.get('host', 'localhost')}{ROOT}"
