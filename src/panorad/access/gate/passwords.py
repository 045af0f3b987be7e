"""Passwords: what one must be (NIST SP 800-63B-4 section 3.1.1.2), and the argon2id hash that is kept of it (RFC 9106).

It is to be long and none of those that attackers try first; there are no rules of composition. The list of those holds the 30,000 most
common passwords of public breaches (the zxcvbn package, MIT licence) and words of our own in `known_passwords.txt`: those of hospitals,
of imaging, and of Chinese keyboards. Both are compared by their letters, so that digits and signs around a known word, and the same word
twice, change nothing: one entry stands for all its variants of twelve characters and more. `breaches.py` looks in a whole breach corpus.
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
SHORTEST_STEM = 3
"""Letters of a known password that count; fewer of them are in too many others."""


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
        or folded in _words()
        or _unit(_stem(folded)) in _stems()
    ):
        raise PasswordKnown


def _stem(folded: str) -> str:
    """Letters alone: digits and signs around a known word do not make it unknown. The digits, where there is no letter."""
    return "".join(letter for letter in folded if letter.isalpha()) or "".join(letter for letter in folded if letter.isdigit())


def _unit(text: str) -> str:
    """What a text repeats: `abc` of `abcabcabc`, the text itself when it repeats nothing."""
    return text[: (text + text).find(text, 1)] if text else text


@lru_cache(1)
def _words() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    own = (Path(__file__).parent / "known_passwords.txt").read_text(encoding="utf-8").split()
    return frozenset(own).union(FREQUENCY_LISTS["passwords"])


@lru_cache(1)
def _stems() -> frozenset[str]:
    return frozenset(unit for word in _words() if len(unit := _unit(_stem(word))) >= SHORTEST_STEM)


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
