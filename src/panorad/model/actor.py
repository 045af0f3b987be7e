"""Who acts, for whom, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ActorKind = Literal["person", "node", "program", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """One acting party in one request: its identity, the institution it acts for, what it may see, and from where.

    `sees` lists the ids of the institutions whose data the database shows to this actor; None means every institution.
    `issuer` is the Issuer of Patient ID assumed for images of this institution that carry none.
    `scopes` are those of the token it came with, which narrow what it may do; None for whoever came without one.
    """

    kind: ActorKind
    name: str
    institution: int | None = None
    sees: tuple[int, ...] | None = ()
    institution_code: str = ""
    issuer: str = ""
    account: int | None = None
    administrator: bool = False
    purpose: str = "treatment"
    source: str = ""
    scopes: frozenset[str] | None = None


SYSTEM = Actor("system", "panorad", sees=None, purpose="operation")
"""The center itself: jobs, recovery, the command line."""
