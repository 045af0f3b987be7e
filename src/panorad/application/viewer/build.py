"""The prepared OHIF build in its folder: which file answers which path, in which form, and the policy its pages run under."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".xml": "application/xml",
}

_HASHED = re.compile(r"\.[0-9a-f]{16,}\.|^[0-9a-f]{16,}\.")
_INLINE = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of the build: where it lies, its gzip form, its media type, whether its name changes with its content."""

    path: Path
    packed: Path | None
    media_type: str
    immutable: bool


@dataclass(frozen=True, slots=True)
class Build:
    """The files of a prepared build by their path under /viewer/, and the Content Security Policy for its page."""

    pieces: dict[str, Piece] = field(default_factory=dict)
    policy: str = ""

    @property
    def installed(self) -> bool:
        """Whether there is a viewer to serve."""
        return "index.html" in self.pieces


def read(folder: Path | None) -> Build:
    """Look through a folder once; an absent one gives an empty build."""
    if folder is None or not (folder / "index.html").is_file():
        return Build()
    pieces = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in MEDIA_TYPES and path.is_file():
            packed = path.with_name(path.name + ".gz")
            name = path.relative_to(folder).as_posix()
            pieces[name] = Piece(
                path, packed if packed.is_file() else None, MEDIA_TYPES[path.suffix], bool(_HASHED.search(path.name))
            )
    return Build(pieces, policy((folder / "index.html").read_text(encoding="utf-8")))


def policy(index: str) -> str:
    """The policy for OHIF's page: its inline scripts by hash, WebAssembly, generated array code, workers, styles by script."""
    digests = (hashlib.sha256(text.encode()).digest() for text in _INLINE.findall(index) if text)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'self'; script-src 'self' {hashes} 'wasm-unsafe-eval' 'unsafe-eval' blob:; worker-src 'self' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; frame-src 'self' blob:; "
        "frame-ancestors 'self'; object-src 'none'; base-uri 'none'; form-action 'self'"
    )
