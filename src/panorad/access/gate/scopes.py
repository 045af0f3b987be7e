"""Scopes: what a token may do, as one table from its words to resources and actions.

A scope narrows what its holder may do and never widens it. Names with a slash are those of SMART App Launch 2.0 (`system/Patient.rs`:
create, read, update, delete, search), so that a FHIR client finds the words that it knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from panorad.kit.errors import Kind, PanoradError

Pair = tuple[str, str]
"""A resource and an action."""


class ScopeUnknown(PanoradError):
    """There is no such scope"""

    kind = Kind.INVALID


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


SCOPES: Mapping[str, tuple[str, tuple[Pair, ...]]] = {
    "studies.read": (_("Find and retrieve studies"), (("study", "read"),)),
    "studies.write": (_("Store images"), (("study", "store"),)),
    "events.read": (_("Follow the event feed"), (("event", "read"),)),
    "intake.read": (_("See input that was kept aside"), (("intake", "read"),)),
}
"""Scope to its sentence and what it opens."""

FHIR: Mapping[str, Mapping[str, Pair]] = {
    "ImagingStudy": dict.fromkeys("rs", ("study", "read")),
    "Patient": dict.fromkeys("rs", ("study", "read")),
    "Consent": {**dict.fromkeys("rs", ("consent", "read")), **dict.fromkeys("cud", ("consent", "record"))},
    "AuditEvent": dict.fromkeys("rs", ("event", "read")),
}
"""FHIR R4 resource types, and what each of their interactions is in the table of roles; the others do not exist here."""

_SMART = re.compile(r"(?:system|user)/([A-Z]\w*|\*)\.(c?r?u?d?s?)", re.ASCII)
MOST = 50


def pairs(scope: str) -> frozenset[Pair]:
    """What a scope opens, in the words of the table of roles. Raises ScopeUnknown, also for one that would open nothing."""
    if scope in SCOPES:
        return frozenset(SCOPES[scope][1])
    opens = frozenset(FHIR[name][letter] for name, letter in interactions(scope))
    if not opens:
        raise ScopeUnknown(scope[:80])
    return opens


@lru_cache(1000)
def opened(scopes: frozenset[str]) -> frozenset[Pair]:
    """What several scopes open together. Raises ScopeUnknown."""
    return frozenset(pair for scope in scopes for pair in pairs(scope))


def parse(text: str | Iterable[str]) -> tuple[str, ...]:
    """Scopes by spaces (RFC 6749 section 3.3), or several of them, each once and in order. Raises ScopeUnknown."""
    words = text.split() if isinstance(text, str) else [word for one in text for word in one.replace(",", " ").split()]
    if len(words) > MOST:
        raise ScopeUnknown(f"more than {MOST}")
    for word in words:
        pairs(word)
    return tuple(sorted(set(words)))


def interactions(scope: str) -> frozenset[Pair]:
    """FHIR interactions that a scope opens, as (type, letter); none for a scope of another kind."""
    found = _SMART.fullmatch(scope)
    if found is None:
        return frozenset()
    types = FHIR if found[1] == "*" else (found[1],)
    return frozenset((name, letter) for name in types for letter in found[2] if letter in FHIR.get(name, ()))


def within(scopes: Iterable[str], held: Callable[[str, str], bool]) -> tuple[str, ...]:
    """Those scopes that open nothing beyond what a person may do; `held` answers for a resource and an action."""
    return tuple(scope for scope in scopes if all(held(*pair) for pair in pairs(scope)))
