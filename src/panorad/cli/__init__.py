"""`panorad`: the command line."""

from __future__ import annotations

from panorad.cli.main import app

__all__ = ["app"]
