"""The actor of a bearer token: a program of an institution, or a person, narrowed to the token's scopes."""

from __future__ import annotations

from dataclasses import replace

from panorad.access.gate import service, store
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor


def token_actor(
    tx: Transaction, institution: int, code: str, issuer: str, name: str, account: int | None, purpose: str, scopes: frozenset[str]
) -> Actor:
    """Who a token stands for. It acts for one institution (id, code, Issuer of Patient ID) and one purpose."""
    if account is None:
        sees = service._below(tx, institution)
        return Actor("program", name, institution, sees, code, issuer, purpose=purpose, scopes=scopes)
    row = store.one(tx, "account_by_id", account)
    if row is None:
        raise service.AccountAbsent
    person = service.account_actor(tx, service.Account(*row[:5]), code, issuer)
    return replace(person, purpose=purpose, scopes=scopes, administrator=False)


def held(actor: Actor, resource: str, action: str) -> bool:
    """Whether a person may do this at all, so that a token of its own may have a scope for it."""
    return (resource, action) != ("intake", "read") or actor.administrator
