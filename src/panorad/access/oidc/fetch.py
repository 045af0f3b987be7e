"""Requests to the provider: https (http to this machine alone), no redirects, no proxies, bounded in size and time."""

from __future__ import annotations

import http.client
import ipaddress
import json
import ssl
import time
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from panorad.kit.errors import Kind, PanoradError

LARGEST = 1 << 20
"""Bytes of an answer."""
TIMEOUT_S = 10.0


class ProviderAway(PanoradError):
    """The sign-in provider does not answer as it should"""

    kind = Kind.UNAVAILABLE


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def check_address(address: Any, issuer: str) -> str:
    """An address that the provider named, if we may go there. Raises ProviderAway.

    https, without a user name or fragment; http only on this machine, and this machine only where the issuer itself is on it, so that
    a provider's document cannot send us to services that listen here.
    """
    try:
        parts = urlsplit(address) if isinstance(address, str) and address.isascii() and address.isprintable() else None
        here = parts is not None and is_loopback(parts.hostname)
        good = (
            parts is not None
            and bool(parts.hostname)
            and parts.username is None
            and not parts.fragment
            and " " not in address
            and (parts.port is None or parts.port > 0)
            and (parts.scheme == "https" or (parts.scheme == "http" and here))
            and (not here or is_loopback(urlsplit(issuer).hostname))
        )
    except ValueError:
        good = False
    if not good:
        raise ProviderAway("it names an address that is not https")
    return str(address)


def get(address: str, access_token: str = "") -> dict[str, Any]:
    """A JSON object by GET, with an access token where one is given. Raises ProviderAway."""
    headers = {"authorization": f"Bearer {access_token}"} if access_token.isascii() and access_token.isprintable() and access_token else {}
    status, body = _ask("GET", address, b"", headers)
    if status != 200:
        raise ProviderAway(f"it answers {status}")
    return _object(body)


def post(address: str, fields: Mapping[str, str], basic: tuple[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Send a form; the status and the JSON object that came back. `basic` is form-encoded as RFC 6749 section 2.3.1 asks."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    if basic:
        headers["authorization"] = "Basic " + b64encode(":".join(map(quote_plus, basic)).encode()).decode()
    status, body = _ask("POST", address, urlencode(fields).encode(), headers)
    return status, _object(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProviderAway("its answer cannot be read") from error
    if not isinstance(found, dict):
        raise ProviderAway("its answer cannot be read")
    return found


def _ask(method: str, address: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    parts, until = urlsplit(address), time.monotonic() + TIMEOUT_S
    host, wait = parts.hostname or "", TIMEOUT_S / 2
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=wait, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=wait)
    )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, body or None, {"accept": "application/json", "user-agent": "panorad", **headers})
        answer = connection.getresponse()
        content = bytearray()
        while chunk := answer.read1(65536):
            content += chunk
            if len(content) > LARGEST:
                raise ProviderAway("its answer is too long")
            if time.monotonic() > until:
                raise ProviderAway("it is too slow")
        return answer.status, bytes(content)
    except (OSError, http.client.HTTPException) as error:
        raise ProviderAway from error
    finally:
        connection.close()
