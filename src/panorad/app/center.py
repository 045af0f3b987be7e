"""One process of the center, wired: settings, database, archive, intakes. Nothing here knows a protocol."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import TracebackType

import structlog

from panorad.access import gate
from panorad.data import process
from panorad.data.imaging.blobs import Blobs
from panorad.data.imaging.indexer import Indexer
from panorad.data.imaging.intake import Intakes
from panorad.data.imaging.lists import Lists
from panorad.data.imaging.service import Archive
from panorad.data.process.recorder import Recorder
from panorad.kit.db import Database
from panorad.kit.errors import StorageLost
from panorad.model.actor import SYSTEM, Actor
from panorad.settings import Settings

_HOUSEKEEPING_S = 5.0


def configure_log(level: str) -> None:
    """Structured log lines on standard error."""
    names = {"debug": 10, "info": 20, "warning": 30, "error": 40}
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info, structlog.processors.LogfmtRenderer(bool_as_flag=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(names.get(level, 30)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )  # fmt: skip


class Center:
    """Everything that one process needs, opened with `with`; threads start then and end with the block."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        self.settings = settings
        self.dsn = dsn
        self.database = Database(dsn, process.append, size=settings.database_connections)
        self.begin = self.database.begin
        self.blobs = Blobs(settings.objects)
        self.archive = Archive(self.blobs)
        self.lists = Lists(self.blobs, settings.quarantine)
        self.indexer = Indexer(self.database.begin_relaxed, self.database.begin, self.blobs)
        self.intakes = Intakes(settings.home, self.indexer)
        self.recorder = Recorder(self.database.begin_relaxed)
        self._stopping = threading.Event()
        self._housekeeper = threading.Thread(target=self._keep_house, name="housekeeper", daemon=True)

    def __enter__(self) -> Center:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def open(self) -> None:
        """Begin: connections are made on demand, threads run."""
        self.database.open()
        self.indexer.start()
        self._housekeeper.start()

    def close(self) -> None:
        """End in order: what was received is indexed and sealed, counts are written."""
        self._stopping.set()
        self._housekeeper.join(5)
        self.recorder.flush()
        self.intakes.close()
        self.database.close()
        self.blobs.close()

    def _keep_house(self) -> None:
        waits = 0
        while not self._stopping.wait(1.0):
            self.recorder.flush()
            waits += 1
            if waits % _HOUSEKEEPING_S == 0:
                self.intakes.tidy()

    def actor_of(self, code: str) -> Actor:
        """The center acting for an institution, which is made when there is none of this code."""
        with self.begin(SYSTEM) as tx:
            gate.ensure_institution(tx, code)
            return gate.actor_of_institution(tx, code)

    def open_actor(self, name: str = "anyone", kind: str = "person", peer: str = "") -> Actor:
        """Whoever comes to a center without sign-in."""
        with self.begin(SYSTEM) as tx:
            return gate.open_actor(tx, self.settings.institution, name, kind, peer)

    def check_storage(self) -> None:
        """Raise StorageLost unless the home's storage is the one that was set up: the mark in it guards against a lost mount."""
        if not (self.settings.objects / MARK).is_file():
            raise StorageLost(f"{self.settings.objects} does not hold {MARK}; is its disk mounted?")


MARK = "panorad-objects"
"""The file in the object folder that tells a mounted store from an empty mount point."""


def prepare_home(settings: Settings) -> None:
    """Make the folders of a new home. Raises StorageLost when the object folder of a known home is gone."""
    known = (settings.home / "home-made").is_file()
    mark = settings.objects / MARK
    if known and not mark.is_file():
        raise StorageLost(f"{settings.objects} does not hold {MARK}; is its disk mounted?")
    for folder in (settings.home, settings.objects, settings.cache, settings.quarantine, settings.open_marks):
        folder.mkdir(parents=True, exist_ok=True)
    if not known:
        mark.write_text("This folder holds the objects of a Panorad center.\n", "utf-8")
        Path(settings.home / "home-made").touch()


def prepare_database(center: Center) -> None:
    """What a new database needs before anything else: the first institution and the event partitions."""
    with center.begin(SYSTEM) as tx:
        gate.ensure_institution(tx, center.settings.institution, center.settings.institution_name)
        process.ensure_partitions(tx)
