"""The dcmtk programs as peers."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from .images import read
from .part10 import Part10, split
from .processes import QUIET_NAGLE, Listener, free_port, program


def dcmtk(name: str, *words: str | bytes, folder: Path | None = None, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a dcmtk program that must succeed; returns what it printed (both streams in ``stdout``)."""
    done = call(name, *words, folder=folder, seconds=seconds)
    assert done.returncode == 0, f"{name} {words!r} -> {done.returncode}\n{done.stdout[-4000:]}"
    return done


def call(name: str, *words: str | bytes, folder: Path | None = None, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a dcmtk program, whatever its exit status."""
    command: list[str | bytes] = [program(name), *words]
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=folder, timeout=seconds,
        env=os.environ | QUIET_NAGLE, check=False, encoding="utf-8", errors="replace",
    )  # fmt: skip


def find(port: int, model: str, folder: Path, keys: Sequence[str | bytes], called: str = "PANORAD") -> list[Dataset]:
    """Run ``findscu`` with the model ``-P`` or ``-S`` and return the identifiers of the pending responses."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [word for key in keys for word in ("-k", key)]
    dcmtk("findscu", model, "-X", "-od", str(folder), "-aec", called, *words, "127.0.0.1", str(port))
    return [read(file.read_bytes()) for file in sorted(folder.glob("rsp*.dcm"))]


class StoreScp:
    """A ``storescp`` that writes what it receives bit by bit."""

    title = "STORESCP"

    def __init__(self, folder: Path, *options: str) -> None:
        """Start it; ``options`` choose transfer syntaxes (``+xa``: all that are proposed)."""
        self.port, self.folder = free_port(), folder / "received"
        self.folder.mkdir()
        words = ["+B", "-pm", "-aet", self.title, "-od", str(self.folder), *(options or ("+xa",)), str(self.port)]
        self._listener = Listener([program("storescp"), *words], self.port, folder)

    def received(self) -> dict[str, Part10]:
        """Return SOP Instance UID -> file for all that has come so far."""
        files = [split(file.read_bytes()) for file in self.folder.iterdir() if file.is_file()]
        return {file.sop_instance: file for file in files}

    def end(self) -> None:
        """Stop it."""
        self._listener.end()
