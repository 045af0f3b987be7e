"""The OHIF viewer, served from the prepared build under /viewer."""

from pathlib import Path

from panorad.application.viewer.web import routes
from panorad.kit.slice import Slice

slice = Slice("viewer", Path(__file__).parent, routes)
