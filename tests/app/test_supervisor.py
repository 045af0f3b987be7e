"""The addresses of a center: what it listens at, what it asks itself at, what it tells people."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from panorad.app.supervisor import NotLoopback, check_open, reached_at
from panorad.settings import Settings
from panorad.testing import Databases
from panorad.testing.center import free_port


@pytest.mark.parametrize(
    ("where", "told", "asked"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1:8080"),
        ("10.0.0.7:80", "10.0.0.7:80", "10.0.0.7:80"),
        (":8080", "localhost:8080", "127.0.0.1:8080"),
        ("0.0.0.0:8080", "localhost:8080", "127.0.0.1:8080"),
        ("[::]:8080", "localhost:8080", "127.0.0.1:8080"),
        ("[::1]:8080", "[::1]:8080", "[::1]:8080"),
        ("::1:8080", "[::1]:8080", "[::1]:8080"),
        ("localhost:8080", "localhost:8080", "localhost:8080"),
    ],
)
def test_where_an_address_is_reached(where: str, told: str, asked: str) -> None:
    assert reached_at(where) == told
    assert reached_at(where, "127.0.0.1") == asked


@pytest.mark.parametrize("where", [":8080", "0.0.0.0:8080", "[::]:8080", "10.0.0.7:8080", "images.example.org:8080"])
def test_a_center_without_sign_in_refuses_every_other_interface(where: str) -> None:
    for settings in (Settings(open=True, http=where), Settings(open=True, dimse=where)):
        with pytest.raises(NotLoopback):
            check_open(settings)
    check_open(Settings(open=False, http=where, dimse=where))


@pytest.mark.parametrize("where", ["127.0.0.1:8080", "[::1]:8080", "localhost:8080"])
def test_a_center_without_sign_in_takes_loopback(where: str) -> None:
    check_open(Settings(open=True, http=where, dimse=where))


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "told"), [("", "localhost"), ("localhost", "127.0.0.1"), ("[::1]", "[::1]")], ids=["every interface", "a name", "IPv6"]
)
def test_a_center_is_ready_at_the_address_it_tells(databases: Databases, tmp_path: Path, host: str, told: str) -> None:
    if host == "[::1]" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    port = free_port()
    command = [sys.executable, "-m", "panorad", "serve", "--home", str(tmp_path / "home"), "--role", "web", "--http", f"{host}:{port}"]
    with databases.fresh() as dsn:
        environment = {**os.environ, "PANORAD_DATABASE": dsn}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=environment) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == f"ready: http://{told}:{port}\n"
                with urllib.request.urlopen(f"http://{told}:{port}/health/ready", timeout=10) as answer:
                    assert answer.status == 200
                shown = subprocess.run(
                    [*command[:3], "status", "--home", str(tmp_path / "home")], capture_output=True, text=True, check=True,
                    env={**environment, "PANORAD_HTTP": f"{host}:{port}"},
                )  # fmt: skip
                assert "not running" not in shown.stdout
            finally:
                process.terminate()
                process.wait(30)
