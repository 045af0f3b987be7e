"""`panorad serve` on one machine: the embedded database, the web, DICOM and worker processes, watched and restarted."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import cast

import structlog

from panorad.app.embedded import HomeBusy, lock_home
from panorad.app.home import prepare_home
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.postgres import EmbeddedPostgres
from panorad.settings import Settings, address, to_json

log = structlog.get_logger()
ENVIRONMENT = "PANORAD_CHILD_SETTINGS"
DIMSE_SOCKET = "PANORAD_DIMSE_SOCKET"
DIMSE_TLS_SOCKET = "PANORAD_DIMSE_TLS_SOCKET"
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_EVERY_INTERFACE = {"0.0.0.0", "::"}
_PATIENCE_S = 20.0


class NotLoopback(PanoradError):
    """A center without sign-in binds loopback addresses only"""

    kind = Kind.INVALID


class PortTaken(PanoradError):
    """The address cannot be bound"""

    kind = Kind.CONFLICT


def listen(where: str) -> socket.socket:
    """A listening socket that child processes inherit. Raises PortTaken."""
    host, port = address(where)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(f"{where}: {os.strerror(error.errno or 0)}") from error
    listener.listen(512)
    listener.set_inheritable(True)
    return listener


def reached_at(where: str, everywhere: str = "localhost") -> str:
    """HOST:PORT under which this machine reaches what listens at an address; one of every interface is reached at `everywhere`.

    >>> reached_at(":8080"), reached_at("[::1]:8080")
    ('localhost:8080', '[::1]:8080')
    """
    host, port = address(where)
    return _joined(everywhere if host in _EVERY_INTERFACE else host, port)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_open(settings: Settings) -> None:
    """Raise NotLoopback when a center without sign-in would be reached from outside."""
    for where in filter(None, (settings.http, settings.dimse, settings.dimse_tls)):
        if settings.open and address(where)[0] not in _LOOPBACK:
            raise NotLoopback(where)


@dataclass
class Child:
    """A process of the center and how often it had to be started."""

    role: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started: float = field(default=0.0)


def _prepare_in_child(settings: Settings, roles: tuple[str, ...], answer: Connection) -> None:
    """Send what `prepare` did, or the sentence why it could not."""
    from panorad.app.dimse import credentials_of
    from panorad.app.prepare import prepare

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        if "dimse" in roles:
            credentials_of(settings)
        answer.send(prepare(settings))
    except PanoradError as error:
        answer.send(error.message)


class Supervisor:
    """Starts the processes of one center, keeps them up, and ends them in order."""

    def __init__(self, settings: Settings, roles: tuple[str, ...], say: Callable[[str], None]) -> None:
        self.settings = settings
        self.roles = roles
        self.say = say
        self._children: list[Child] = []
        self._stopping = False
        self._stack = ExitStack()
        self._dimse: dict[str, socket.socket] = {}
        self.server: EmbeddedPostgres | None = None

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises a PanoradError when the center cannot start."""
        check_open(self.settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        with self._stack:
            dsn = self._database()
            welcome = self._prepare(dsn)
            if self._stopping:
                return
            self._start_children()
            try:
                if self._wait_ready():
                    self._say_ready(welcome)
                self._watch()
            finally:
                self._end_children()

    # -- the steps -----------------------------------------------------------------------------------------------------------------

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _database(self) -> str:
        prepare_home(self.settings)
        if not self._stack.enter_context(lock_home(self.settings.home)):
            raise HomeBusy(str(self.settings.home))
        if self.settings.database:
            return self.settings.database
        self.server = EmbeddedPostgres(self.settings.home / "postgres")
        self._stack.callback(self.server.stop)
        self.server.start()
        return self.server.dsn

    def _prepare(self, dsn: str) -> str | None:
        """Migrate, recover what a crash left, and make the one-time link when nobody can sign in yet; in a child, so that we stay small."""
        self.settings = replace(self.settings, database=dsn)
        fork = multiprocessing.get_context("fork")
        ours, theirs = fork.Pipe(duplex=False)
        child = fork.Process(target=_prepare_in_child, args=(self.settings, self.roles, theirs), name="prepare")
        child.start()
        theirs.close()
        try:
            answer = ours.recv()
        except EOFError as error:
            raise PanoradError("the database could not be prepared; the reason stands above") from error
        finally:
            child.join()
        if isinstance(answer, str):
            raise PanoradError(answer)
        if answer.recovered:
            log.warning("received images that the index did not hold yet were indexed", images=answer.recovered)
        return cast("str | None", answer.welcome)

    def _start_children(self) -> None:
        if "dimse" in self.roles:
            wanted = {DIMSE_SOCKET: self.settings.dimse, DIMSE_TLS_SOCKET: self.settings.dimse_tls}
            self._dimse = {name: self._stack.enter_context(listen(where)) for name, where in wanted.items() if where}
        if "web" in self.roles:  # its server takes no names and tries a taken port again and again; another center might answer us there
            with listen(self.settings.http) as found:
                self.settings = replace(self.settings, http=_joined(*found.getsockname()[:2]))
        environment = {**os.environ, ENVIRONMENT: to_json(self.settings)}
        for role in self.roles:
            if role == "dimse" and not self._dimse:
                continue
            for _ in range(self.settings.dimse_workers if role == "dimse" else 1):
                self._children.append(Child(role, lambda role=role: self._spawn(role, environment)))  # type: ignore[misc]
        for child in self._children:
            child.process, child.started = child.start(), time.monotonic()

    def _spawn(self, role: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        pass_fds: tuple[int, ...] = ()
        if role == "dimse":
            pass_fds = tuple(listener.fileno() for listener in self._dimse.values())
            environment = environment | {name: str(listener.fileno()) for name, listener in self._dimse.items()}
        command = [sys.executable, "-m", "panorad.app.roles", role]
        return subprocess.Popen(command, env=environment, pass_fds=pass_fds, stdin=subprocess.DEVNULL)

    def _wait_ready(self) -> bool:
        if "web" not in self.roles:
            return True
        url = f"http://{reached_at(self.settings.http, '127.0.0.1')}/health/ready"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy of the environment is not for us
        deadline = time.monotonic() + 60
        while not self._stopping:
            self._restart_dead()
            try:
                with opener.open(url, timeout=2) as answer:
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError):
                if time.monotonic() > deadline:
                    raise PanoradError(f"the web server does not answer at {self.settings.http}") from None
                time.sleep(0.05)
        return False

    def _say_ready(self, welcome: str | None) -> None:
        web = f"http://{reached_at(self.settings.http)}"
        kinds = ((DIMSE_SOCKET, "DICOM", self.settings.dimse), (DIMSE_TLS_SOCKET, "DICOM over TLS", self.settings.dimse_tls))
        dimse = "".join(f", {kind} {self.settings.ae_title}@{reached_at(where)}" for name, kind, where in kinds if name in self._dimse)
        mode = ", no sign-in" if self.settings.open else ""
        lines = [f"ready: {web}{dimse}{mode}"]
        if welcome is not None:
            lines.append(f"first administrator: open {web}/welcome?token={welcome} (once, within seven days)")
        self.say("\n".join(lines))

    def _watch(self) -> None:
        while not self._stopping:
            if self.server is not None and not self.server.alive():
                log.error("the embedded database ended, starting it again")
                self.server.start()
            self._restart_dead()
            time.sleep(0.2)

    def _restart_dead(self) -> None:
        for child in self._children:
            if child.process is None or child.process.poll() is None or self._stopping:
                continue
            if time.monotonic() - child.started > 60:
                child.failures = 0
            if time.monotonic() - child.started < min(0.2 * 2**child.failures, 10):
                continue
            log.error("a process ended, starting it again", role=child.role, status=child.process.returncode)
            child.failures += 1
            child.process, child.started = child.start(), time.monotonic()

    def _end_children(self) -> None:
        for listener in self._dimse.values():
            listener.close()
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + _PATIENCE_S
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
