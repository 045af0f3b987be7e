"""Who lets whom see what: grants, and what patients permit."""

from panorad.management.sharing.consents import (
    Consent,
    Patient,
    Proxy,
    consents,
    policies,
    record_consent,
    set_policy,
    withdraw_consent,
)
from panorad.management.sharing.grants import Grant, Grantee, Scope, give, grants, revoke

__all__ = [
    "Consent",
    "Grant",
    "Grantee",
    "Patient",
    "Proxy",
    "Scope",
    "consents",
    "give",
    "grants",
    "policies",
    "record_consent",
    "revoke",
    "set_policy",
    "withdraw_consent",
]
