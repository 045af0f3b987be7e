"""Around every request: an id, a log line without patient data, security headers, limits, and a check that forms are ours."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from panorad.access.web import forms
from panorad.access.web.errors import BodyTooLarge, FormRefused
from panorad.kit.errors import PanoradError, fault_of

Refuse = Callable[[Request, PanoradError], Response]

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; frame-ancestors 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'"
)
"""Content Security Policy of every answer that does not bring its own."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), payment=(), usb=()",
}

_RAW_HEADERS = tuple((name.encode(), value.encode()) for name, value in HEADERS.items())

UNLIMITED = ("/dicom-web/",)
"""Where bodies may be of any length: the endpoint there streams and guards itself."""

OUTSIDE = ("/oauth/", "/sign-in/provider/logout")
"""Where programs send forms: they prove who they are in the request itself, and no cookie is looked at."""

QUIET = ("/dicom-web/", "/static/", "/viewer/", "/health/", "/metrics")
"""Successful requests under these are not logged one by one; the process archive has what matters of them."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Journal:
    """Numbers each request, logs its route (never its query), and turns an unforeseen error into a plain answer."""

    def __init__(self, app: ASGIApp, refuse: Refuse) -> None:
        self.app, self.refuse = app, refuse
        self.log = structlog.get_logger("panorad.web")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id, begun, status = secrets.token_hex(6), time.perf_counter(), 0
        scope.setdefault("state", {})["request_id"] = request_id

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await self.app(scope, receive, answer)
        except Exception as error:
            self.log.error("request failed", request=request_id, fault=fault_of(error))
            if status:
                raise
            await self.refuse(Request(scope), PanoradError())(scope, receive, answer)
        finally:
            if status >= 400 or not scope["path"].startswith(QUIET):
                spent = round((time.perf_counter() - begun) * 1000, 1)
                self.log.info("request", request=request_id, method=scope["method"], route=_route(scope), status=status, ms=spent)


def _route(scope: Scope) -> str:
    """The path with its parameters named, not given, so that no identifier is logged; one step of a path no route took."""
    parameters = scope.get("path_params")
    if parameters is None:
        return "/" + str(scope["path"]).lstrip("/").partition("/")[0][:40]
    path = str(scope["path"])
    for name, value in sorted(parameters.items(), key=lambda pair: -len(str(pair[1]))):
        path = path.replace(f"/{value}", f"/{{{name}}}") if value != "" else path
    return path


class LoopbackHosts:
    """For a center without sign-in: refuses requests for any host but this machine, whatever a page elsewhere made its name mean."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...] = ()) -> None:
        self.app = app
        self.hosts = {"127.0.0.1", "localhost", "[::1]"} | {urlsplit(origin).netloc.rpartition("@")[2].split(":")[0] for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "http":
            host = re.sub(r":\d+$", "", Headers(scope=scope).get("host", "localhost"))
            if host.lower() not in self.hosts:
                await PlainTextResponse("This center runs without sign-in and answers only to this machine.\n", 421)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class SecurityHeaders:
    """Adds the security headers that an answer does not bring itself, and the cookie behind the tokens of forms."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...] = (), with_forms: bool = True) -> None:
        self.app, self.origins, self.with_forms = app, origins, with_forms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        known = secret = ""
        if self.with_forms:
            known = _cookie(headers, forms.COOKIE)
            secret = known or forms.new_secret()
            scope["state"]["form_secret"] = secret
        https = scope["scheme"] == "https" or f"https://{headers.get('host', '')}" in self.origins
        if https:
            scope["scheme"] = "https"  # what a proxy took off, so that the addresses we write are those the client sees

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(message["headers"], https, "" if known else secret)
            await send(message)

        await self.app(scope, receive, answer)


def _complete(raw: list[tuple[bytes, bytes]], https: bool, secret: str) -> None:
    present = {name for name, _ in raw}
    raw.extend(header for header in _RAW_HEADERS if header[0] not in present)
    headers = MutableHeaders(raw=raw)
    if https:
        headers.setdefault("strict-transport-security", "max-age=31536000")
    if headers.get("content-type", "").startswith("text/html"):
        headers.setdefault("cache-control", "no-store")
        if secret:
            headers.append(
                "set-cookie", f"{forms.COOKIE}={secret}; Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if https else "")
            )


def _cookie(headers: Headers, name: str) -> str:
    try:
        jar = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[name].value if name in jar else ""


class Bodies:
    """Refuses writes that another site started, too long bodies, and forms without our token; reads forms for the pages."""

    def __init__(self, app: ASGIApp, refuse: Refuse, origins: tuple[str, ...] = ()) -> None:
        self.app, self.refuse, self.origins = app, refuse, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or scope["method"] in SAFE:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            by_cookie = "authorization" not in headers and not scope["path"].startswith(OUTSIDE)
            if by_cookie and not self._same_site(scope, headers):
                raise FormRefused
            if not scope["path"].startswith(UNLIMITED):
                receive = await self._bounded(scope, headers, receive, by_cookie)
        except BodyTooLarge as error:
            await self._refused(error, scope, receive, send, 413)
            return
        except FormRefused as error:
            await self._refused(error, scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _refused(self, error: PanoradError, scope: Scope, receive: Receive, send: Send, status: int | None = None) -> None:
        response = self.refuse(Request(scope), error)
        response.status_code = status or response.status_code
        response.headers["connection"] = "close"
        await response(scope, receive, send)

    def _same_site(self, scope: Scope, headers: Headers) -> bool:
        """Browsers tell where a request started; programs tell nothing and carry no cookie by themselves."""
        if site := headers.get("sec-fetch-site"):
            return site in {"same-origin", "none"}
        origin, host = headers.get("origin"), headers.get("host", "")
        return origin is None or origin in {f"http://{host}", f"https://{host}", *self.origins}

    async def _bounded(self, scope: Scope, headers: Headers, receive: Receive, by_cookie: bool) -> Receive:
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > forms.LIMIT:
            raise BodyTooLarge
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > forms.LIMIT:
                raise BodyTooLarge
            if not message.get("more_body"):
                break
        if headers.get("content-type", "").partition(";")[0].strip().lower() == forms.MEDIA_TYPE:
            fields = forms.parse(bytes(body))
            if by_cookie and not forms.genuine(fields, scope["state"]["form_secret"]):
                raise FormRefused
            scope["state"]["form"] = fields
        waiting = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        return replay
