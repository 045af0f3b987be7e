"""Input that cannot be indexed is kept as it came, once per content, with the reason beside it in a small JSON file."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panorad.data.imaging.segment import Buffer, make_folders, storage_error, sync_folder


def key_of(institution_code: str, digest: bytes) -> str:
    """The key of bytes with this digest in the quarantine folder."""
    return f"{institution_code}/{digest.hex()[:40]}.dcm"


def keep(folder: Path, key: str, data: Buffer, note: Mapping[str, Any]) -> None:
    """Keep bytes under a key with a note of why, durably; the same key again changes nothing. Raises StorageFull, StorageLost."""
    path = folder / key
    try:
        make_folders(path.parent)
        if path.exists():
            return
        fresh = path.with_suffix(f".{secrets.token_hex(4)}")
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        path.with_suffix(".json").write_text(json.dumps(note), "utf-8")
        fresh.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(error) from error
