"""OAuth 2.0 for programs: tokens by the client credentials grant, revocation, introspection, and the documents that name them."""

from __future__ import annotations

import threading
import time
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from panorad.access.gate.scopes import FHIR, SCOPES
from panorad.access.programs.clients import (
    ALGORITHMS,
    ASSERTION_TYPE,
    ClientRefused,
    Proof,
    Proved,
    ScopeRefused,
    grant,
    introspect,
    prove,
    revoke_access_token,
)
from panorad.access.web.deps import WebDeps
from panorad.access.web.errors import FormRefused
from panorad.access.web.forms import form
from panorad.access.web.origin import source_of
from panorad.access.web.reached import origin, origins
from panorad.kit.transaction import Transaction
from panorad.model.actor import SYSTEM

FAILURES, WINDOW_S = 10, 60.0
_SEPARATE = {"cache-control": "no-store", "pragma": "no-cache"}


class Refusal(Exception):
    """An error of RFC 6749 section 5.2: its code, and the status that goes with it."""

    def __init__(self, code: str, description: str, status: int = 400, **headers: str) -> None:
        super().__init__(code)
        self.code, self.description, self.status, self.headers = code, description, status, headers


class Failures:
    """Failures of each address and client within the last minute, in this process; ten of them and it must wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._seen: OrderedDict[tuple[str, str], list[float]] = OrderedDict()

    def wait(self, key: tuple[str, str]) -> int:
        """Seconds to wait before the next attempt; 0 for none."""
        now = self._clock()
        with self._lock:
            recent = [at for at in self._seen.get(key, ()) if now - at < WINDOW_S]
        return int(WINDOW_S - (now - recent[-FAILURES])) + 1 if len(recent) >= FAILURES else 0

    def failed(self, key: tuple[str, str]) -> None:
        """Count a failure."""
        with self._lock:
            self._seen[key] = [*self._seen.pop(key, ())[-FAILURES:], self._clock()]
            while len(self._seen) > 10_000:
                self._seen.popitem(last=False)


def routes(deps: WebDeps) -> APIRouter:
    """/oauth/token, /oauth/revoke, /oauth/introspect, and the two documents that name them."""
    server = Server(deps)
    router = APIRouter()
    for path, answer in (("/oauth/token", server.token), ("/oauth/revoke", server.revoke), ("/oauth/introspect", server.introspect)):
        router.add_route(path, answer, methods=["POST"])
    router.add_route("/.well-known/oauth-authorization-server", server.metadata, methods=["GET"])
    router.add_route("/.well-known/smart-configuration", server.smart, methods=["GET"])
    router.add_route("/fhir/.well-known/smart-configuration", server.smart, methods=["GET"])
    return router


class Server:
    """The endpoints, with what they stand on."""

    def __init__(self, deps: WebDeps) -> None:
        self.deps, self.failures = deps, Failures()

    def token(self, request: Request) -> Response:
        """POST /oauth/token: an access token for a client (RFC 6749 section 4.4)."""

        def give(tx: Transaction, client: Proved, fields: dict[str, str]) -> Response:
            if fields.get("grant_type") != "client_credentials":
                code = "unsupported_grant_type" if fields.get("grant_type") else "invalid_request"
                raise Refusal(code, "grant_type is client_credentials")
            try:
                made = grant(tx, client, fields.get("scope", ""))
            except ScopeRefused:
                raise Refusal("invalid_scope", "the client may not have this scope") from None
            body = {"access_token": made.token, "token_type": "Bearer", "expires_in": made.seconds, "scope": " ".join(made.scopes)}
            return JSONResponse(body, headers=_SEPARATE)

        return self._answered(request, give)

    def revoke(self, request: Request) -> Response:
        """POST /oauth/revoke: end one of the client's own access tokens (RFC 7009)."""

        def end(tx: Transaction, client: Proved, fields: dict[str, str]) -> Response:
            revoke_access_token(tx, client, _token(fields))
            return Response(status_code=200, headers=_SEPARATE)

        return self._answered(request, end)

    def introspect(self, request: Request) -> Response:
        """POST /oauth/introspect: what one of the client's own access tokens is good for (RFC 7662)."""
        return self._answered(request, lambda tx, client, fields: JSONResponse(introspect(tx, client, _token(fields)), headers=_SEPARATE))

    def _answered(self, request: Request, answer: Callable[[Transaction, Proved, dict[str, str]], Response]) -> Response:
        try:
            fields = _fields(request)
            proof = _proof(request, fields)
            key = (source_of(request), proof.client[:64])
            if wait := self.failures.wait(key):
                raise Refusal("invalid_client", "too many failures; wait", 429, **{"retry-after": str(wait)})
            try:
                with self.deps.begin(SYSTEM) as tx:
                    client = prove(tx, proof, self._audiences())
                    return self._given(tx, client, fields, answer)
            except ClientRefused:
                self.failures.failed(key)
                basic = {"www-authenticate": 'Basic realm="panorad"'} if "authorization" in request.headers else {}
                raise Refusal("invalid_client", "the client is not known, or has not proved who it is", 401, **basic) from None
        except Refusal as error:
            body = {"error": error.code, "error_description": error.description}
            return JSONResponse(body, error.status, {**_SEPARATE, **error.headers})

    def _given(self, tx: Transaction, client: Proved, fields: dict[str, str], answer: Any) -> Response:
        """The answer, also where it is a refusal: that the client has proved itself is kept, so that no assertion serves twice."""
        try:
            response: Response = answer(tx, client, fields)
        except Refusal as error:
            body = {"error": error.code, "error_description": error.description}
            response = JSONResponse(body, error.status, _SEPARATE)
        return response

    def _audiences(self) -> set[str]:
        return {name for one in origins(self.deps.settings) for name in (one, f"{one}/oauth/token")}

    def metadata(self, request: Request) -> Response:
        """GET /.well-known/oauth-authorization-server: where the endpoints are and what they take (RFC 8414)."""
        return JSONResponse(self._described(request))

    def smart(self, request: Request) -> Response:
        """GET /.well-known/smart-configuration: the same for FHIR clients (SMART App Launch 2.2, Backend Services)."""
        capabilities = ["client-confidential-symmetric", "client-confidential-asymmetric", "permission-v2"]
        return JSONResponse({**self._described(request), "capabilities": capabilities})

    def _described(self, request: Request) -> dict[str, Any]:
        here = origin(request, self.deps.settings)
        ways = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
        described: dict[str, Any] = {
            "issuer": here,
            "scopes_supported": [*SCOPES, *(f"system/{name}.rs" for name in FHIR)],
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
        }
        for name in ("token", "revocation", "introspection"):
            path = {"token": "token", "revocation": "revoke", "introspection": "introspect"}[name]
            described[f"{name}_endpoint"] = f"{here}/oauth/{path}"
            described[f"{name}_endpoint_auth_methods_supported"] = ways
            described[f"{name}_endpoint_auth_signing_alg_values_supported"] = list(ALGORITHMS)
        return described


def _fields(request: Request) -> dict[str, str]:
    try:
        return form(request)
    except FormRefused:
        raise Refusal("invalid_request", "the body is application/x-www-form-urlencoded") from None


def _token(fields: dict[str, str]) -> str:
    if not fields.get("token"):
        raise Refusal("invalid_request", "token is missing")
    return fields["token"]


def _proof(request: Request, fields: dict[str, str]) -> Proof:
    """How the client proves itself: in one way and no other (RFC 6749 section 2.3)."""
    given = request.headers.get("authorization", "")
    ways = [bool(given), "client_secret" in fields, "client_assertion" in fields]
    if sum(ways) > 1:
        raise Refusal("invalid_request", "a client proves itself in one way")
    if given:
        scheme, _, word = given.partition(" ")
        try:
            name, colon, secret = b64decode(word, validate=True).decode().partition(":")
        except ValueError:
            colon = name = secret = ""
        if scheme.lower() != "basic" or not colon:
            raise Refusal("invalid_client", "Authorization is not Basic", 401, **{"www-authenticate": 'Basic realm="panorad"'})
        return Proof(unquote_plus(name), unquote_plus(secret))
    if "client_assertion" in fields:
        if fields.get("client_assertion_type") != ASSERTION_TYPE:
            raise Refusal("invalid_request", f"client_assertion_type is {ASSERTION_TYPE}")
        return Proof(fields.get("client_id", ""), assertion=fields["client_assertion"])
    return Proof(fields.get("client_id", ""), fields.get("client_secret", ""))
