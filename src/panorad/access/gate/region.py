"""Institutions and nodes as a system administrator keeps them: at the institution acted for and below."""

from __future__ import annotations

from panorad.access.gate.roles import require, require_reach
from panorad.access.gate.service import InstitutionInvalid, add_institution, add_node, describe_institution, institutions, node
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor


def found_institution(tx: Transaction, code: str, name: str, name_zh: str, issuer: str, parent: str) -> None:
    """Add an institution below another. Raises NotAllowed, OutOfReach, and what `add_institution` raises."""
    _may(tx, "institution")
    require_reach(tx, parent)
    if not name.strip():
        raise InstitutionInvalid("it needs a name")
    add_institution(tx, code, name.strip(), name_zh.strip(), issuer.strip(), parent)


def change_institution(tx: Transaction, code: str, name: str, name_zh: str, parent: str | None) -> None:
    """Change names, and the place in the tree; the institution acted for stays where it is.

    Raises NotAllowed, OutOfReach, and what `describe_institution` raises.
    """
    _may(tx, "institution")
    require_reach(tx, code)
    present = next(one for one in institutions(tx) if one.code == code)
    if parent != present.parent:
        require_reach(tx, parent or "")
    if not name.strip():
        raise InstitutionInvalid("it needs a name")
    describe_institution(tx, code, name.strip(), name_zh.strip(), parent)


def register_node(tx: Transaction, ae_title: str, institution: str, host: str, port: int | None, description: str) -> None:
    """Register a node or change it. Raises NotAllowed, OutOfReach (where it belongs to another institution), NodeInvalid."""
    _may(tx, "node")
    require_reach(tx, institution)
    known = node(tx, ae_title)
    if known is not None:
        require_reach(tx, known.institution)
    add_node(tx, ae_title, institution, host.strip() or None, port, description.strip())


def _may(tx: Transaction, resource: str) -> None:
    actor = tx.actor
    assert isinstance(actor, Actor)
    require(actor, resource, "change")
