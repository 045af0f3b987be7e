"""Roles, and what each may do: one table. What somebody may *see* is decided row by row by the database (docs/why/who-may-see-what.md);
the table says which actions somebody may try at all, and for which purposes.

A person holds roles at institutions and acts for one institution at a time; a role of an administrator reaches the institutions below
its own as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


class Role(NamedTuple):
    """A role: its number (part of the grants given to it), label, purposes for which it reads, and its actions by resource."""

    number: int
    label: str
    purposes: tuple[str, ...]
    may: Mapping[str, tuple[str, ...]]


RESOURCES: Mapping[str, str] = {
    "study": _("Studies and their images"),
    "intake": _("Input kept aside"),
    "grant": _("Grants to others"),
    "consent": _("What patients permit"),
    "link": _("Share links"),
    "break-glass": _("Emergency access"),
    "event": _("The event log"),
    "institution": _("Institutions"),
    "node": _("DICOM nodes"),
    "account": _("Accounts"),
    "role": _("Roles of accounts"),
    "policy": _("Consent policies"),
    "client": _("Programs and their tokens"),
    "center": _("The center's own state"),
}
"""What actions are about."""

ACTIONS: Mapping[str, str] = {
    "read": _("see"),
    "store": _("send in"),
    "export": _("export"),
    "take": _("download the original"),
    "give": _("give"),
    "revoke": _("revoke"),
    "record": _("record and withdraw"),
    "use": _("use"),
    "review": _("review"),
    "change": _("add and change"),
    "lock": _("disable and enable"),
}
"""What somebody does, in words."""

_READ = {"study": ("read",)}

ROLES: Mapping[str, Role] = {
    "radiologist": Role(1, _("Radiologist"), ("treatment", "remote-reading", "consultation", "quality", "education"), {
        "study": ("read", "store", "export"), "intake": ("read",), "grant": ("read", "give"), "consent": ("read",),
        "link": ("read", "give"), "break-glass": ("use",)}),
    "technologist": Role(2, _("Technologist"), ("treatment", "quality"), {
        "study": ("read", "store"), "intake": ("read", "take"), "node": ("read",)}),
    "clinician": Role(3, _("Clinician"), ("treatment", "consultation"), {
        **_READ, "consent": ("read", "record"), "link": ("read", "give"), "break-glass": ("use",)}),
    "nurse": Role(4, _("Nurse"), ("treatment",), {**_READ, "consent": ("read", "record")}),
    "physicist": Role(5, _("Medical physicist"), ("quality",), {**_READ, "node": ("read",)}),
    "registrar": Role(6, _("Registrar"), ("treatment",), {**_READ, "intake": ("read",), "consent": ("read", "record")}),
    "department-head": Role(7, _("Head of department"), ("treatment", "remote-reading", "consultation", "quality", "education"), {
        "study": ("read", "store", "export"), "intake": ("read", "take"), "grant": ("read", "give", "revoke"),
        "consent": ("read", "record"), "link": ("read", "give", "revoke"), "break-glass": ("use", "review"), "node": ("read",),
        "event": ("read",)}),
    "quality-officer": Role(8, _("Quality officer"), ("quality",), {
        **_READ, "intake": ("read",), "break-glass": ("review",), "event": ("read",)}),
    "researcher": Role(9, _("Researcher"), ("research",), _READ),
    "patient": Role(10, _("Patient"), ("patient-request",), {**_READ, "consent": ("read", "record"), "link": ("read", "give", "revoke")}),
    "system-administrator": Role(11, _("System administrator"), (), {
        "institution": ("read", "change"), "node": ("read", "change"), "account": ("read", "change"), "role": ("read",),
        "center": ("read",)}),
    "security-administrator": Role(12, _("Security administrator"), (), {
        "institution": ("read",), "node": ("read",), "account": ("read", "lock"), "role": ("read", "change"),
        "policy": ("read", "change"), "grant": ("read", "revoke"), "link": ("read", "revoke"), "client": ("read", "change")}),
    "audit-administrator": Role(13, _("Audit administrator"), (), {
        "event": ("read", "export"), "break-glass": ("review",), "account": ("read",), "role": ("read",), "grant": ("read",),
        "consent": ("read",), "policy": ("read",), "client": ("read",)}),
}  # fmt: skip
"""Every role. Numbers are never used again for another role."""

ADMINISTRATORS = frozenset({"system-administrator", "security-administrator", "audit-administrator"})
"""Of these an account holds at most one: who runs the center, who says who may, and who watches both are different people."""


def may(roles: Iterable[str], resource: str, action: str) -> bool:
    """Whether one of the roles has an action on a resource. Raises KeyError for a resource that is not in the table."""
    RESOURCES[resource]
    return any(action in ROLES[role].may.get(resource, ()) for role in roles if role in ROLES)


def purposes_of(roles: Iterable[str]) -> tuple[str, ...]:
    """The purposes for which the roles read, the usual one first."""
    found = dict.fromkeys(purpose for role in sorted(roles, key=lambda name: ROLES[name].number) for purpose in ROLES[role].purposes)
    return tuple(found)


def actions_of(resource: str) -> tuple[str, ...]:
    """Every action that some role has on a resource."""
    return tuple(dict.fromkeys(action for role in ROLES.values() for action in role.may.get(resource, ())))
