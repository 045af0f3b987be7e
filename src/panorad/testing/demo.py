"""`make demo`: a center on this machine, filled by three fictitious institutions over DICOM; `python -m panorad.testing.demo --help`.

Everything may be interrupted at any moment and started again: images that were made or fetched lie in a cache, images that were sent
are remembered, and what the center acknowledged it keeps.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from panorad.access import gate
from panorad.cli.console import center_of
from panorad.model.actor import SYSTEM
from panorad.settings import load

LOGIN = "demo"
DEMO_ROLES = ("radiologist", "department-head", "system-administrator")
MEMBERS = (
    ("CENTER", "Regional Imaging Center (fictitious)", "区域影像中心（虚构）", None),
    ("COUNTY", "County Hospital (fictitious)", "县人民医院（虚构）", "CENTER"),
    ("YUNLING", "Yunling Township Clinic (fictitious)", "云岭镇卫生院（虚构）", "CENTER"),
)
"""The region: code, name, Chinese name, the institution above."""
_BATCH = 100
out = Console(highlight=False)


@dataclass(frozen=True)
class Place:
    """Where the demo lives and answers."""

    home: Path
    http: str
    dimse: str
    cache: Path


def main(
    home: Annotated[Path, typer.Option(help="Home folder of the demo's center.")] = Path(".demo/home"),
    http: Annotated[str, typer.Option(help="Address and port of the web server.")] = "127.0.0.1:8080",
    dimse: Annotated[str, typer.Option(help="Address and port of the DICOM server.")] = "127.0.0.1:11112",
    cache: Annotated[Path, typer.Option(help="Folder for images that are made or fetched once.")] = Path(".demo/images"),
    stop_when_filled: Annotated[bool, typer.Option("--stop-when-filled", help="End when everything has arrived.")] = False,
) -> None:
    """Start a center and fill it: a township clinic, a county hospital and a regional center send their studies over DICOM."""
    warnings.simplefilter("ignore")  # pydicom's test files are odd on purpose
    place = Place(home.absolute(), http, dimse, cache.absolute())
    interrupted = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: interrupted.set())
    with serving(place, interrupted) as server:
        if server is None:
            raise typer.Exit(0 if interrupted.is_set() else 1)
        password = region(place)
        tell(place, password)
        fill(place, interrupted)
        if not interrupted.is_set():
            tell(place, password)
            if not stop_when_filled:
                out.print("Ctrl-C ends it; `make demo` starts it again, with everything in it.")
        while not (stop_when_filled or interrupted.is_set()) and server.poll() is None:
            interrupted.wait(0.5)


@contextlib.contextmanager
def serving(place: Place, interrupted: threading.Event) -> Iterator[subprocess.Popen[str] | None]:
    """The center, ready, as a child process that ends with the block; None when it did not start."""
    out.print("Starting the center ...")
    environment = {**os.environ, "PANORAD_INSTITUTION": MEMBERS[0][0], "PANORAD_INSTITUTION_NAME": MEMBERS[0][1]}
    command = [sys.executable, "-m", "panorad", "serve", "--home", str(place.home), "--http", place.http, "--dimse", place.dimse]
    # a session of its own: Ctrl-C reaches us, and we end the center in order
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield server if _ready(server, interrupted) else None
    finally:
        if server.poll() is None:
            out.print("Stopping the center ...")
            server.terminate()
        server.wait()


def _ready(server: subprocess.Popen[str], interrupted: threading.Event) -> bool:
    """Wait for the line that says ready; the rest of what the center says is read and dropped."""
    came = threading.Event()

    def read() -> None:
        for line in server.stdout or ():
            if line.startswith("ready:"):
                came.set()

    threading.Thread(target=read, daemon=True).start()
    while not came.is_set() and server.poll() is None and not interrupted.is_set():
        came.wait(0.1)
    return came.is_set()


def region(place: Place) -> str:
    """Institutions, nodes and an account, made when they are not there; returns the account's password."""
    note = place.home / "demo-password"
    with center_of(place.home) as center, center.begin(SYSTEM) as tx:
        known = {one.code: one for one in gate.institutions(tx)}
        for code, name, name_zh, parent in MEMBERS:
            if code in known:
                gate.describe_institution(tx, code, name, name_zh, parent)
            else:
                gate.add_institution(tx, code, name, name_zh, "", parent)
            gate.add_node(tx, f"SCANNER_{code}", code, description="demo scanner")
        if note.is_file() and not gate.without_accounts(tx):
            return note.read_text("ascii").strip()
        password = "-".join(secrets.token_hex(2) for _ in range(4))
        if gate.without_accounts(tx):
            gate.add_account(tx, LOGIN, "Demo Reader (fictitious)", password, MEMBERS[0][0], DEMO_ROLES)
        else:
            gate.set_password_of(tx, LOGIN, password)
        note.touch(0o600)
        note.write_text(password, "ascii")
    return password


def tell(place: Place, password: str) -> None:
    """Where to look and how to sign in."""
    out.print()
    out.print(f"  [bold]http://{escape(place.http)}[/]   sign in as [bold]{LOGIN}[/] with the password [bold]{password}[/]")
    out.print(f"  DICOM: PANORAD at {escape(place.dimse)}, calling as SCANNER_CENTER, SCANNER_COUNTY or SCANNER_YUNLING")
    out.print()


def fill(place: Place, interrupted: threading.Event) -> None:
    """Send every image that was not sent before, as the scanners of its institution would."""
    from panorad.testing.corpus import demo_corpus
    from panorad.testing.lidc import ATTRIBUTION
    from panorad.testing.scanner import send

    journal = place.home / "demo-sent.txt"
    sent = set(journal.read_text("utf-8").splitlines()) if journal.is_file() else set()
    settings = load(place.home, {}, http=place.http, dimse=place.dimse)
    host, _, port = settings.dimse.rpartition(":")
    named = os.environ.get("PANORAD_REALDATA")
    realdata = Path(named) if named else Path("../shared/data")
    count = failed = 0
    with out.status("Looking for images ...") as status:

        def progress(what: str, done: int, total: int) -> None:
            if total:
                status.update(f"{count} images sent; {escape(what)} {done} of {total}")
            else:
                out.print(escape(what), style="yellow")

        out.print(escape(ATTRIBUTION))
        corpus = demo_corpus(place.cache, realdata if realdata.is_dir() else None, progress)
        for code, paths in groupby(corpus, key=lambda pair: pair[0]):
            fresh = [path for _, path in paths if _line(path) not in sent]
            for start in range(0, len(fresh), _BATCH):
                if interrupted.is_set():
                    return
                batch = fresh[start : start + _BATCH]
                report = send(batch, host, int(port), f"SCANNER_{code}", "PANORAD", progress)
                refused = {failure.path for failure in report.failures}
                with journal.open("a", encoding="utf-8") as file:
                    file.write("".join(f"{_line(path)}\n" for path in batch))
                count += len(batch) - len(refused)
                failed += len(refused)
    out.print(f"{count} images sent" + (f", {failed} refused (the Intake page tells why)" if failed else ""))


def _line(path: Path) -> str:
    stat = path.stat()
    return f"{path}|{stat.st_size}|{int(stat.st_mtime)}"


if __name__ == "__main__":
    typer.run(main)
