"""Accounts and their roles, and what each role may do."""

from pathlib import Path

from panorad.kit.slice import Nav, Slice
from panorad.management.people.web import routes

slice = Slice("people", Path(__file__).parent, routes, (Nav("/people", "People", "people", (("account", "read"),)),))
