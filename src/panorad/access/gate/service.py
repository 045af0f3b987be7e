"""Institutions, nodes, accounts, sessions: who may come in."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from panorad.access.gate import actors, passwords, proof, roles, store
from panorad.access.gate.known import AccountAbsent, InstitutionAbsent, below, institution_id
from panorad.access.gate.known import institution as institution_of
from panorad.access.gate.open_sessions import USUAL, Limits
from panorad.access.gate.open_sessions import digest as _digest
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor
from panorad.model.event import Event

WELCOME_S = 7 * 24 * 3600
FIRST_ROLES = ("system-administrator", "radiologist")
"""What the first person of a new center is; it then appoints the security and the audit administrator, who must be others."""
_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,31}")
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{1,63}")


class WelcomeClosed(PanoradError):
    """This one-time link has been used or has expired"""

    kind = Kind.FORBIDDEN


class LoginInvalid(PanoradError):
    """A login has 2 to 64 letters, digits, dots, dashes, underscores or @"""

    kind = Kind.INVALID


class AccountExists(PanoradError):
    """There is already an account with this login"""

    kind = Kind.CONFLICT


class InstitutionExists(PanoradError):
    """There is already an institution with this code"""

    kind = Kind.CONFLICT


class InstitutionInvalid(PanoradError):
    """An institution's code has up to 32 capital letters, digits, dashes or underscores"""

    kind = Kind.INVALID


class NodeUnknown(PanoradError):
    """No institution has registered this AE title"""

    kind = Kind.FORBIDDEN


class NodeInvalid(PanoradError):
    """An AE title has 1 to 16 characters without backslash or control characters, a port is between 1 and 65535"""

    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Institution:
    """A member of the region; `issuer` is the Issuer of Patient ID of images that carry none, `parent` the code of the one above."""

    id: int
    code: str
    name: str
    name_zh: str
    issuer: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class Node:
    """A DICOM application entity of an institution; host and port are None when we may not send to it, `tls` says how."""

    ae_title: str
    institution: str
    host: str | None
    port: int | None
    description: str
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """A person's local account."""

    id: int
    login: str
    name: str
    institution: int


# -- institutions and nodes ------------------------------------------------------------------------------------------------------------


def institutions(tx: Transaction) -> list[Institution]:
    """All institutions by code."""
    return [Institution(*row) for row in store.ask(tx, "institutions")]


def add_institution(tx: Transaction, code: str, name: str, name_zh: str = "", issuer: str = "", parent: str | None = None) -> int:
    """Add a member of the region. Raises InstitutionInvalid, InstitutionExists, InstitutionAbsent (the parent)."""
    if not _CODE.fullmatch(code):
        raise InstitutionInvalid(code)
    if parent is not None:
        institution_of(tx, parent)
    row = store.one(tx, "add_institution", code, name, name_zh, issuer or code, parent)
    if row is None:
        raise InstitutionExists(code)
    tx.emit(Event("institution.added", {"institution": code}, {"name": name, "parent": parent}))
    return int(row[0])


def describe_institution(tx: Transaction, code: str, name: str, name_zh: str, parent: str | None) -> None:
    """Change an institution's names and the one above it. Raises InstitutionAbsent.

    InstitutionInvalid for a tree that would bite its tail.
    """
    if parent is not None and institution_id(tx, parent) in below(tx, institution_id(tx, code)):
        raise InstitutionInvalid(f"{parent} stands below {code}")
    store.change(tx, "describe_institution", name, name_zh, parent, code)
    tx.emit(Event("institution.changed", {"institution": code}, {"name": name, "parent": parent}, institution=institution_id(tx, code)))


def ensure_institution(tx: Transaction, code: str, name: str = "") -> int:
    """The id of an institution, which is added when it is not there."""
    row = store.one(tx, "institution_by_code", code)
    return int(row[0]) if row else add_institution(tx, code, name or code)


def nodes(tx: Transaction) -> list[Node]:
    """All registered nodes by AE title."""
    return [Node(*row) for row in store.ask(tx, "nodes")]


def node(tx: Transaction, ae_title: str) -> Node | None:
    """One registered node."""
    row = store.one(tx, "node", ae_title.strip())
    return Node(*(*row[:5], row[8])) if row else None


def add_node(
    tx: Transaction,
    ae_title: str,
    institution: str,
    host: str | None = None,
    port: int | None = None,
    description: str = "",
    tls: bool = False,
) -> None:
    """Register a node, or change it; `tls`: images are sent to it over TLS. Raises NodeInvalid, InstitutionAbsent."""
    title = ae_title.strip()
    if not 1 <= len(title) <= 16 or "\\" in title or not title.isprintable() or (port is not None and not 1 <= port <= 65535):
        raise NodeInvalid(f"{ae_title} {port or ''}")
    kind = "node.added" if node(tx, title) is None else "node.changed"
    store.change(tx, "put_node", title, institution_id(tx, institution), host, port, description, tls)
    tx.emit(Event(kind, {"node": title, "institution": institution}, {"host": host, "port": port, "tls": tls}))


# -- actors ----------------------------------------------------------------------------------------------------------------------------


def node_actor(tx: Transaction, ae_title: str, peer: str) -> Actor:
    """The actor that a calling AE title stands for. Raises NodeUnknown."""
    row = store.one(tx, "node", ae_title.strip())
    if row is None:
        raise NodeUnknown(ae_title.strip())
    return actors.node(tx, row[0], row[7], int(row[5]), row[1], row[6], peer)


def open_actor(tx: Transaction, code: str, name: str = "anyone", kind: str = "person", peer: str = "") -> Actor:
    """Whoever comes to a center that runs without sign-in: sees everything, sends for the default institution."""
    institution, _, issuer = institution_of(tx, code)
    return actors.everyone(name, "node" if kind == "node" else "person", institution, code, issuer, peer)


def actor_of_institution(tx: Transaction, code: str, name: str = "panorad") -> Actor:
    """The center itself, acting for an institution: import and recovery. Raises InstitutionAbsent."""
    institution, _, issuer = institution_of(tx, code)
    return actors.center_for(institution, code, issuer, name)


def account_actor(tx: Transaction, login: str, institution: str = "", purpose: str | None = None, peer: str = "") -> Actor:
    """The person of an account acting for an institution (its own when empty). Raises AccountAbsent, InstitutionAbsent."""
    row = store.one(tx, "account_by_login", login)
    if row is None:
        raise AccountAbsent(login)
    code = institution or str(store.ask(tx, "code_of", row[3])[0][0])
    at, _, issuer = institution_of(tx, code)
    return actors.person(tx, row[0], row[1], at, code, issuer, purpose, peer)


# -- accounts and sessions -------------------------------------------------------------------------------------------------------------


def without_accounts(tx: Transaction) -> bool:
    """Whether nobody can sign in yet."""
    row = store.one(tx, "count_accounts")
    return row is None or row[0] == 0


def add_account(
    tx: Transaction, login: str, name: str, password: str, institution: str, held: Sequence[str] = (), origin: str = "manual"
) -> Account:
    """Make an account, with roles at its institution; without any it may sign in and see nothing.

    Raises LoginInvalid, InstitutionAbsent, AccountExists, RoleUnknown, RoleConflict, or what `passwords.check` raises.
    """
    if not _LOGIN.fullmatch(login):
        raise LoginInvalid(login)
    passwords.check(password, login)
    at, _, _ = institution_of(tx, institution)
    row = store.one(tx, "add_account", login, name.strip() or login, passwords.hashed(password), at)
    if row is None:
        raise AccountExists(login)
    tx.emit(Event("account.added", {"account": login}, institution=at))
    for role in held:
        roles.give_role(tx, login, institution, role, origin)
    return Account(row[0], login, name.strip() or login, at)


def account(tx: Transaction, login: str) -> Account:
    """The account of a login. Raises AccountAbsent."""
    row = store.one(tx, "account_by_login", login.strip())
    if row is None:
        raise AccountAbsent(login)
    return Account(*row[:4])


def session(
    tx: Transaction, token: str, limits: Limits = USUAL, *, reading: bool = False, unattended: bool = False
) -> Actor | None:
    """Who a session token stands for; None when it is unknown, idle for too long or too old.

    `reading`: for the viewer and its images, which stay open while somebody reads. `unattended`: nobody asked by hand, so the session
    grows no younger by it.
    """
    digest = _digest(token)
    row = store.one(tx, "session", limits.beat_s, digest, reading, limits.idle_s, limits.longest_s, limits.grace_s)
    if row is None:
        return None
    account, login, institution, code, issuer, purpose, stale = row
    if stale and not unattended:
        store.change(tx, "touch_session", digest)
    return actors.person(tx, account, login, institution, code, issuer, purpose)


def sign_out(tx: Transaction, token: str) -> None:
    """End a session."""
    if row := store.one(tx, "end_session", _digest(token)):
        account = store.one(tx, "account_by_id", row[0])
        tx.emit(Event("account.signed_out", {"account": account[1] if account else row[0]}))


def set_password(tx: Transaction, account_id: int, old: str, new: str) -> None:
    """Change one's own password; every session of the account ends. Raises SignInRefused."""
    proof.check_password(tx, account_id, old)
    row = store.one(tx, "account_by_id", account_id)
    assert row is not None
    _replace_password(tx, row[0], row[1], new)


def set_password_of(tx: Transaction, login: str, new: str) -> None:
    """Set anybody's password, from the command line. Raises AccountAbsent."""
    row = store.one(tx, "account_by_login", login.strip())
    if row is None:
        raise AccountAbsent(login)
    _replace_password(tx, row[0], row[1], new)


def _replace_password(tx: Transaction, account_id: int, login: str, new: str) -> None:
    passwords.check(new, login)
    store.change(tx, "set_password", passwords.hashed(new), account_id)
    store.change(tx, "end_sessions", account_id)
    tx.emit(Event("account.password_set", {"account": login}))


# -- the first administrator -------------------------------------------------------------------------------------------------------------


def make_welcome(tx: Transaction) -> str:
    """A one-time token with which the first administrator comes in."""
    token = secrets.token_urlsafe(24)
    store.change(tx, "add_welcome", _digest(token), WELCOME_S)
    return token


def welcome_open(tx: Transaction, token: str) -> bool:
    """Whether a one-time token is still good."""
    return store.one(tx, "welcome_open", _digest(token)) is not None


def redeem_welcome(tx: Transaction, token: str, login: str, name: str, password: str) -> Account:
    """Make the first administrator, at the topmost institution. Raises WelcomeClosed, LoginInvalid, AccountExists."""
    if not welcome_open(tx, token) or store.one(tx, "redeem_welcome", _digest(token)) is None:
        raise WelcomeClosed
    top = next((found.code for found in institutions(tx) if found.parent is None), None)
    if top is None:
        raise InstitutionAbsent("there is none yet")
    return add_account(tx, login, name, password, top, FIRST_ROLES, "welcome")
