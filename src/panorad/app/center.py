"""One process of the center, wired: settings, database, archive, intakes. Nothing here knows a protocol."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from panorad.access import gate
from panorad.access.gate.breaches import BreachList
from panorad.app.home import check_mark
from panorad.data import process
from panorad.data.imaging.blobs import Blobs
from panorad.data.imaging.indexer import Indexer
from panorad.data.imaging.intake import Intakes
from panorad.data.imaging.lists import Lists
from panorad.data.imaging.segment import Blanks
from panorad.data.imaging.service import Archive
from panorad.data.process.dicom_audit import AuditSource
from panorad.data.process.recorder import Recorder
from panorad.data.process.syslog import Collector
from panorad.kit.db import Database
from panorad.kit.transaction import Begin, Transaction
from panorad.kit.vault import Vault
from panorad.model.actor import SYSTEM, Actor
from panorad.settings import Settings, address

_HOUSEKEEPING_S = 5.0


class Center:
    """Everything that one process needs, opened with `with`; threads start then and end with the block.

    `blank_segments`: receive into segments written ahead of time, for processes whose senders wait for a sync.
    """

    def __init__(self, settings: Settings, dsn: str, *, blank_segments: bool = False) -> None:
        self.settings = settings
        self.dsn = dsn
        self.database = Database(dsn, process.appending, process.telling, size=settings.database_connections)
        self.begin = self.database.begin
        self.vault = Vault(settings.key)
        self.breaches = BreachList(Path(settings.breach_list) if settings.breach_list else None)
        self.blobs = Blobs(settings.objects)
        self.archive = Archive(self.blobs)
        self.lists = Lists(self.blobs, settings.quarantine)
        self.indexer = Indexer(self.database.begin_ingest, self.database.begin, self.blobs, settings.quarantine)
        self.blanks = Blanks(settings.home / "blank")
        self.intakes = Intakes(settings.home, self.indexer, self.blanks if blank_segments else None)
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

    @contextmanager
    def owner(self) -> Iterator[Begin]:
        """Transactions of the schema's owner, for rebuilding the index; row-level security does not bind them."""
        database = Database(self.dsn, process.appending, process.telling, role=None, size=1)
        database.open()
        try:
            yield database.begin
        finally:
            database.close()

    def actor_of(self, code: str) -> Actor:
        """The center acting for an institution, which is made when there is none of this code."""
        with self.begin(SYSTEM) as tx:
            gate.ensure_institution(tx, code)
            return gate.actor_of_institution(tx, code)

    def open_actor(self, name: str = "anyone", kind: str = "person", peer: str = "") -> Actor:
        """Whoever comes to a center without sign-in."""
        with self.begin(SYSTEM) as tx:
            return gate.open_actor(tx, self.settings.institution, name, kind, peer)

    def audit_source(self) -> AuditSource:
        """Who audit messages are from."""
        return AuditSource(self.settings.ae_title, self.settings.institution)

    def audit_collector(self) -> Collector | None:
        """Where the audit trail goes; None when it stays here. Raises SettingInvalid."""
        if not self.settings.audit_collector:
            return None
        host, port = address(self.settings.audit_collector)
        files = (self.settings.audit_ca, self.settings.audit_certificate, self.settings.audit_key)
        return Collector(host, port, *(Path(file) if file else None for file in files))

    def figures(self, tx: Transaction) -> dict[str, int]:
        """What the archive holds, and how far the audit trail is behind where it goes to a collector."""
        counted = self.archive.statistics(tx)
        if self.settings.audit_collector:
            waiting = process.standing(tx)
            counted |= {"audit_waiting": waiting.waiting, "audit_behind_seconds": int(waiting.seconds)}
        return counted

    def check_storage(self) -> None:
        """Raise StorageLost unless the home's storage is the one that was set up."""
        check_mark(self.settings)
