"""Passwords: argon2id (RFC 9106), a minimum length, and no common ones."""

from __future__ import annotations

from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 12
"""The fewest characters of a password (NIST SP 800-63B asks for at least 8, and for no rules of composition)."""


@lru_cache(1)
def _hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


@lru_cache(1)
def _decoy() -> str:
    return _hasher().hash("nobody has this password")


def hashed(password: str) -> str:
    """The argon2id hash to keep."""
    return _hasher().hash(password)


def matches(kept: str | None, password: str) -> bool:
    """Whether the password belongs to the hash; takes as long when there is no account (`kept` None)."""
    try:
        _hasher().verify(kept or _decoy(), password)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None
