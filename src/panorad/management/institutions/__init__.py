"""The members of the region and their DICOM nodes."""

from pathlib import Path

from panorad.kit.slice import Nav, Slice
from panorad.management.institutions.web import routes

slice = Slice("institutions", Path(__file__).parent, routes, (Nav("/institutions", "Institutions", "tree", (("institution", "read"),)),))
