"""What came in but could not be taken as it came: quarantined input and conflicts, with the reason."""

from pathlib import Path

from panorad.kit.slice import Nav, Slice
from panorad.management.intake.web import routes

slice = Slice("intake", Path(__file__).parent, routes, (Nav("/intake", "Intake", "inbox", (("intake", "read"),)),))
