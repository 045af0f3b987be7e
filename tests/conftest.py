"""What every test may ask for: one PostgreSQL server for the whole run, a fresh center on it, and the real images where they are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from panorad.testing import Databases, Site
from panorad.testing import center as whole_center
from panorad.testing import databases as shared_databases

settings.register_profile("panorad", deadline=None)  # shared machines stall now and then
settings.load_profile("panorad")


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The embedded PostgreSQL, started once."""
    with shared_databases() as made:
        yield made


@pytest.fixture
def center(databases: Databases, tmp_path: Path) -> Iterator[Site]:
    """A whole, empty center with the institution CENTER."""
    with whole_center(databases, tmp_path / "home") as site:
        yield site


@pytest.fixture(scope="session")
def realdata_folder() -> Path:
    """The folder of real images: PANORAD_REALDATA, by default ../shared/data."""
    return Path(os.environ.get("PANORAD_REALDATA", "../shared/data"))


@pytest.fixture(scope="session")
def peer() -> Callable[[str], str]:
    """Finds a peer's program: its path; the test is skipped, and with CI=true fails, where it is not installed."""

    def find(name: str) -> str:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if found is None:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"program {name!r} is not installed")
        return found

    return find


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `realdata` are skipped, with the folder named, where there are no real images."""
    folder = Path(os.environ.get("PANORAD_REALDATA", "../shared/data"))
    if folder.is_dir() and any(folder.iterdir()):
        return
    reason = pytest.mark.skip(reason=f"no real images at {folder} (PANORAD_REALDATA)")
    for item in items:
        if item.get_closest_marker("realdata"):
            item.add_marker(reason)
