"""What a provider's claims mean here: a table from the values of a claim to roles at institutions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from panorad.access.gate.open_sessions import FRESH_S
from panorad.kit.errors import Kind, PanoradError
from panorad.model.roles import ADMINISTRATORS, ROLES

FROM_CLAIM = "*"
_RULE = re.compile(r"(?P<value>.+)=(?P<code>\*|[A-Z0-9][A-Z0-9_-]{0,31}):(?P<role>[a-z-]+)")
_MOST = 1000
SKEW_S = 60
"""Seconds by which the provider's clock may be ahead."""


class RuleInvalid(PanoradError):
    """A rule of oidc_roles is VALUE=INSTITUTION:ROLE, with * for the institution that the claim names"""

    kind = Kind.INVALID


class NoRole(PanoradError):
    """Nothing that the sign-in provider says of you gives you a role here; ask those who run it"""

    kind = Kind.FORBIDDEN
    keeps = True


class TwoAdministrators(PanoradError):
    """The sign-in provider gives you two administrator roles, and nobody may hold two; ask those who run it"""

    kind = Kind.FORBIDDEN


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table: whoever has `value` in the roles claim is `role` at the institution `code`."""

    value: str
    code: str
    role: str


def rules(lines: Iterable[str]) -> tuple[Rule, ...]:
    """The table from its lines `VALUE=INSTITUTION:ROLE`. Raises RuleInvalid."""
    found = []
    for line in lines:
        match = _RULE.fullmatch(line.strip())
        if match is None or match["role"] not in ROLES:
            raise RuleInvalid(line)
        found.append(Rule(match["value"].strip(), match["code"], match["role"]))
    return tuple(found)


def values(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The values of a claim: a text or a list of texts; a name with dots reaches into objects (`realm_access.roles`)."""
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for step in name.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    listed = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return tuple(one for one in listed[:_MOST] if isinstance(one, str))


def granted(claims: Mapping[str, Any], table: Iterable[Rule], roles_claim: str, institution_claim: str) -> tuple[tuple[str, str], ...]:
    """Institution codes and roles that the claims give, in the order of the table and each once.

    Raises NoRole where they give none, TwoAdministrators where they give two different administrator roles.
    """
    held = set(values(claims, roles_claim))
    places = values(claims, institution_claim) if institution_claim else ()
    found: dict[tuple[str, str], None] = {}
    for rule in table:
        if rule.value in held:
            for code in places if rule.code == FROM_CLAIM else (rule.code,):
                found[code, rule.role] = None
    if not found:
        raise NoRole
    if len({role for _, role in found} & ADMINISTRATORS) > 1:
        raise TwoAdministrators
    return tuple(found)


def vouched(claims: Mapping[str, Any], now: float) -> bool:
    """Whether the provider says that a second factor was given (`amr` of RFC 8176), in the last quarter of an hour (`auth_time`)."""
    at = claims.get("auth_time")
    return "mfa" in values(claims, "amr") and not isinstance(at, bool) and isinstance(at, int | float) and now - FRESH_S < at < now + SKEW_S
