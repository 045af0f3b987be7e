"""The home folder of a center, the mark that guards its object store against a lost mount, and its log."""

from __future__ import annotations

import os
import shutil
import sys

import structlog

from panorad.data.imaging.segment import MARK
from panorad.kit.errors import StorageLost
from panorad.kit.vault import Vault
from panorad.settings import Settings


def check_mark(settings: Settings) -> None:
    """Raise StorageLost unless the object folder is the one that was set up."""
    if not (settings.objects / MARK).is_file():
        raise StorageLost(f"{settings.objects} does not hold {MARK}; is its disk mounted?")


def prepare_home(settings: Settings) -> None:
    """Make the folders of a new home and its key; what holds patient data is for our user alone, in a home that was there before as well.

    Raises StorageLost when the object folder of a known home is gone.
    """
    known = settings.home / "home-made"
    if known.is_file():
        check_mark(settings)
    # Under root the database runs as another user, who has to pass through.
    settings.home.mkdir(mode=0o700 if os.geteuid() else 0o711, parents=True, exist_ok=True)
    inside = (settings.home / name for name in ("imports", "blank"))
    for folder in (settings.objects, settings.cache, settings.quarantine, settings.open_marks, *inside):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.stat()
        if found.st_uid == os.geteuid() and found.st_mode & 0o077:
            folder.chmod(found.st_mode & 0o7700)
    if not known.is_file():
        (settings.objects / MARK).write_text("This folder holds the objects of a Panorad center.\n", "utf-8")
        known.touch()
    Vault(settings.key).make()


def own_cache(settings: Settings, database: str) -> None:
    """Empty the cache unless it was made for this database: its files go by row ids, which another database gives to other series."""
    owner = settings.cache / "database"
    if owner.is_file() and owner.read_text("utf-8") == database:
        return
    for entry in list(settings.cache.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    owner.write_text(database, "utf-8")


def configure_log(level: str) -> None:
    """Structured log lines on standard error."""
    names = {"debug": 10, "info": 20, "warning": 30, "error": 40}
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(bool_as_flag=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(names.get(level, 30)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
