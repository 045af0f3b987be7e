"""Who lets whom see what: grants, and what patients permit."""

from pathlib import Path

from panorad.kit.slice import Nav, Slice
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
from panorad.management.sharing.web import routes

NEEDS = (("grant", "read"), ("consent", "read"), ("policy", "read"))
slice = Slice("sharing", Path(__file__).parent, routes, (Nav("/sharing", "Sharing", "share", NEEDS, staff=True),))

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
    "slice",
    "withdraw_consent",
]
