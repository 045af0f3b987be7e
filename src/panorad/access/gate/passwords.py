"""Passwords: what one must be (NIST SP 800-63B section 3.1.1.2), and the argon2id hash that is kept of it (RFC 9106).

It is to be long and none of those that attackers try first; there are no rules of composition.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from panorad.kit.errors import Kind, PanoradError

SHORTEST = 12
LONGEST = 256
"""Characters."""


class PasswordTooShort(PanoradError):
    """A password needs at least 12 characters"""

    kind = Kind.INVALID


class PasswordTooLong(PanoradError):
    """A password may have at most 256 characters"""

    kind = Kind.INVALID


class PasswordKnown(PanoradError):
    """This password is among those that attackers try first"""

    kind = Kind.INVALID


class PasswordsDiffer(PanoradError):
    """The two passwords are not the same"""

    kind = Kind.INVALID


def check(password: str, login: str = "", again: str | None = None) -> None:
    """Raise an error of kind INVALID for a password that is too short, too long, known to attackers, the login, or mistyped."""
    if again is not None and password != again:
        raise PasswordsDiffer
    if len(password) < SHORTEST:
        raise PasswordTooShort
    if len(password) > LONGEST:
        raise PasswordTooLong
    folded = password.casefold()
    if (
        len(set(folded)) < 4
        or (login and login.casefold() in folded and len(folded) - len(login) < 6)
        or _stem(folded) in _stems()
    ):
        raise PasswordKnown


def _stem(folded: str) -> str:
    """Letters alone: digits and signs around a known word do not make it unknown."""
    return "".join(letter for letter in folded if letter.isalpha()) or folded


def _stems() -> frozenset[str]:
    lines = (Path(__file__).parent / "known_passwords.txt").read_text(encoding="utf-8").split()
    return frozenset(_stem(line) for line in lines)


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
