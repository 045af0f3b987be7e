"""The web edge, wired: one ASGI application for the shell, the slices' pages, DICOMweb, the event feed and health."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import ASGIApp

from panorad import __version__
from panorad.access import fhir, gate
from panorad.access.dicomweb.routes import places
from panorad.access.dicomweb.routes import routes as dicomweb_routes
from panorad.access.gate import entry, open_sessions
from panorad.access.gate.open_sessions import Limits
from panorad.access.gate.sessions import Sessions
from panorad.access.programs import Held
from panorad.access.web import feed, health
from panorad.access.web.bearer import bearer_actor
from panorad.access.web.deps import WebDeps, WebSettings
from panorad.access.web.direct import Direct
from panorad.access.web.middleware import LoopbackHosts
from panorad.access.web.mount import around, mount
from panorad.access.web.session import at, session_actor, token_of
from panorad.access.web.shell import Shell
from panorad.app import slices
from panorad.app.center import Center
from panorad.app.home import configure_log
from panorad.app.provider import provider_of
from panorad.app.roles import end_with_parent
from panorad.app.supervisor import ENVIRONMENT, reached_at
from panorad.data import process
from panorad.kit import db
from panorad.model.actor import SYSTEM, Actor
from panorad.model.event import KINDS
from panorad.settings import Settings, from_json

_FIGURES_S = 5.0


def time_zone(settings: Settings) -> str:
    """The site's time zone: the setting, else the machine's, else UTC."""
    if settings.time_zone:
        return settings.time_zone
    if named := os.environ.get("TZ", "").lstrip(":"):
        return named
    try:
        link = os.path.realpath("/etc/localtime")
        return link.split("/zoneinfo/", 1)[1]
    except (OSError, IndexError):
        return "UTC"


def gate_of(center: Center, sessions: Sessions) -> Any:
    """The gate as the pages use it, with sessions remembered for a moment."""
    most = center.settings.source_failures

    def sign_out(tx: Any, token: str) -> None:
        gate.sign_out(tx, token)
        sessions.forget(token)

    def act_for(tx: Any, token: str, institution: str, purpose: str = "") -> None:
        sessions.forget(token)
        gate.act_for(tx, token, institution, purpose)

    return SimpleNamespace(
        sign_in=partial(gate.sign_in, most=most),
        finish_sign_in=lambda tx, token, code, origin: entry.finish(tx, center.vault, token, code, origin, most),
        awaits_code=entry.awaits_code,
        begin_session=open_sessions.start,
        session=sessions.session,
        standing=partial(open_sessions.standing, limits=sessions.limits),
        sign_out=sign_out,
        welcome_open=gate.welcome_open,
        redeem_welcome=gate.redeem_welcome,
        set_password=gate.set_password,
        institutions=gate.institutions,
        places=gate.places,
        act_for=act_for,
    )


def limits_of(settings: Settings) -> Limits:
    """How long sessions are good."""
    return Limits(settings.session_idle_s, settings.session_longest_s, settings.reading_grace_s)


def build(center: Center) -> FastAPI:
    """The application of one web process, over an opened center that it closes when the server stops."""
    settings = center.settings
    sessions, held = Sessions(limits=limits_of(settings)), Held()

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        center.close()

    app = FastAPI(title="Panorad", version=__version__, lifespan=life, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    parts = slices()
    shell = Shell({part.name: part.root for part in parts}, [nav for part in parts for nav in part.nav], time_zone(settings))

    def actor(request: Request) -> Actor:
        if "authorization" in request.headers:
            return bearer_actor(request, center.begin, held)
        token = token_of(request)
        if token and (known := sessions.remembered(token)):
            return at(request, known)
        return session_actor(request)

    figures: dict[str, Any] = {"at": 0.0, "values": {}}

    def counted() -> dict[str, int]:
        if time.monotonic() - figures["at"] > _FIGURES_S:
            with center.begin(SYSTEM) as tx:
                figures.update(values=center.figures(tx), at=time.monotonic())
        return figures["values"]  # type: ignore[no-any-return]

    def check_database() -> None:
        with center.begin(SYSTEM) as tx:
            db.check(tx)

    deps = WebDeps(
        begin=center.begin,
        gate=gate_of(center, sessions),
        imaging=center.lists,
        process=process,
        shell=shell,
        settings=WebSettings(
            time_zone(settings),
            settings.language,
            settings.public_origins,
            settings.trusted_proxies,
            settings.viewer if settings.viewer.is_dir() else None,
            f"http://{reached_at(settings.http)}",
        ),
        open_actor=center.open_actor() if settings.open else None,
        audit_source=center.audit_source(),
        limits=sessions.limits,
        vault=center.vault,
        breached=center.breaches.check,
        held=held,
        provider=provider_of(settings),
    )
    mount(app, deps, shell)
    app.include_router(health.routes({"storage": center.check_storage, "database": check_database}, counted))
    app.include_router(feed.routes(center.begin, process.feed, lambda: dict(KINDS)))
    app.state.dicomweb = dicomweb_deps(center, actor)
    app.include_router(dicomweb_routes(app.state.dicomweb))
    app.include_router(fhir.routes(center.begin, center.audit_source()))
    for part in parts:
        app.include_router(part.routes(deps))
    return app


def dicomweb_deps(center: Center, actor: Any) -> Any:
    """What the DICOMweb routes need of this process."""
    from panorad.access.dicomweb.deps import DicomWebDeps, Limits

    settings = center.settings
    limits = Limits(default_page=settings.default_page, largest_page=settings.largest_page, part_bytes=settings.largest_instance)
    return DicomWebDeps(
        begin=center.database.begin_relaxed,
        actor=actor,
        imaging=center.archive,
        blobs=center.blobs,
        intakes=center.intakes,
        retrieved=center.recorder.retrieved,
        cache_dir=settings.cache,
        limits=limits,
    )


def front(app: FastAPI) -> ASGIApp:
    """The application with its busiest addresses answered in front of the framework."""
    deps: WebDeps = app.state.web
    direct = Direct(app, places(app.state.dicomweb), lambda inner: around(inner, deps), app)
    return LoopbackHosts(direct, deps.settings.public_origins) if deps.open_actor else direct


def application() -> ASGIApp:
    """The factory that Granian calls in each of its workers; the settings come from the supervisor's environment."""
    settings = from_json(os.environ[ENVIRONMENT])
    configure_log(settings.log_level)
    end_with_parent(signal.SIGKILL)
    center = Center(settings, settings.database, blank_segments=True)
    center.open()
    return front(build(center))
