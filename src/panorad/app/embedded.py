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
    """Another center or command works in this home folder"""

    kind = Kind.CONFLICT


def _hold(descriptor: int, how: int) -> bool:
    """Whether we now hold the file so; what another holds is not waited for."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def turn(home: Path) -> Iterator[None]:
    """For what one process at a time may do: change who holds the home, start the database or stop it, fill it when it is new."""
    with _opened(home / "turn") as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def lock_home(home: Path) -> Iterator[bool]:
    """Whether this process now holds the home alone; the lock ends with the block, or with the process."""
    with _opened(home / "lock") as descriptor:
        with turn(home):
            held = _hold(descriptor, fcntl.LOCK_EX)
        yield held


@contextmanager
def database_of(settings: Settings, *, alone: bool = False) -> Iterator[str]:
    """The connection string of the center's database, migrated, for commands that may run beside a center or without one.

    A center holds the home's lock alone. Commands without a center share it: the first starts the embedded server, the last stops it.
    With `alone`, raises HomeBusy when a center or another command works in this home.
    """
    with _opened(settings.home / "lock") as descriptor:
        with turn(settings.home):
            first = _hold(descriptor, fcntl.LOCK_EX)
            if alone and not first:
                raise HomeBusy(f"{settings.home}; wait for it, or stop it first")
            dsn, server = _serve(settings, first)
            shared = _hold(descriptor, fcntl.LOCK_SH)
        try:
            yield dsn
        finally:
            with turn(settings.home):
                if server is not None and shared and _hold(descriptor, fcntl.LOCK_EX):
                    server.stop()


def _serve(settings: Settings, first: bool) -> tuple[str, EmbeddedPostgres | None]:
    """The connection string and the embedded server, started and migrated when nobody else has done that."""
    from panorad.kit.migrate import migrate

    if settings.database:
        migrate(settings.database)
        return settings.database, None
    server = EmbeddedPostgres(settings.home / "postgres")
    if first:
        try:
            server.start()
            migrate(server.dsn)
        except BaseException:
            server.stop()
            raise
    return server.dsn, server
