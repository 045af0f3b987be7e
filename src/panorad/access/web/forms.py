"""Forms of pages: read once by the middleware, small, and answered only with the token that the page carried."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse

from panorad.access.web.errors import FormRefused
from panorad.access.web.session import allowed
from panorad.model.actor import Actor

COOKIE = "panorad_form"
FIELD = "form_token"
MEDIA_TYPE = "application/x-www-form-urlencoded"
LIMIT = 64 * 1024
"""Bytes of a form's body."""


def new_secret() -> str:
    """A fresh value for the cookie that form tokens are derived from."""
    return secrets.token_urlsafe(18)


def token_of(secret: str) -> str:
    """The token that a page's forms carry, derived from the visitor's cookie."""
    return hashlib.sha256(f"panorad-form:{secret}".encode()).hexdigest()[:32]


def parse(body: bytes) -> dict[str, str]:
    """The fields of a form, the last of a repeated one. Raises `FormRefused` for text that is not UTF-8 or too many fields."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100, errors="strict"))
    except ValueError as error:
        raise FormRefused from error


def genuine(fields: dict[str, str], secret: str) -> bool:
    """Whether a form carries the token of this visitor's pages."""
    return bool(secret) and compare_digest(fields.get(FIELD, "").encode(), token_of(secret).encode())


def form(request: Request) -> dict[str, str]:
    """The fields of the form that this request sent; raises `FormRefused` when it sent none."""
    fields = getattr(request.state, "form", None)
    if not isinstance(fields, dict):
        raise FormRefused
    return fields


def submitted(request: Request, resource: str, action: str) -> tuple[Actor, dict[str, str]]:
    """Who sent a form that changes something, and its fields: the one place where management pages check their writes.

    Raises `FormRefused`, `SignInNeeded`, or `NotAllowed`, which leaves an event.
    """
    fields = form(request)
    return allowed(request, resource, action, staff=True), fields


@dataclass(frozen=True, slots=True)
class Draft:
    """A form as it was sent and could not be taken: what was typed, and why. Empty for a fresh one."""

    error: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, str], error: str) -> Draft:
        """What was typed but for passwords and the token."""
        return cls(error, {name: text for name, text in fields.items() if name != FIELD and "password" not in name})


def local(address: str, default: str = "/") -> str:
    """An address to go back to, if it lies on this site; the default otherwise."""
    parts = urlsplit(address)
    clean = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.netloc and "\\" not in address
    return address if clean and all(ord(letter) > 31 for letter in address) else default


def see(address: str) -> RedirectResponse:
    """After a form: go and see this address."""
    return RedirectResponse(local(address), 303)
