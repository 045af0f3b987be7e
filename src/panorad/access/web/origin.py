"""Where a request comes from: the address behind known proxies, and the browser's family; no more of it is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from starlette.requests import Request

from panorad.access.gate.open_sessions import Origin
from panorad.access.web.session import deps_of, token_of

_BROWSERS = (("Edge", r"Edg(e|A|iOS)?/"), ("Opera", r"OPR/"), ("WeChat", r"MicroMessenger/"), ("Firefox", r"Firefox/|FxiOS/"),
             ("Chrome", r"Chrome/|CriOS/|Chromium/"), ("Safari", r"Version/.*Safari/"))  # fmt: skip
_SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("HarmonyOS", "HarmonyOS|OpenHarmony"), ("Windows", "Windows"),
            ("macOS", "Mac OS X"), ("Linux", "Linux"))  # fmt: skip
"""Names and what a User-Agent header says for them, the first that fits."""


def origin_of(request: Request) -> Origin:
    """Where a session begins that this request asks for."""
    return Origin(source_of(request), browser_of(request.headers.get("user-agent", "")), token_of(request))


def source_of(request: Request) -> str:
    """The address that asks: what the last known proxy says (X-Forwarded-For), else the peer's own."""
    peer = request.client.host if request.client else ""
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    return behind(peer, forwarded, deps_of(request).settings.trusted_proxies)


def behind(peer: str, forwarded: str, trusted: Sequence[str]) -> str:
    """The nearest address that is no known proxy's; what stands before it anybody may have written.

    >>> behind("127.0.0.1", "203.0.113.9, 198.51.100.4", ("127.0.0.1",)), behind("203.0.113.9", "192.0.2.1", ("127.0.0.1",))
    ('198.51.100.4', '203.0.113.9')
    """
    known = peer
    for step in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
        if not _among(known, trusted):
            return known
        try:
            known = str(ip_address(step))
        except ValueError:
            return known
    return known


def _among(address: str, networks: Sequence[str]) -> bool:
    try:
        found = ip_address(address)
        return any(found in ip_network(one, strict=False) for one in networks)
    except ValueError:
        return False


def browser_of(agent: str) -> str:
    """Family and system of a browser, as its User-Agent header tells.

    >>> browser_of("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36 Edg/141.0")
    'Edge, Windows'
    """
    found = (next((name for name, pattern in table if re.search(pattern, agent)), "") for table in (_BROWSERS, _SYSTEMS))
    return ", ".join(filter(None, found))
