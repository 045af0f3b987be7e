"""An OpenID provider (OpenID Connect Core 1.0, Discovery 1.0): where it is, its keys, and what its tokens prove.

The provider is given by the settings; its discovery document and keys are fetched when they are needed and kept for a while. A token
whose key is not known has the keys fetched again, at most once in ten seconds, so that a provider may change its keys at any time.
"""

from __future__ import annotations

import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import new as digest_of
from hashlib import sha256
from hmac import compare_digest
from typing import Any
from urllib.parse import urlencode, urlsplit

from panorad.access.gate import jose
from panorad.access.oidc import fetch, mapping
from panorad.access.oidc.mapping import Rule
from panorad.kit.errors import Kind, PanoradError

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""What ID tokens may be signed with: public keys alone."""
KEPT_S = 3600.0
AGAIN_S = 10.0
SKEW_S = 60
OLDEST_S = 600
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class SignInFailed(PanoradError):
    """The sign-in at the provider did not come to a good end; please try again"""

    kind = Kind.FORBIDDEN


@dataclass(frozen=True, slots=True)
class Registration:
    """How this center is registered at the provider, and what its claims mean here."""

    issuer: str
    client_id: str
    client_secret: str
    scopes: str = "openid profile email"
    name: str = ""
    table: tuple[Rule, ...] = ()
    roles_claim: str = "groups"
    institution_claim: str = ""
    login_claim: str = "preferred_username"


class Provider:
    """The provider as one process knows it. `clock` gives seconds since 1970."""

    def __init__(self, registration: Registration, clock: Callable[[], float] = time.time) -> None:
        self.registration = registration
        self._clock = clock
        self._lock = threading.Lock()
        self._document: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, dict[str, Any]] | None = None

    @property
    def name(self) -> str:
        """What the button says: the name in the settings, else the issuer's host."""
        return self.registration.name or urlsplit(self.registration.issuer).hostname or ""

    def document(self) -> dict[str, Any]:
        """The discovery document. Raises ProviderAway for one of another issuer."""
        issuer = self.registration.issuer
        with self._lock:
            if self._document is None or self._clock() - self._document[0] > KEPT_S:
                address = fetch.check_address(issuer.rstrip("/") + "/.well-known/openid-configuration", issuer)
                found = fetch.get(address)
                if found.get("issuer") != issuer:
                    raise fetch.ProviderAway("it says that it is another one")
                self._document = self._clock(), found
            return self._document[1]

    def endpoint(self, name: str) -> str:
        """An address of the provider. Raises ProviderAway where it names none that we may go to."""
        return fetch.check_address(self.document().get(name), self.registration.issuer)

    def keys(self, token: str = "") -> dict[str, Any]:
        """The provider's public keys, fetched anew for a token whose key is not among them. Raises ProviderAway."""
        address = self.endpoint("jwks_uri")
        with self._lock:
            age = self._clock() - self._keys[0] if self._keys else KEPT_S
            unknown = self._keys is not None and bool(token) and not jose.key_known(token, self._keys[1])
            if self._keys is None or age >= KEPT_S or (unknown and age >= AGAIN_S):
                try:
                    found = jose.public_keys({"keys": [_without_secrets(one) for one in fetch.get(address).get("keys") or []]})
                except jose.KeysInvalid as error:
                    raise fetch.ProviderAway("its keys cannot be used") from error
                self._keys = self._clock(), found
            return self._keys[1]

    def authorization(self, state: str, nonce: str, verifier: str, redirect_uri: str) -> str:
        """Where to send the visitor: the authorization code flow with PKCE (RFC 7636, S256)."""
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": self.registration.client_id, "redirect_uri": redirect_uri,
            "scope": self.registration.scopes, "state": state, "nonce": nonce, "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return _with_query(self.endpoint("authorization_endpoint"), query)

    def redeem(self, code: str, verifier: str, nonce: str, redirect_uri: str) -> dict[str, Any]:
        """The claims of whoever came back with a code. Raises SignInFailed, SignatureRefused, ProviderAway."""
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        ways = self.document().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        basic = (self.registration.client_id, self.registration.client_secret)
        if "client_secret_basic" not in ways:
            fields |= {"client_id": basic[0], "client_secret": basic[1]}
        status, answer = fetch.post(self.endpoint("token_endpoint"), fields, basic if "client_secret_basic" in ways else None)
        token = answer.get("id_token")
        if status != 200 or not isinstance(token, str):
            raise SignInFailed
        access = answer.get("access_token")
        claims = self.identity(token, nonce, access if isinstance(access, str) else "")
        incomplete = not mapping.values(claims, self.registration.roles_claim)
        if incomplete and isinstance(access, str) and self.document().get("userinfo_endpoint"):
            told = fetch.get(self.endpoint("userinfo_endpoint"), access)
            if told.get("sub") != claims["sub"]:
                raise SignInFailed
            return {**told, **claims}
        return claims

    def identity(self, token: str, nonce: str, access_token: str = "") -> dict[str, Any]:
        """The claims of an ID token, checked as OpenID Connect Core section 3.1.3.7 asks. Raises SignatureRefused."""
        claims, algorithm = self._signed(token), str(jose.header_of(token)["alg"])
        now = self._clock()
        if "sub" not in claims:
            raise jose.SignatureRefused("it has no subject")
        if len(jose.audiences(claims)) > 1 and "azp" not in claims:
            raise jose.SignatureRefused("it is for several and names no authorized party")
        if claims.get("azp", self.registration.client_id) != self.registration.client_id:
            raise jose.SignatureRefused("it is for another party")
        if jose.moment(claims, "exp") <= now - SKEW_S:
            raise jose.SignatureRefused("it has expired")
        if not isinstance(claims.get("nonce"), str) or not compare_digest(claims["nonce"].encode(), nonce.encode()):
            raise jose.SignatureRefused("its nonce is not the one of this sign-in")
        if "at_hash" in claims and claims["at_hash"] != _half(access_token, algorithm):
            raise jose.SignatureRefused("it does not belong to the access token")
        return claims

    def logout(self, token: str) -> tuple[str, str, str, float]:
        """Subject, session, jti and end of a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.6). Raises SignatureRefused."""
        claims = self._signed(token)
        events = claims.get("events")
        subject, session, jti = (claims.get(name, "") for name in ("sub", "sid", "jti"))
        if not isinstance(events, Mapping) or not isinstance(events.get(LOGOUT), Mapping) or "nonce" in claims:
            raise jose.SignatureRefused("it is no logout token")
        if not all(isinstance(one, str) for one in (subject, session, jti)) or not jti or not (subject or session):
            raise jose.SignatureRefused("it does not say whose session ends")
        expires = jose.moment(claims, "exp") if "exp" in claims else jose.moment(claims, "iat") + OLDEST_S
        if expires <= self._clock() - SKEW_S:
            raise jose.SignatureRefused("it has expired")
        return subject, session, jti, min(expires, self._clock() + 86400) + SKEW_S

    def _signed(self, token: str) -> dict[str, Any]:
        """The claims of a token that the provider signed for us, not too long ago."""
        jose.header_of(token)
        claims = jose.claims_of(token, self.keys(token), ALGORITHMS)
        if claims.get("iss") != self.registration.issuer:
            raise jose.SignatureRefused("its issuer is another one")
        if self.registration.client_id not in jose.audiences(claims):
            raise jose.SignatureRefused("it is meant for another program")
        if not self._clock() - OLDEST_S - SKEW_S < jose.moment(claims, "iat") < self._clock() + SKEW_S:
            raise jose.SignatureRefused("it was made at another time")
        if "nbf" in claims and jose.moment(claims, "nbf") > self._clock() + SKEW_S:
            raise jose.SignatureRefused("it is not yet valid")
        if "sub" in claims and not (isinstance(claims["sub"], str) and 0 < len(claims["sub"]) <= 255):
            raise jose.SignatureRefused("its subject cannot be read")
        return claims

    def ending(self, back: str) -> str:
        """Where a person ends the session at the provider (RP-Initiated Logout 1.0); empty where it offers no such thing."""
        if not self.document().get("end_session_endpoint"):
            return ""
        query = {"client_id": self.registration.client_id, "post_logout_redirect_uri": back}
        return _with_query(self.endpoint("end_session_endpoint"), query)


def _without_secrets(one: Any) -> Any:
    """A provider's key set may by mistake hold more than it should; what is secret is not kept."""
    if not isinstance(one, Mapping) or one.get("kty") not in ("RSA", "EC"):
        return None
    return {name: one[name] for name in ("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y") if name in one}


def _with_query(address: str, query: Mapping[str, str]) -> str:
    return address + ("&" if urlsplit(address).query else "?") + urlencode(query)


def _half(access_token: str, algorithm: str) -> str:
    """at_hash: the left half of the access token's digest by the hash of the signature (Core section 3.1.3.6)."""
    digest = digest_of(f"sha{algorithm[2:]}", access_token.encode("ascii", "replace")).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
