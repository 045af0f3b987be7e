"""Start, watch and end the programs of a test: a center of our own, and anything else with a port.

A process is found again by the folder it was given, so that a database server which has left our process group
(as ``pg_ctl`` makes it do) is still counted and still killed.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

READY_SECONDS = 120.0
STOP_SECONDS = 60.0
QUIET_NAGLE = {"TCP_NODELAY": "1"}


def program(name: str) -> str:
    """Return the path of a peer program; skip the test where it is missing, fail it where ``CI`` is set."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"program {name!r} is not installed")
    return found


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], object], seconds: float, what: str) -> None:
    """Poll until ``true()`` is truthy; raise TimeoutError naming ``what`` otherwise."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


def listens(port: int) -> bool:
    """Say whether something accepts TCP connections on 127.0.0.1:port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def tail(path: Path, lines: int = 40) -> str:
    """Return the last lines of a log, for a failure message."""
    if not path.exists():
        return f"(no {path.name})"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def family(root: int | None, home: Path) -> list[psutil.Process]:
    """Return every living process that descends from ``root`` or works in or names the folder ``home``."""
    found: dict[int, psutil.Process] = {}
    with suppress(psutil.NoSuchProcess):
        if root is not None:
            parent = psutil.Process(root)
            found |= {p.pid: p for p in [parent, *parent.children(recursive=True)]}
    place = str(home.resolve())
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            inside = process.cwd() == place or process.cwd().startswith(place + "/")
            if inside or any(place in word for word in process.cmdline()):
                found |= {p.pid: p for p in [process, *process.children(recursive=True)]}
    found.pop(os.getpid(), None)
    return [p for p in found.values() if _alive(p)]


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def kill_family(root: int | None, home: Path) -> None:
    """Send SIGKILL to a whole family until nobody of it is left (a parent may fork while it is being killed)."""

    def gone() -> bool:
        living = family(root, home)
        for process in living:
            with suppress(psutil.Error):
                process.kill()
        return not living

    wait_until(gone, 30, f"all processes of {home} killed")


class Center:
    """One ``panorad serve``, by default with ``--open``, in a home folder of its own.

    ``start`` and ``stop`` may be repeated on the same home; ports are chosen once, so peers can be configured before the start.
    """

    title = "PANORAD"

    def __init__(self, home: Path, environment: dict[str, str] | None = None, *, open_center: bool = True) -> None:
        self.home, self.http, self.dimse = home, free_port(), free_port()
        self.log, self.ready_line = home.with_name(home.name + ".log"), ""
        self._open = open_center
        self._environment = os.environ | QUIET_NAGLE | (environment or {})
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """The address of the web server, without a slash at the end."""
        return f"http://127.0.0.1:{self.http}"

    @property
    def dicomweb(self) -> str:
        """The root of the DICOMweb services."""
        return f"{self.url}/dicom-web"

    @property
    def pid(self) -> int | None:
        """The process started last, or None before the first start."""
        return self._process.pid if self._process else None

    def start(self, seconds: float = READY_SECONDS) -> None:
        """Serve, and return when the ready line has been printed.

        Errors: RuntimeError with the end of the log when the process ends or stays silent.
        """
        command = [sys.executable, "-m", "panorad", "serve", "--home", str(self.home)]
        command += ["--http", f"127.0.0.1:{self.http}", "--dimse", f"127.0.0.1:{self.dimse}"]
        command += ["--open"] if self._open else []
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL,
                text=True, start_new_session=True, env=self._environment,
            )  # fmt: skip
        said = threading.Event()
        threading.Thread(target=self._listen, args=(self._process, said), daemon=True).start()
        end = time.monotonic() + seconds
        while not said.wait(0.1):
            if self._process.poll() is not None or time.monotonic() > end:
                code = self._process.poll()
                self.kill()
                raise RuntimeError(f"center not ready (exit status {code}): {' '.join(command)}\n{tail(self.log)}")

    def _listen(self, process: subprocess.Popen[str], said: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout as lines, self.log.open("a") as log:
            for line in lines:
                log.write(line)
                log.flush()
                if not said.is_set():
                    self.ready_line = line.strip()
                    said.set()

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Ask for a clean shutdown (SIGTERM) and return the exit status; nothing of the center may survive it."""
        assert self._process is not None, "not started"
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(seconds)
            wait_until(lambda: not family(None, self.home), 15, f"no process left in {self.home} after SIGTERM")
        except (subprocess.TimeoutExpired, TimeoutError) as error:
            left = [f"{p.pid} {' '.join(p.cmdline())}" for p in family(self.pid, self.home)]
            self.kill()
            raise RuntimeError(f"SIGTERM did not end the center: {error}; left {left}\n{tail(self.log)}") from error
        return status

    def kill(self) -> None:
        """Kill -9 the whole family at once, database included."""
        kill_family(self.pid if self._process and self._process.poll() is None else None, self.home)
        if self._process:
            self._process.wait(30)

    def alive(self) -> bool:
        """Say whether the process started last still runs."""
        return self._process is not None and self._process.poll() is None

    def command(self, *words: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """Run ``panorad WORDS... --home HOME`` and return what it printed and its status, unchecked."""
        command = [sys.executable, "-m", "panorad", *words, "--home", str(self.home)]
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=self._environment, check=False)

    def run(self, *words: str, seconds: float = 300) -> str:
        """Run a command that must succeed and return its standard output."""
        done = self.command(*words, seconds=seconds)
        assert done.returncode == 0, f"panorad {' '.join(words)} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def add_node(self, title: str, port: int, host: str = "127.0.0.1") -> None:
        """Make an AE title known as a destination of C-MOVE."""
        self.run("node", "add", title, "--host", host, "--port", str(port))


class Listener:
    """A program with one port, started in a folder and killed at the end (``storescp``, ``Orthanc``)."""

    def __init__(self, command: Sequence[str], port: int, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.port, self.folder, self.log = port, folder, folder / "log.txt"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                list(command), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder,
                start_new_session=True, env=os.environ | QUIET_NAGLE | (environment or {}),
            )  # fmt: skip
        try:
            wait_until(lambda: listens(port) or self.process.poll() is not None, 60, f"{command[0]} listens on {port}")
        except TimeoutError:
            self.end()
            raise
        if self.process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended with {self.process.returncode}\n{tail(self.log)}")

    def end(self) -> None:
        """Stop it: SIGTERM, then SIGKILL after ten seconds."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
