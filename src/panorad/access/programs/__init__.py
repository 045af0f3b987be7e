"""Programs: API tokens, and clients that get access tokens by themselves (OAuth 2.0 client credentials)."""

from panorad.access.programs.clients import (
    Client,
    ClientAbsent,
    ClientExists,
    ClientInvalid,
    add_client,
    clients,
    revoke_client,
)
from panorad.access.programs.tokens import (
    Held,
    ScopeMissing,
    Token,
    TokenAbsent,
    TokenInvalid,
    add_token,
    allowed,
    bearer,
    revoke_own,
    revoke_token,
    tokens,
    tokens_of,
)

__all__ = [
    "Client",
    "ClientAbsent",
    "ClientExists",
    "ClientInvalid",
    "Held",
    "ScopeMissing",
    "Token",
    "TokenAbsent",
    "TokenInvalid",
    "add_client",
    "add_token",
    "allowed",
    "bearer",
    "clients",
    "revoke_client",
    "revoke_own",
    "revoke_token",
    "tokens",
    "tokens_of",
]
