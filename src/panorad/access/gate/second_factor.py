"""One-time codes of an authenticator app (RFC 6238: SHA-1, six digits, 30 s), and ten recovery codes for the day the phone is gone.

A code is good once: the step it belongs to is kept, and none of that step or before is taken again (RFC 6238 section 5.2). One step of
clock skew is allowed each way. The secret is encrypted with the key of the home folder.
"""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

import pyotp

from panorad.access.gate import open_sessions, proof, store
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.kit.vault import Vault
from panorad.model.event import Event

STEP_S = 30
SKEW = 1
"""Steps before and after the present one whose codes are taken."""
RECOVERY_CODES = 10
PROPOSED_S = 15 * 60
"""Seconds in which a new authenticator is to be confirmed."""


class CodeRefused(PanoradError):
    """This code is not right or was used before, or the account is locked for a while"""

    kind = Kind.FORBIDDEN
    keeps = True


class NotEnrolled(PanoradError):
    """There is no second factor on this account"""

    kind = Kind.CONFLICT


class NothingProposed(PanoradError):
    """Setting up took too long; begin again"""

    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class State:
    """Since when an account has a second factor (None: it has none), and how many recovery codes are left."""

    since: datetime | None
    recovery_codes: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """A new secret for an app: in Base32, and as the address that the app reads from a picture."""

    secret: str
    address: str


def state(tx: Transaction, account_id: int) -> State:
    """Whether an account has a second factor."""
    row = store.one(tx, "second_factor_state", account_id)
    return State(row[0], row[1]) if row and row[0] else State(None, 0)


def enrolled(tx: Transaction, account_id: int) -> bool:
    """Whether an account has a second factor in use."""
    return state(tx, account_id).since is not None


def propose(tx: Transaction, vault: Vault, account_id: int, login: str) -> Proposal:
    """A new secret, in use once a code of it is given to `accept`; what is in use stays so until then. The edge has checked who asks."""
    secret = pyotp.random_base32()
    store.change(tx, "propose_factor", account_id, vault.seal(secret))
    return _proposal(secret, login)


def proposal(tx: Transaction, vault: Vault, account_id: int, login: str) -> Proposal:
    """The secret that is being set up, to show it again after a wrong code. Raises NothingProposed."""
    row = store.one(tx, "proposed_factor", account_id, PROPOSED_S)
    if row is None:
        raise NothingProposed
    return _proposal(vault.open(row[0]), login)


def _proposal(secret: str, login: str) -> Proposal:
    return Proposal(secret, pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name="Panorad"))


def accept(tx: Transaction, vault: Vault, account_id: int, code: str, at: float | None = None) -> list[str]:
    """Take the proposed secret into use; the new recovery codes, which nobody can read again. Raises NothingProposed, CodeRefused."""
    row = store.one(tx, "proposed_factor", account_id, PROPOSED_S)
    if row is None:
        raise NothingProposed
    step = _step(vault.open(row[0]), code, at)
    if step is None:
        raise CodeRefused
    store.change(tx, "accept_factor", step, account_id)
    codes = renew_recovery_codes(tx, vault, account_id)
    _emit(tx, "account.second_factor_set", account_id)
    return codes


def renew_recovery_codes(tx: Transaction, vault: Vault, account_id: int) -> list[str]:
    """Ten new recovery codes in place of those there were."""
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    store.change(tx, "forget_recovery_codes", account_id)
    for code in codes:
        store.change(tx, "add_recovery_code", account_id, _recovery_digest(vault, account_id, code))
    return codes


def _recovery_code() -> str:
    """Sixty bits in three groups of four letters and digits."""
    text = base64.b32encode(secrets.token_bytes(8)).decode().lower()[:12]
    return "-".join(text[at : at + 4] for at in (0, 4, 8))


def _recovery_digest(vault: Vault, account_id: int, code: str) -> bytes:
    return vault.digest(f"recovery:{account_id}:{_letters(code)}")


def _letters(code: str) -> str:
    return "".join(letter for letter in code.lower() if letter.isalnum())


def check(tx: Transaction, vault: Vault, account_id: int, code: str, at: float | None = None) -> None:
    """Take a code of the app or a recovery code, each once. Raises CodeRefused, which counts into the lockout, NotEnrolled."""
    barred = proof.locked(tx, account_id)
    row = store.one(tx, "second_factor", account_id)
    if row is None:
        raise NotEnrolled
    if barred or not (_take_code(tx, vault.open(row[0]), account_id, code, at) or _take_recovery(tx, vault, account_id, code)):
        if not barred:
            proof.failed(tx, account_id)
        _emit(tx, "account.refused", account_id, step="code", locked=barred)
        raise CodeRefused


def _take_code(tx: Transaction, secret: str, account_id: int, code: str, at: float | None) -> bool:
    step = _step(secret, code, at)
    return step is not None and store.change(tx, "take_step", step, account_id, step) == 1


def _take_recovery(tx: Transaction, vault: Vault, account_id: int, code: str) -> bool:
    if len(_letters(code)) != 12 or not store.change(tx, "take_recovery_code", account_id, _recovery_digest(vault, account_id, code)):
        return False
    _emit(tx, "account.recovery_code_used", account_id, left=state(tx, account_id).recovery_codes)
    return True


def _step(secret: str, code: str, at: float | None) -> int | None:
    """The time step that a code belongs to (RFC 6238 section 4.2), within the skew allowed; None for a code of another time."""
    given = "".join(code.split())
    if len(given) != 6 or not given.isascii() or not given.isdigit():
        return None
    totp, now = pyotp.TOTP(secret), int((time.time() if at is None else at) // STEP_S)
    steps = [step for step in range(now - SKEW, now + SKEW + 1) if compare_digest(totp.generate_otp(step), given)]
    return steps[-1] if steps else None


def confirm(tx: Transaction, vault: Vault, account_id: int, token: str, code: str, at: float | None = None) -> str:
    """Note a code on a session that is open already; its new token. Raises CodeRefused, NotEnrolled, SessionAbsent."""
    check(tx, vault, account_id, code, at)
    store.change(tx, "note_success", account_id)
    _emit(tx, "account.confirmed", account_id)
    return open_sessions.rotate(tx, token, second_factor=True)


def remove(tx: Transaction, account_id: int) -> None:
    """Take the second factor off an account; nothing that needs one is open to it then. The edge has checked who asks."""
    if store.change(tx, "remove_factor", account_id):
        store.change(tx, "forget_codes_given", account_id)
        _emit(tx, "account.second_factor_removed", account_id)


def reset(tx: Transaction, account_id: int) -> None:
    """Take the second factor off somebody's account who has lost it, and end every session. Raises NotEnrolled."""
    if not enrolled(tx, account_id):
        raise NotEnrolled
    remove(tx, account_id)
    open_sessions.end_others(tx, account_id)


def _emit(tx: Transaction, kind: str, account_id: int, **detail: object) -> None:
    row = store.one(tx, "account_by_id", account_id)
    refused = kind == "account.refused"
    tx.emit(Event(kind, {"account": row[1] if row else ""}, detail, "refused" if refused else "success", row[3] if row else None))
