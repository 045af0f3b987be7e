"""``python -m bench [--tiny] [--side NAME] [--repeat N] [--keep] [NAME ...]``: measure, show a table, write JSON.

A full run exits with 1 when a claim does not hold; a tiny one only when a bench fails to run.
"""

import argparse
import importlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .claims import Lab, Result
from .rivals import NAMES

BENCHES = ("store", "stow", "frames", "query", "metadata", "access", "footprint")
RESULTS = Path(__file__).with_name("results")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m bench", description="Measure what we claim, beside a rival in the same run.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which benches: {', '.join(BENCHES)} (all)")
    parser.add_argument("--tiny", action="store_true", help="seconds, not minutes: shows that the benches work, judges nothing")
    parser.add_argument("--side", action="append", choices=NAMES, help="measure only this side (repeatable)")
    parser.add_argument("--repeat", type=int, help="repetitions of each measurement, the median counts (3, tiny: 1)")
    parser.add_argument("--keep", action="store_true", help="write the result under its own name, to be committed")
    parser.add_argument("--folder", type=Path, help="where homes and images go (a temporary folder)")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(BENCHES):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    return asked


def machine() -> dict[str, Any]:
    """Describe what the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 30)
    return {"processor": model, "cores": os.cpu_count(), "memory_gib": memory, "python": platform.python_version()}


def number(value: float | None) -> str:
    """Write a figure with three digits that matter."""
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(results: Iterable[Result], tiny: bool) -> Table:
    """Lay the results out as one row for each claim."""
    title = "tiny run: figures mean nothing" if tiny else None
    shown = Table("claim", "unit", "Panorad", "Orthanc", "ratio", "asked", "holds", title=title)
    for result in results:
        claim = result.claim
        asked = [f"x{claim.ratio:g}"] if claim.ratio else []
        asked += [f"{claim.bound:g} {claim.unit}"] if claim.bound else []
        verdict = "" if tiny else {True: "[green]yes", False: "[red]no", None: ""}[result.holds]
        ratio = "-" if result.ratio is None else f"{result.ratio:.2f}"
        figures = (number(result.median("panorad")), number(result.median("orthanc")))
        name = f"{claim.title}\n[dim]{result.note}" if result.note else claim.title
        shown.add_row(name, claim.unit, *figures, ratio, " ".join(asked), verdict)
    return shown


def write(results: Iterable[Result], asked: argparse.Namespace) -> Path:
    """Write the results as JSON: ``latest.json``, which git ignores, or a dated file to keep."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / (f"{time.strftime('%Y-%m-%d')}.kept.json" if asked.keep else "latest.json")
    rows = [{**asdict(r.claim), "values": r.values, "ratio": r.ratio, "holds": r.holds, "note": r.note} for r in results]
    when = time.strftime("%FT%TZ", time.gmtime())
    path.write_text(json.dumps({"when": when, "tiny": asked.tiny, "machine": machine(), "results": rows}, indent=1))
    return path


def main() -> int:
    """Run the benches that were asked for and return the exit status."""
    asked, console, results, broken = arguments(), Console(), list[Result](), list[str]()
    for name in asked.names or BENCHES:
        folder = Path(tempfile.mkdtemp(prefix=f"bench-{name}-", dir=asked.folder))
        lab = Lab(folder, asked.tiny, asked.repeat or (1 if asked.tiny else 3), tuple(asked.side or NAMES))
        console.print(f"[bold]{name}[/] [dim]{importlib.import_module(f'bench.{name}').__doc__.splitlines()[0]}")  # type: ignore[union-attr]
        try:
            importlib.import_module(f"bench.{name}").run(lab)
        except Exception:
            broken.append(name)
            console.print(traceback.format_exc(), style="red", markup=False)
        finally:
            results += lab.results
            shutil.rmtree(folder, ignore_errors=True)
    console.print(table(results, asked.tiny))
    console.print(f"written to {write(results, asked)}")
    if broken:
        console.print(f"failed: {', '.join(broken)}", style="red")
    return 1 if broken or (not asked.tiny and any(result.holds is False for result in results)) else 0


if __name__ == "__main__":
    sys.exit(main())
