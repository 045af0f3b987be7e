"""Parties: those to whom something can be granted, each as one number, so that the database compares numbers alone."""

from __future__ import annotations

from panorad.model.roles import ROLES

KINDS = ("institution", "role", "person", "link", "device", "program")
"""Kinds of grantee, in the order of their numbers from 1."""

_KIND_BIT = 40
_ROLE_BIT = 32


def party(kind: str, number: int, role: str = "") -> int:
    """The number of a grantee: its kind above 40 bits, a role's number above 32, and its row's id (an institution's for a role).

    Raises ValueError for an unknown kind or an id that is no 32-bit row id, KeyError for an unknown role.

    >>> party("institution", 7) == (1 << 40) + 7
    True
    """
    if not 0 < number < 1 << 31:
        raise ValueError(f"{number} is no row id")
    return (KINDS.index(kind) + 1 << _KIND_BIT) + ((ROLES[role].number << _ROLE_BIT) if kind == "role" else 0) + number
