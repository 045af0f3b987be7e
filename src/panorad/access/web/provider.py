"""Signing in at the institution's own provider (OpenID Connect), and being signed out from there."""

from __future__ import annotations

import secrets

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from panorad.access.gate.jose import SignatureRefused
from panorad.access.oidc import service
from panorad.access.oidc.provider import Provider, SignInFailed
from panorad.access.web.deps import WebDeps
from panorad.access.web.errors import FormRefused, NoSuchPage
from panorad.access.web.forms import form, local, see
from panorad.access.web.origin import origin_of
from panorad.access.web.reached import origin
from panorad.access.web.session import remember, secure
from panorad.kit.errors import PanoradError
from panorad.model.actor import SYSTEM

START, BACK, LEAVE, LOGOUT = "/sign-in/provider", "/sign-in/provider/back", "/sign-in/provider/leave", "/sign-in/provider/logout"
COOKIE = "panorad_provider"
"""Binds a sign-in to the browser that began it, so that nobody can be signed in as somebody else by a link."""


def routes(deps: WebDeps) -> APIRouter:
    """The way to the provider and back."""
    pages = ProviderPages(deps)
    router = APIRouter()
    router.add_route(START, pages.start, methods=["GET"])
    router.add_route(BACK, pages.back, methods=["GET"])
    router.add_route(LEAVE, pages.leave, methods=["GET"])
    router.add_route(LOGOUT, pages.logout, methods=["POST"])
    return router


class ProviderPages:
    """The endpoints, with what they stand on."""

    def __init__(self, deps: WebDeps) -> None:
        self.deps = deps

    def _provider(self) -> Provider:
        if self.deps.provider is None:
            raise NoSuchPage
        return self.deps.provider

    def start(self, request: Request) -> Response:
        """GET /sign-in/provider: on to the provider."""
        provider, browser = self._provider(), request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
        provider.document()
        wanted, back = local(request.query_params.get("next", "/")), origin(request, self.deps.settings) + BACK
        with self.deps.begin(SYSTEM) as tx:
            address = service.begin(tx, provider, browser, back, wanted)
        response = RedirectResponse(address, 303, {"cache-control": "no-store"})
        response.set_cookie(
            COOKIE, browser, max_age=service.FLOW_S, path=START, httponly=True, samesite="lax", secure=secure(request)
        )
        return response

    def back(self, request: Request) -> Response:
        """GET /sign-in/provider/back: from the provider, with a code; a session, and on to the page wanted.

        Raises SignInFailed with nothing of the reason, which is in the event; NoRole and the like, which the person can do something about.
        """
        provider, asked = self._provider(), request.query_params
        with self.deps.begin(SYSTEM) as tx:
            flow = service.take(tx, asked.get("state", ""), request.cookies.get(COOKIE, ""))
        if flow is None:
            raise self._refused("not a sign-in of this browser that is under way")
        if asked.get("iss", provider.registration.issuer) != provider.registration.issuer:
            raise self._refused("the answer is another provider's")
        if "code" not in asked:
            raise self._refused(f"the provider said {asked.get('error', '')[:60] or 'nothing'}")
        try:
            claims = provider.redeem(asked["code"], flow.verifier, flow.nonce, flow.redirect_uri)
        except SignatureRefused as error:
            raise self._refused(f"ID token: {error.detail}") from error
        except SignInFailed as error:
            raise self._refused("the provider did not take the code") from error
        try:
            with self.deps.begin(SYSTEM) as tx:
                _, token = service.sign_in(tx, provider.registration, claims, origin_of(request))
        except PanoradError as error:
            self._refused(type(error).__name__)
            raise
        response = see(flow.next)
        response.headers["cache-control"] = "no-store"
        remember(request, response, token)
        return response

    def _refused(self, reason: str) -> SignInFailed:
        with self.deps.begin(SYSTEM) as tx:
            service.refused(tx, reason)
        return SignInFailed()

    def leave(self, request: Request) -> Response:
        """GET /sign-in/provider/leave: on to the provider, to end the session there (OpenID Connect RP-Initiated Logout)."""
        address = self._provider().ending(origin(request, self.deps.settings) + "/sign-in")
        return RedirectResponse(address, 303) if address else see("/sign-in")

    def logout(self, request: Request) -> Response:
        """POST /sign-in/provider/logout: the provider ends a person's sessions (OpenID Connect Back-Channel Logout)."""
        provider, headers = self._provider(), {"cache-control": "no-store"}
        try:
            ending = provider.logout(form(request).get("logout_token", ""))
            with self.deps.begin(SYSTEM) as tx:
                service.end_sessions(tx, provider.registration.issuer, *ending)
        except (SignatureRefused, FormRefused) as error:
            self._refused(f"logout token: {error.detail}")
            return JSONResponse({"error": "invalid_request", "error_description": error.detail}, 400, headers)
        return Response(status_code=200, headers=headers)
