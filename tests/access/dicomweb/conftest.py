from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dicomweb_client import DICOMwebClient
from granian.constants import Interfaces
from granian.server.embed import Server
from starlette.testclient import TestClient

from .center import Center
from .images import bundled, ct_slice


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Granian in a thread, as in production; gives the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    loop = asyncio.new_event_loop()
    server: list[Server] = []

    def run() -> None:
        asyncio.set_event_loop(loop)

        async def serve() -> None:
            server.append(Server(app, "127.0.0.1", port, interface=Interfaces.ASGINL, log_enabled=False))
            await server[0].serve()

        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    loop.call_soon_threadsafe(server[0].stop)
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def center(tmp_path: Path) -> Center:
    """An empty center."""
    return Center(tmp_path)


@pytest.fixture
def client(center: Center) -> TestClient:
    """A client of the empty center."""
    return TestClient(center.app())


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Center:
    """A center with a CT study of two series and bundled images in many transfer syntaxes; tests do not change it."""
    center = Center(tmp_path_factory.mktemp("full"))
    for number in (1, 2, 3):
        center.add(ct_slice(number))
    center.add(ct_slice(1, series="2.25.30"))
    for name in bundled():
        center.add(bundled()[name])
    return center


@pytest.fixture(scope="module")
def viewer(full: Center) -> TestClient:
    """A client of the full center."""
    return TestClient(full.app())


@pytest.fixture(scope="module")
def address(full: Center) -> Iterator[str]:
    """The full center behind granian."""
    with served(full.app()) as url:
        yield url


@pytest.fixture
def web(address: str) -> DICOMwebClient:
    """dicomweb-client on the full center."""
    return DICOMwebClient(f"{address}/dicom-web")
