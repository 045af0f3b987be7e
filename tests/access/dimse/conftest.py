"""A running DIMSE server with its archive, and DCMTK as its peer."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from panorad.access.dimse import Credentials, Limits, Server

from .archive import Archive


@dataclass
class Center:
    """A running server with its archive."""

    archive: Archive
    port: int
    server: Server

    def wait(self, what: Callable[[], bool], seconds: float = 5) -> None:
        done = threading.Event()
        for _ in range(int(seconds * 100)):
            if what():
                return
            done.wait(0.01)
        raise AssertionError("it did not come to be")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Center]]:
    """Starts servers with limits of the test's choice, over TLS when they are given credentials."""
    running = []

    def start(credentials: Credentials | None = None, **limits: Any) -> Center:
        folder = tmp_path / f"archive{len(running)}"
        folder.mkdir()
        archive = Archive(folder)
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        services = replace(archive.services(), credentials=credentials)
        server = Server({listener: credentials}, services, replace(Limits(idle_seconds=20), **limits))
        thread = threading.Thread(target=server.run, kwargs={"grace": 3})
        thread.start()
        running.append((server, thread, listener))
        return Center(archive, listener.getsockname()[1], server)

    yield start
    for server, thread, listener in running:
        server.stop()
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


@pytest.fixture
def center(start: Callable[..., Center]) -> Center:
    return start()


@pytest.fixture(scope="session")
def dcmtk() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program of DCMTK and gives how it ended."""
    if shutil.which("storescu") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("DCMTK is missing")
        pytest.skip("DCMTK is not installed")

    def run(program: str, *arguments: Any, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "TCP_NODELAY": "1"}
        command = [program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, env=environment, cwd=cwd)

    return run
