"""Input that cannot be indexed is kept as it came, once per content, with the reason beside it in a small JSON file."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from panorad.data.imaging.segment import Buffer, make_folders, storage_error, sync_folder


def key_of(institution_code: str, digest: bytes) -> str:
    """The key of bytes with this digest in the quarantine folder."""
    return f"{institution_code}/{digest.hex()[:40]}.dcm"


def keep(folder: Path, key: str, data: Buffer, note: Mapping[str, Any]) -> None:
    """Keep bytes under a key with a note of why; both are on disk when this returns. The same key again changes nothing.

    Raises StorageFull, StorageLost.
    """
    path = folder / key
    beside = path.with_suffix(".json")
    try:
        make_folders(path.parent)
        if not (path.exists() and beside.exists()):
            _write(beside, json.dumps(note).encode())
            _write(path, data)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(error) from error


def _write(path: Path, data: Buffer) -> None:
    """A whole file or none."""
    fresh = path.with_suffix(f".{secrets.token_hex(4)}")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


def kept(folder: Path) -> Iterator[tuple[str, Mapping[str, Any], float]]:
    """Everything in quarantine: its key, its note, and since when, in seconds since 1970. Where a note is lost, one that says so."""
    for path in sorted(folder.rglob("*.dcm")):
        stat = path.stat()
        note = {"source": "reindex", "kind": "data-set-invalid", "reason": "its note is lost", "sop_uid": "", "bytes": stat.st_size}
        with suppress(OSError, ValueError):
            said = json.loads(path.with_suffix(".json").read_text("utf-8"))
            if isinstance(said, dict) and said.keys() >= note.keys():
                note = said
        yield path.relative_to(folder).as_posix(), note, stat.st_mtime
