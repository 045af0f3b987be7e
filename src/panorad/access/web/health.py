"""What a load balancer, an orchestrator and Prometheus ask: is it alive, is it ready, how much is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from panorad import __version__
from panorad.access.web.session import visitor
from panorad.kit.errors import PanoradError
from panorad.model.roles import may

Check = Callable[[], None]
"""Returns when the thing works, raises when it does not."""

_HELP = {
    "studies": "Studies in the index", "series": "Series in the index", "instances": "SOP Instances in the index",
    "bytes": "Bytes of Part 10 files in storage", "quarantined": "Inputs kept aside because they could not be taken",
    "conflicts": "Instances kept beside others of the same UIDs", "unsettled": "Series whose metadata document is not made yet",
    "audit_waiting": "Events that wait for the collector, at most 100,000 counted",
    "audit_behind_seconds": "Seconds since the first event that waits for the collector happened",
}  # fmt: skip


def _may_count(request: Request) -> bool:
    """Whether the archive's figures go to this caller: this machine itself, or a person who runs the center."""
    host = request.client.host if request.client else ""
    proxied = any(header in request.headers for header in ("forwarded", "x-forwarded-for"))
    if not proxied and (host == "localhost" or host.startswith("127.") or host == "::1"):
        return True
    known = visitor(request)
    return known is not None and (known.sees is None or may(known.roles, "center", "read"))


def routes(checks: Mapping[str, Check], figures: Callable[[], Mapping[str, int]]) -> APIRouter:
    """`/health/live`, `/health/ready` and `/metrics` (Prometheus text format 0.0.4)."""
    router = APIRouter()
    started = time.time()

    def live(request: Request) -> Response:
        return JSONResponse({"status": "alive", "version": __version__})

    def ready(request: Request) -> Response:
        problems = {}
        for name, check in checks.items():
            try:
                check()
            except PanoradError as error:
                problems[name] = (error.__doc__ or "").strip()
            except OSError:
                problems[name] = "The storage cannot be written"
        status = "unavailable" if problems else "ready"
        return JSONResponse({"status": status, "problems": problems}, 503 if problems else 200, {"cache-control": "no-store"})

    def metrics(request: Request) -> Response:
        lines = ["# HELP panorad_up_since_seconds Start of this web process, seconds since 1970", "# TYPE panorad_up_since_seconds gauge",
                 f"panorad_up_since_seconds {started:.0f}", "# HELP panorad_info Version of the center", "# TYPE panorad_info gauge",
                 f'panorad_info{{version="{__version__}"}} 1']  # fmt: skip
        for name, value in (figures() if _may_count(request) else {}).items():
            lines += [f"# HELP panorad_{name} {_HELP.get(name, name)}", f"# TYPE panorad_{name} gauge", f"panorad_{name} {value}"]
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4; charset=utf-8")

    for path, endpoint in (("/health/live", live), ("/health/ready", ready), ("/metrics", metrics)):
        router.add_api_route(path, endpoint, methods=["GET"], response_class=Response, tags=["operation"])
    return router
