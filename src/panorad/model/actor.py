"""Who acts, for whom, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ActorKind = Literal["person", "node", "program", "link", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """One acting party in one request: its identity, the institution it acts for, its roles there, its purpose, and from where.

    What the database shows to it:
    `sees` lists the institutions whose data it sees as a whole (its own, and those that let it); None means everything.
    `strict` lists the institutions whose patients must have consented before this actor sees them for this purpose.
    `parties` are the numbers under which something may be granted to it (`panorad.model.party`).
    `audits` lists the institutions whose events it may read.

    `issuer` is the Issuer of Patient ID assumed for images of its institution that carry none.
    `scopes` are those of the token it came with, which narrow what it may do; None for whoever came without one.
    """

    kind: ActorKind
    name: str
    institution: int | None = None
    sees: tuple[int, ...] | None = ()
    institution_code: str = ""
    issuer: str = ""
    account: int | None = None
    purpose: str = "treatment"
    source: str = ""
    roles: frozenset[str] = frozenset()
    strict: tuple[int, ...] = ()
    parties: tuple[int, ...] = ()
    audits: tuple[int, ...] = ()
    scopes: frozenset[str] | None = None


SYSTEM = Actor("system", "panorad", sees=None, purpose="operation")
"""The center itself: jobs, recovery, the command line."""
