"""Sign-ins through the provider: begun, taken back once, turned into an account and a session, ended from there."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from panorad.access.gate import Account, begin_session
from panorad.access.gate.jose import SignatureRefused
from panorad.access.gate.service import AccountAbsent
from panorad.access.oidc import store
from panorad.access.oidc.mapping import NoRole, granted, values
from panorad.access.oidc.provider import Provider, Registration, SignInFailed
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.event import Event

FLOW_S = 600
"""Seconds in which a person may come back from the provider."""


class AccountDisabled(PanoradError):
    """This account has been closed here; ask an administrator of your institution"""

    kind = Kind.FORBIDDEN


class IdentityTaken(PanoradError):
    """This person at the provider already has an account"""

    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in that is back from the provider."""

    nonce: str
    verifier: str
    redirect_uri: str
    next: str


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def begin(tx: Transaction, provider: Provider, browser: str, redirect_uri: str, wanted: str) -> str:
    """Begin a sign-in of a browser (a secret in its cookie); gives the address at the provider. Raises ProviderAway."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    store.change(tx, "forget_flows", FLOW_S)
    store.change(tx, "add_flow", _digest(state), _digest(browser), nonce, verifier, redirect_uri, wanted)
    return provider.authorization(state, nonce, verifier, redirect_uri)


def take(tx: Transaction, state: str, browser: str) -> Flow | None:
    """The sign-in that an answer belongs to, once, and only in the browser that began it."""
    row = store.one(tx, "take_flow", _digest(state), _digest(browser), FLOW_S)
    return Flow(*row) if row else None


def refused(tx: Transaction, reason: str) -> None:
    """Record that a sign-in was refused."""
    tx.emit(Event("account.provider_refused", {}, {"reason": reason}, "refused"))


def sign_in(tx: Transaction, registration: Registration, claims: Mapping[str, Any]) -> tuple[Account, str]:
    """The account of whom the claims tell, made at the first sign-in, and a new session's token.

    Raises NoRole, TwoAdministrators, AccountDisabled.
    """
    grants = granted(claims, registration.table, registration.roles_claim, registration.institution_claim)
    known = {row[0] for row in store.ask(tx, "known_institutions", [code for code, _ in grants])}
    grants = tuple(one for one in grants if one[0] in known)
    if not grants:
        raise NoRole
    row = store.one(tx, "account_of", registration.issuer, claims["sub"])
    if row is None:
        account = _new_account(tx, registration, claims, grants[0][0])
    elif row[5]:
        raise AccountDisabled
    else:
        account = _placed(tx, Account(*row[:5]), grants[0][0])
    token = begin_session(tx, account)
    sid = claims.get("sid")
    store.change(tx, "add_session_identity", _digest(token), registration.issuer, claims["sub"], sid if isinstance(sid, str) else "")
    return account, token


def _placed(tx: Transaction, account: Account, code: str) -> Account:
    """The account at the institution that the claims now name; one that was linked, and has a password, stays where it is."""
    row = store.one(tx, "move_account", code, account.id, code)
    return replace(account, institution=row[0]) if row else account


def _new_account(tx: Transaction, registration: Registration, claims: Mapping[str, Any], code: str) -> Account:
    """An account without a password. A login that is taken here is never taken over: the new one gets another."""
    name = next(iter(values(claims, "name")), "").strip()[:120]
    wanted = re.sub(r"[^A-Za-z0-9._@-]", "-", next(iter(values(claims, registration.login_claim)), ""))[:56].lstrip("._@-")
    mark = sha256(f"{registration.issuer}\n{claims['sub']}".encode()).hexdigest()[:6]
    for login in (wanted, f"{wanted or 'person'}-{mark}"):
        if len(login) < 2:
            continue
        if row := store.one(tx, "add_account", login, name or login, code):
            store.change(tx, "add_identity", registration.issuer, claims["sub"], row[0])
            tx.emit(Event("account.added", {"account": login}, {"provider": registration.issuer}, institution=row[1]))
            return Account(row[0], login, name or login, row[1], False)
    raise SignInFailed


def link(tx: Transaction, login: str, issuer: str, subject: str) -> None:
    """Let a person at the provider come in as an account that is there. Raises AccountAbsent, IdentityTaken."""
    row = store.one(tx, "account_by_login", login)
    if row is None:
        raise AccountAbsent(login[:64])
    if not store.change(tx, "add_identity", issuer, subject, row[0]):
        raise IdentityTaken
    tx.emit(Event("account.linked", {"account": login}, {"provider": issuer}, institution=row[1]))


def end_sessions(tx: Transaction, issuer: str, subject: str, sid: str, jti: str, expires: float) -> int:
    """End the sessions that a checked logout token names; each token serves once. How many there were. Raises SignatureRefused."""
    if not store.change(tx, "add_assertion", issuer, _digest(jti), expires):
        raise SignatureRefused("it was used before")
    ended = len(store.ask(tx, "end_sessions", issuer, sid, sid, subject, subject))
    tx.emit(Event("account.provider_ended", {}, {"sessions": ended}))
    return ended
