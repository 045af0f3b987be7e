"""The two sides of a comparison: a center of ours and an Orthanc 1.10.1, both on this machine, both durable before they answer.

Orthanc runs with ``SyncStorageArea`` (it syncs each file) and its SQLite index as it comes (write-ahead log), without sign-in.
``TCP_NODELAY=1`` is set for every process, dcmtk's included, so that no side waits for delayed acknowledgements.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.acceptance.orthanc import Orthanc
from tests.acceptance.processes import Center, family

Name = Literal["panorad", "orthanc"]
NAMES: tuple[Name, ...] = ("panorad", "orthanc")


@dataclass(frozen=True)
class Side:
    """A running server, by what a client sees of it."""

    name: Name
    title: str
    dimse: int
    dicomweb: str
    home: Path
    pid: int

    def memory(self) -> tuple[int, int]:
        """Return (RSS, PSS) in bytes, summed over all its processes. RSS counts a shared page once for each, PSS once in all."""
        resident = proportional = 0
        for process in family(self.pid, self.home):
            for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
                words = line.split()
                resident += int(words[1]) * 1024 if words[0] == "Rss:" else 0
                proportional += int(words[1]) * 1024 if words[0] == "Pss:" else 0
        return resident, proportional

    def database_bytes(self) -> int:
        """Return the size on disk of the index: tables and indexes of all databases, without the write-ahead log."""
        patterns = {"panorad": "**/base/*/*", "orthanc": "index/index"}
        return sum(path.stat().st_size for path in self.home.glob(patterns[self.name]) if path.is_file())


@contextmanager
def running(name: Name, folder: Path) -> Iterator[Side]:
    """Start one side in a folder of its own and end it afterwards."""
    home = folder / name
    if name == "orthanc":
        orthanc = Orthanc(home)
        try:
            yield Side(name, orthanc.title, orthanc.dimse, orthanc.dicomweb, home, orthanc.pid)
        finally:
            orthanc.end()
        return
    center = Center(home)
    try:
        center.start()
        assert center.pid is not None
        yield Side(name, center.title, center.dimse, center.dicomweb, home, center.pid)
    finally:
        center.kill()
