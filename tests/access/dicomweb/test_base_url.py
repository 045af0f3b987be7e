"""The addresses we write: those the client used, and never what a forged Host header says."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from panorad.access.dicomweb.target import base_url


def asked(host: str, server: tuple[str, int | None] = ("127.0.0.1", 8080), scheme: str = "http") -> str:
    headers = [(b"host", host.encode("latin-1"))]
    return base_url(Request({"type": "http", "scheme": scheme, "server": server, "path": "/", "headers": headers}))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080/dicom-web"),
        ("127.0.0.1", "http://127.0.0.1:8080/dicom-web"),
        ("localhost", "http://localhost:8080/dicom-web"),
        ("archive.example", "http://archive.example/dicom-web"),
        ("archive.example:81", "http://archive.example:81/dicom-web"),
        ("[::1]:8080", "http://[::1]:8080/dicom-web"),
        ("", "http://127.0.0.1:8080/dicom-web"),
        ('a"b', "http://127.0.0.1:8080/dicom-web"),
        ("a\\qb", "http://127.0.0.1:8080/dicom-web"),
        ("a/b@c", "http://127.0.0.1:8080/dicom-web"),
    ],
)
def test_addresses_are_the_client_s_and_forged_hosts_are_not_believed(host: str, address: str) -> None:
    assert asked(host) == address


def test_a_default_port_is_left_out() -> None:
    assert asked("localhost", ("127.0.0.1", 443), "https") == "https://localhost/dicom-web"
