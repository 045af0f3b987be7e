"""The audit trail for the audit administrator: who did what, when, from where, for whom, why and with what result; who has looked."""

from pathlib import Path

from panorad.kit.slice import Nav, Slice
from panorad.management.audit.web import routes

slice = Slice("audit", Path(__file__).parent, routes, (Nav("/audit", "Audit", "shield"),))
