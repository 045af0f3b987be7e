"""What a password must be: long, and none of those tried first (NIST SP 800-63B section 3.1.1.2; no rules of composition)."""

from __future__ import annotations

from pathlib import Path

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
