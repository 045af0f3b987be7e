"""Sign-ins through the provider: begun, taken back once, turned into an account and a session, ended from there."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from panorad.access.gate import Account, AccountAbsent, open_sessions
from panorad.access.gate.jose import SignatureRefused
from panorad.access.gate.known import institution_id
from panorad.access.gate.open_sessions import NOWHERE, Origin
from panorad.access.gate.roles import held, replace_roles
from panorad.access.oidc import mapping, store
from panorad.access.oidc.mapping import NoRole, values
from panorad.access.oidc.provider import Provider, Registration, SignInFailed
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.event import Event

FLOW_S = 600
"""Seconds in which a person may come back from the provider."""
ORIGIN = "oidc"
"""Where roles come from that the provider's claims give."""


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


def sign_in(tx: Transaction, registration: Registration, claims: Mapping[str, Any], origin: Origin = NOWHERE) -> tuple[Account, str]:
    """The account of whom the claims tell, made at the first sign-in, with the roles that they give now; and a new session's token.

    Roles that came otherwise stay. The account stays at home where it was made; the session acts for the first institution of the claims
    where no role is held at home. Raises NoRole, which takes the roles away that earlier claims gave, TwoAdministrators, RoleConflict (with
    a role that was given here), AccountDisabled.
    """
    row = store.one(tx, "account_of", registration.issuer, claims["sub"])
    account = Account(*row[:4]) if row else None
    try:
        grants = _grants(tx, registration, claims)
    except NoRole:
        if account:
            replace_roles(tx, account.login, (), ORIGIN)
        raise
    if row and row[4]:
        raise AccountDisabled
    account = account or _new_account(tx, registration, claims, grants[0][0])
    replace_roles(tx, account.login, grants, ORIGIN)
    vouched = mapping.vouched(claims, time.time())
    detail = {"from": origin.source, "second_factor": vouched, "provider": registration.issuer}
    tx.emit(Event("account.signed_in", {"account": account.login}, detail, institution=account.institution))
    at_home = any(institution_id(tx, one.institution) == account.institution for one in held(tx, account.login))
    place = None if at_home else institution_id(tx, grants[0][0])
    token = open_sessions.start(tx, account.id, origin, second_factor=vouched, institution=place)
    sid = claims.get("sid")
    store.change(tx, "add_session_identity", _digest(token), registration.issuer, claims["sub"], sid if isinstance(sid, str) else "")
    return account, token


def _grants(tx: Transaction, registration: Registration, claims: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What the claims give at institutions that are here."""
    grants = mapping.granted(claims, registration.table, registration.roles_claim, registration.institution_claim)
    known = {row[0] for row in store.ask(tx, "known_institutions", [code for code, _ in grants])}
    found = tuple(one for one in grants if one[0] in known)
    if not found:
        raise NoRole
    return found


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
            return Account(row[0], login, name or login, row[1])
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
