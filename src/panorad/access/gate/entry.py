"""Signing in: the password, then the code where the account has a second factor; only then is there a session."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from panorad.access.gate import open_sessions, passwords, proof, second_factor, store
from panorad.access.gate.open_sessions import NOWHERE, Origin, digest
from panorad.access.gate.proof import SignInRefused
from panorad.access.gate.service import Account
from panorad.kit.transaction import Transaction
from panorad.kit.vault import Vault
from panorad.model.event import Event

STEP_S = 5 * 60
"""Seconds in which the code must follow the password."""
SOURCE_FAILURES = 60


class Entry(NamedTuple):
    """A person let in: the account, and the token of a session, or, when `pending`, that of a sign-in which still waits for its code."""

    account: Account
    token: str
    pending: bool = False


def sign_in(tx: Transaction, login: str, password: str, origin: Origin = NOWHERE, most: int = SOURCE_FAILURES) -> Entry:
    """The account and a new session's token, or a pending one's. `most`: refused sign-ins of one address in a quarter of an hour.

    Raises SignInRefused, SourceRefused; the failure is counted and recorded although it raises. An unknown login takes as long as a
    known one, and a locked account as long as an open one.
    """
    proof.check_source(tx, origin.source, most)
    row = store.one(tx, "account_by_login", login.strip())
    kept = None if row is None or row[5] else row[4]
    right = passwords.matches(kept, password)
    if row is None or not right or row[7]:
        if row is not None and not row[7]:
            proof.failed(tx, row[0])
        proof.source_failed(tx, origin.source)
        detail = {"locked": bool(row and row[7]), "from": origin.source}
        tx.emit(Event("account.refused", {"account": login.strip()[:64]}, detail, "refused"))
        raise SignInRefused
    account = Account(*row[:4])
    if not second_factor.enrolled(tx, account.id):
        return Entry(account, _enter(tx, account, origin, with_code=False))
    token = secrets.token_urlsafe(32)  # failures are not forgotten yet: who knows the password gets no more tries at the code for it
    store.change(tx, "forget_steps", account.id)
    store.change(tx, "add_step", digest(token), account.id, STEP_S)
    return Entry(account, token, pending=True)


def awaits_code(tx: Transaction, token: str) -> bool:
    """Whether a pending sign-in is still open."""
    return store.one(tx, "step", digest(token)) is not None


def finish(
    tx: Transaction, vault: Vault, token: str, code: str, origin: Origin = NOWHERE, most: int = SOURCE_FAILURES, at: float | None = None
) -> Entry:
    """The second step of a pending sign-in: a session for a code. Raises SignInRefused, SourceRefused, CodeRefused."""
    proof.check_source(tx, origin.source, most)
    row = store.one(tx, "step", digest(token))
    if row is None:
        raise SignInRefused
    account = Account(*row[:4])
    try:
        second_factor.check(tx, vault, account.id, code, at)
    except second_factor.CodeRefused:
        proof.source_failed(tx, origin.source)
        raise
    store.change(tx, "forget_steps", account.id)
    return Entry(account, _enter(tx, account, origin, with_code=True))


def _enter(tx: Transaction, account: Account, origin: Origin, *, with_code: bool) -> str:
    store.change(tx, "note_success", account.id)
    detail = {"from": origin.source, "second_factor": with_code}
    tx.emit(Event("account.signed_in", {"account": account.login}, detail, institution=account.institution))
    return open_sessions.start(tx, account.id, origin, second_factor=with_code)
