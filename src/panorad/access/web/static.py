"""Style sheets, scripts and pictures: in memory, under addresses that change with their content, cached for a year."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from panorad.access.web.errors import NoSuchPage

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file in memory, with its gzip form where that is shorter."""

    media_type: str
    content: bytes
    packed: bytes | None


class Assets:
    """The static files of the shell and its slices. One digest names all, so that modules import each other by relative paths."""

    def __init__(self, roots: Mapping[str, Path]) -> None:
        self.files = {
            f"{name}/{path.relative_to(folder).as_posix()}": _read(path)
            for name, root in roots.items()
            if (folder := root / "static").is_dir()
            for path in sorted(folder.rglob("*"))
            if path.suffix in MEDIA_TYPES
        }
        digest = hashlib.sha256()
        for name, asset in sorted(self.files.items()):
            digest.update(f"{name}\0{len(asset.content)}\0".encode() + asset.content)
        self.version = digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The address of a file, e.g. `web/shell.css`; raises `KeyError` for one that is not there."""
        if name not in self.files:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"

    def serve(self, request: Request) -> Response:
        """GET /static/{version}/{name}: the file, gzip where accepted; an older version gets today's file, uncached."""
        asset = self.files.get(request.path_params["name"])
        if asset is None:
            raise NoSuchPage
        headers = {
            "cache-control": FOREVER if request.path_params["version"] == self.version else "no-cache",
            "vary": "accept-encoding",
        }
        if asset.packed and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.packed, media_type=asset.media_type, headers={**headers, "content-encoding": "gzip"})
        return Response(asset.content, media_type=asset.media_type, headers=headers)


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    packed = gzip.compress(content, 9, mtime=0) if path.suffix != ".png" else None
    return Asset(MEDIA_TYPES[path.suffix], content, packed if packed and len(packed) < len(content) else None)
