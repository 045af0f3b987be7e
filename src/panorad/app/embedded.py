"""Which database: the one in the settings, or the embedded one, started here unless a center of this home already runs it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from panorad.kit.errors import Kind, PanoradError
from panorad.kit.postgres import EmbeddedPostgres
from panorad.settings import Settings


class HomeBusy(PanoradError):
    """Another center runs in this home folder"""

    kind = Kind.CONFLICT


@contextmanager
def lock_home(home: Path) -> Iterator[bool]:
    """Whether this process now holds the home alone; the lock ends with the block, or with the process."""
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


@contextmanager
def database_of(settings: Settings, *, alone: bool = False) -> Iterator[str]:
    """The connection string of the center's database, migrated, for commands that may run beside a center or without one.

    With `alone`, raises HomeBusy when a center of this home runs.
    """
    from panorad.kit.migrate import migrate

    with lock_home(settings.home) as locked:
        if not locked and alone:
            raise HomeBusy(f"{settings.home}; stop it first")
        if settings.database:
            migrate(settings.database)
            yield settings.database
            return
        server = EmbeddedPostgres(settings.home / "postgres")
        if not locked:
            yield server.dsn
            return
        server.start()
        try:
            migrate(server.dsn)
            yield server.dsn
        finally:
            server.stop()
