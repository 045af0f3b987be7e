"""Serves the viewer to people who are signed in: its files, its configuration, index.html for every path of its own router."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from panorad.access.web.deps import WebDeps
from panorad.access.web.session import session_actor
from panorad.application.viewer import build
from panorad.application.viewer.config import app_config
from panorad.kit.errors import Kind, PanoradError

EMPTY = ("sw.js", "init-service-worker.js")
"""No service worker: it would keep patient data and old builds in the browser."""

HEADERS = {"cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp"}
"""Cross-origin isolation, which SharedArrayBuffer in the decoders' workers needs."""

FOREVER = "private, max-age=31536000, immutable"


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


TEXTS = {
    "soon": _("Nothing has been done here for a while. You will be signed out in"),
    "over": _("You signed in many hours ago. You can read on; sign in again when it suits you."),
    "ended": _("You have been signed out. What you did here is kept; sign in again, and go on where you were."),
    "again": _("Sign in again"),
}
"""What the viewer says of the session."""


class NoSuchFile(PanoradError):
    """The viewer has no such file"""

    kind = Kind.ABSENT


@dataclass(frozen=True, slots=True)
class NotInstalled:
    """The page shown while there is no viewer to serve."""

    command: str = "make setup"


def routes(deps: WebDeps) -> APIRouter:
    """GET /viewer and everything under it."""
    viewer = Viewer(deps)
    router = APIRouter()
    router.add_route("/viewer", viewer.entry, methods=["GET"])
    router.add_route("/viewer/app-config.js", viewer.config, methods=["GET"])
    router.add_route("/viewer/{path:path}", viewer.file, methods=["GET"])
    return router


class Viewer:
    """The endpoints, with the build they serve; the folder is looked through on the first request that needs it."""

    def __init__(self, deps: WebDeps) -> None:
        self.deps = deps
        self.build = build.read(deps.settings.viewer)

    def entry(self, request: Request) -> Response:
        """GET /viewer: without a study there is nothing to view, so the way leads to the study list."""
        return RedirectResponse("/", 307)

    def config(self, request: Request) -> Response:
        """GET /viewer/app-config.js."""
        actor, shell = session_actor(request), self.deps.shell
        reading = None
        if actor.account is not None:
            texts = {name: shell.text(request, text) for name, text in TEXTS.items()}
            reading = {"idle": self.deps.limits.idle_s, "account": actor.account, "texts": texts}
        script = app_config(shell.language(request), shell.text(request, _("Studies")), reading, shell.asset("viewer/reading.js"))
        return Response(script, media_type="text/javascript", headers={"cache-control": "no-store"})

    def file(self, request: Request) -> Response:
        """GET /viewer/{path}: a file of the build, or index.html for a path of the viewer's own router."""
        actor = session_actor(request)
        path = request.path_params["path"]
        if path == "":
            return RedirectResponse("/", 307)
        if path in EMPTY:
            return Response("", media_type="text/javascript", headers={"cache-control": "no-cache"})
        if not self.build.installed:
            self.build = build.read(self.deps.settings.viewer)
        if not self.build.installed:
            title = self.deps.shell.text(request, _("Viewer"))
            return self.deps.shell.render(request, "viewer/missing.html", NotInstalled(), title, actor, status=503)
        piece = self.build.pieces.get(path)
        if piece is None and "." in path.rpartition("/")[2]:
            raise NoSuchFile
        return self._send(request, piece or self.build.pieces["index.html"])

    def _send(self, request: Request, piece: build.Piece) -> Response:
        headers = {**HEADERS, "cache-control": FOREVER if piece.immutable else "private, no-cache", "vary": "accept-encoding"}
        if piece.path.suffix in {".html", ".js"}:
            headers["content-security-policy"] = self.build.policy
        if piece.packed and "gzip" in request.headers.get("accept-encoding", ""):
            return FileResponse(piece.packed, media_type=piece.media_type, headers={**headers, "content-encoding": "gzip"})
        return FileResponse(piece.path, media_type=piece.media_type, headers=headers)
