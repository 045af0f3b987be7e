"""A whole, real center for a test: its own home and database, data sets put in through the true door, actors of its institutions.

One PostgreSQL server serves a whole run of tests (`databases`), and every center gets a copy of one migrated database, or one that
an earlier test has given back and that was emptied, which takes some tens of milliseconds. `serving` starts the programs that an
operator would start, for tests that go over the wire.

>>> from panorad.testing import center
>>> with center() as site:  # doctest: +SKIP
...     site.put(["ct.dcm"])
...     site.find(Level.STUDY).total
1
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from panorad.access import gate
from panorad.app.center import Center
from panorad.app.home import prepare_home
from panorad.app.prepare import fill
from panorad.data.imaging.settling import settle_some
from panorad.data.process import FeedItem, feed
from panorad.kit.migrate import migrate
from panorad.kit.postgres import EmbeddedPostgres
from panorad.model.actor import SYSTEM, Actor
from panorad.model.instance import Receipt
from panorad.model.query import Level, Match, Page, Query
from panorad.settings import Settings

_CHUNK = 1 << 16
_TABLES = """
    select relname from pg_class where relkind in ('r', 'p') and not relispartition
    and relnamespace = 'public'::regnamespace and relname not in ('schema_version', 'event_clock')"""


class Databases:
    """One PostgreSQL server, and as many copies of a migrated, empty database as are asked for. It does not wait for disks."""

    def __init__(self, folder: Path) -> None:
        self.server = EmbeddedPostgres(folder)
        self._count = 0
        self._idle: list[str] = []

    def start(self) -> None:
        """Start the server and migrate the database that the others are copies of. Raises PostgresFailed."""
        self.server.start()
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes"):
                connection.execute(sql.SQL("alter system set {} = off").format(sql.Identifier(setting)))
            connection.execute("select pg_reload_conf()")
        migrate(self.server.dsn)

    def stop(self) -> None:
        """Stop the server."""
        self.server.stop()

    def _dsn(self, name: str) -> str:
        return f"host={self.server.socket} port=5432 dbname={name} user=panorad"

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The connection string of an empty, migrated database of one's own for the length of the block."""
        name = self._idle.pop() if self._idle else self._copy()
        yield self._dsn(name)
        with psycopg.connect(self._dsn(name), autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            )
            tables = [row[0] for row in connection.execute(_TABLES)]
            connection.execute(sql.SQL("truncate {} restart identity cascade").format(sql.SQL(", ").join(map(sql.Identifier, tables))))
        self._idle.append(name)

    def _copy(self) -> str:
        self._count += 1
        name = f"copy_{self._count}"
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("create database {} template panorad strategy file_copy").format(sql.Identifier(name)))
        return name


@contextmanager
def databases() -> Iterator[Databases]:
    """A server in a temporary folder, for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="panorad-postgres-") as folder:
        made = Databases(Path(folder) / "postgres")
        made.start()
        try:
            yield made
        finally:
            made.stop()


@dataclass(frozen=True)
class Site:
    """A running center of a test: `center` is the process as it is wired in production, without its network edges."""

    center: Center

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.center.settings

    def institution(self, code: str, parent: str | None = None, issuer: str = "") -> Actor:
        """Add an institution (once) and return a person who works there: sees it and what is below it."""
        with self.center.begin(SYSTEM) as tx:
            if not any(known.code == code for known in gate.institutions(tx)):
                gate.add_institution(tx, code, code.title(), issuer=issuer, parent=parent)
        return self.reader(code)

    def reader(self, code: str = "CENTER", roles: Sequence[str] = ("radiologist", "department-head")) -> Actor:
        """A person of an institution that is there, with roles there. Raises InstitutionAbsent."""
        with self.center.begin(SYSTEM) as tx:
            login = f"reader-{code.lower()}"
            try:
                return gate.account_actor(tx, login)
            except gate.AccountAbsent:
                gate.add_account(tx, login, "Reader", "a password of the tests", code, roles)
                return gate.account_actor(tx, login)

    def put(self, files: Iterable[bytes | str | Path], actor: Actor | None = None, source: str = "test") -> list[Receipt]:
        """Put Part 10 files (bytes, or paths of them) in through an Intake; they are indexed when this returns.

        Raises Refused at the first one that cannot be taken, StorageFull, StorageLost, DatabaseDown.
        """
        with self.center.intakes.open(actor or self.reader(), source) as intake:
            for file in files:
                data = file if isinstance(file, bytes) else Path(file).read_bytes()
                incoming = intake.begin_part10()
                for at in range(0, len(data), _CHUNK):
                    incoming.write(data[at : at + _CHUNK])
                incoming.finish(sync=False)
            intake.flush()
            return list(intake.receipts)

    def find(
        self, level: Level = Level.STUDY, keys: Mapping[str, str] | None = None, actor: Actor = SYSTEM, **query: Any
    ) -> Page:
        """Ask the archive: `keys` are values by tag ("00100020"), `query` the other fields of a Query."""
        matches = tuple(Match((tag,), (value,)) for tag, value in (keys or {}).items())
        with self.center.begin(actor) as tx:
            return self.center.archive.find(tx, Query(level, (*matches, *query.pop("matches", ())), **query))

    def read(self, study: str, series: str | None = None, sop: str | None = None, actor: Actor = SYSTEM) -> list[bytes]:
        """The data sets that an actor may retrieve, byte for byte as they were sent, in display order."""
        with self.center.begin(actor) as tx:
            found = self.center.archive.stored(tx, study, series, sop)
        return [self.center.blobs.read(one.place, one.place.data_at) for one in found]

    def settle(self) -> int:
        """Settle every series now; how many there were."""
        count = 0
        while done := settle_some(self.center.begin, self.center.blobs, self.settings.cache, -1):
            count += done
        return count

    def events(self, actor: Actor = SYSTEM, kind: str | None = None) -> list[FeedItem]:
        """Everything that happened so far, as far as the actor sees it."""
        with self.center.begin(actor) as tx:
            return list(feed(tx, 0, kind, 10_000).events)


@contextmanager
def center(shared: Databases | None = None, home: Path | None = None, **settings: Any) -> Iterator[Site]:
    """A center in a home of its own (`home`, else a temporary folder) on a fresh database of `shared`, else of a server of its own.

    `settings` are fields of `panorad.settings.Settings`. It has the institution `CENTER` and no other. At the end of the block
    everything received is indexed, and database and temporary folder are gone.
    """
    with ExitStack() as stack:
        shared = shared or stack.enter_context(databases())
        dsn = stack.enter_context(shared.fresh())
        home = home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="panorad-home-")))
        given = Settings(home=home, database=dsn, log_level="error", **settings)
        prepare_home(given)
        made = stack.enter_context(Center(given, dsn))
        fill(made)
        yield Site(made)


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Served:
    """A center behind its real servers: the address of the web, the DICOM port, the line that said it was ready."""

    url: str
    dimse: int
    ready: str
    process: subprocess.Popen[str]


@contextmanager
def serving(home: Path, *, dsn: str = "", open_center: bool = True, patience_s: float = 120.0) -> Iterator[Served]:
    """`panorad serve` on free ports of 127.0.0.1, ended with SIGTERM at the end of the block.

    `dsn` names a database; empty lets it start the embedded one in `home`. Raises RuntimeError with what it said when it does not start.
    """
    http, dimse = free_port(), free_port()
    command = [
        sys.executable,
        "-m",
        "panorad",
        "serve",
        "--home",
        str(home),
        "--http",
        f"127.0.0.1:{http}",
        "--dimse",
        f"127.0.0.1:{dimse}",
    ]
    command += ["--open"] if open_center else []
    environment = {**os.environ, "TCP_NODELAY": "1", **({"PANORAD_DATABASE": dsn} if dsn else {})}
    home.mkdir(parents=True, exist_ok=True)
    errors = home / "serve.log"
    with errors.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment,
            start_new_session=True,
        )
    said: list[str] = []
    ready = threading.Event()

    def listen() -> None:
        for line in process.stdout or ():
            said.append(line.strip())
            if line.startswith("ready:"):
                ready.set()
        ready.set()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        if not ready.wait(patience_s) or process.poll() is not None:
            raise RuntimeError(f"the center did not start: {' '.join(said)} {errors.read_text(errors='replace')[-2000:]}")
        yield Served(f"http://127.0.0.1:{http}", dimse, said[-1], process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
        listener.join(10)
        if process.stdout is not None:
            process.stdout.close()
