"""The origin that this center is reached at, which is never taken from the request's own word."""

from __future__ import annotations

from starlette.requests import Request

from panorad.access.web.deps import WebSettings


def origins(settings: WebSettings) -> tuple[str, ...]:
    """Every origin that is ours: those of the reverse proxies first, then the one that we listen at."""
    own = settings.address
    local = (own.replace("://127.0.0.1", "://localhost"),) if "://127.0.0.1" in own else ()
    return (*settings.public_origins, own, *local)


def origin(request: Request, settings: WebSettings) -> str:
    """The origin that a visitor used, if it is ours; else the first of ours."""
    known = origins(settings)
    asked = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return asked if asked in known else known[0]
