"""The study list and the study page: what has been received, found by one search box, opened by one key."""

from pathlib import Path

from panorad.application.studies.web import routes
from panorad.kit.slice import Nav, Slice

slice = Slice("studies", Path(__file__).parent, routes, (Nav("/", "Studies", "list", (("study", "read"),)),))
