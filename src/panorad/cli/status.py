"""`panorad status`: what the center holds and whether it runs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

from rich.table import Table

from panorad.app.supervisor import reached_at
from panorad.cli.console import center_of, out
from panorad.data import process
from panorad.model.actor import SYSTEM


def show(home: Path | None) -> None:
    """Print counts, size and the answers of the health page."""
    with center_of(home) as center:
        with center.begin(SYSTEM) as tx:
            figures = center.figures(tx)
            standing = process.standing(tx) if center.settings.audit_collector else None
        settings = center.settings
        running = _health(reached_at(settings.http, "127.0.0.1"))
    table = Table(show_header=False)
    table.add_row("home", str(settings.home))
    table.add_row("web", f"http://{reached_at(settings.http)}: {running}")
    for name, value in figures.items():
        table.add_row(name, f"{value / 1e6:,.1f} MB" if name == "bytes" else f"{value:,}")
    if standing is not None:
        table.add_row("audit trail", standing.fault or ("handed over" if not standing.waiting else "under way"))
    out.print(table)


def _health(http: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{http}/health/ready", timeout=2) as answer:
            return str(json.load(answer)["status"])
    except urllib.error.HTTPError as error:
        return "not ready: " + "; ".join(json.load(error)["problems"].values())
    except (urllib.error.URLError, OSError, ValueError):
        return "not running"
