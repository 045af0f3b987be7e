"""The change feed: outside systems follow everything that happens by asking again with the last id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from panorad.access.web.session import allowed, session_actor
from panorad.kit.transaction import Begin, Transaction

_MOST = 5000


class FeedOf(Protocol):
    """`panorad.data.process.feed`."""

    def __call__(self, tx: Transaction, after: int, kind: str | None, limit: int) -> Any:
        """A stretch of events above an id."""


def routes(begin: Begin, feed: FeedOf, kinds: Callable[[], dict[str, str]]) -> APIRouter:
    """`/api/events` and `/api/events/kinds`."""
    router = APIRouter(prefix="/api", tags=["events"])

    def events(
        request: Request,
        after: Annotated[int, Query(ge=0, lt=2**63, description="The id of the last event read; 0 for the beginning")] = 0,
        kind: Annotated[str | None, Query(description="Only events of this kind")] = None,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 500,
    ) -> Response:
        """Events after an id, oldest first, as far as the caller may see; `after` of the answer is what to ask next."""
        with begin(allowed(request, "event", "read")) as tx:
            found = feed(tx, after, kind, limit)
        items = [{**asdict(item), "at": item.at.isoformat()} for item in found.events]
        return JSONResponse({"events": items, "after": found.after}, headers={"cache-control": "no-store"})

    def list_kinds(request: Request) -> Response:
        """Every kind of event with its sentence."""
        session_actor(request)
        return JSONResponse(kinds())

    router.add_api_route("/events", events, methods=["GET"], response_class=JSONResponse)
    router.add_api_route("/events/kinds", list_kinds, methods=["GET"], response_class=JSONResponse)
    return router
