"""Fixtures of the stories: a shared center, centers to be killed, and the peers."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from .dcmtk import StoreScp
from .orthanc import Orthanc
from .processes import Center, tail


@pytest.fixture(scope="session")
def center(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Center]:
    """One running center for every story that only adds to it."""
    center = Center(tmp_path_factory.mktemp("center") / "home")
    try:
        center.start()
        yield center
    finally:
        center.kill()


@pytest.fixture(autouse=True)
def revived(request: pytest.FixtureRequest) -> None:
    """Start the shared center again where an earlier story ended it, so that one failure stays one failure."""
    if "center" in request.fixturenames:
        shared = request.getfixturevalue("center")
        if not shared.alive():
            shared.kill()
            shared.start()


@pytest.fixture
def fresh_center(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Center]]:
    """Make centers that are the test's own: ``fresh_center("name", home=..., start=True)``; all are killed at the end."""
    made: list[Center] = []

    def make(name: str = "home", *, home: Path | None = None, start: bool = True) -> Center:
        made.append(Center(home or tmp_path / name))
        if start:
            made[-1].start()
        return made[-1]

    yield make
    for center in made:
        if getattr(request.node, "failed_call", False):
            print(f"--- {center.log}\n{tail(center.log)}")
        center.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember that a test failed, so that its fixtures show the log of their center; the shared center shows its own here."""
    report = yield
    item.failed_call = getattr(item, "failed_call", False) or report.failed  # type: ignore[attr-defined]
    shared = getattr(item, "funcargs", {}).get("center")
    if report.failed and isinstance(shared, Center):
        report.sections.append(("end of the center's log", tail(shared.log)))
    return report


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory, center: Center) -> Iterator[Orthanc]:
    """An Orthanc that knows the shared center, and that the shared center knows as a node."""
    peer = Orthanc(tmp_path_factory.mktemp("orthanc"), center.dimse, center.dicomweb)
    try:
        center.add_node(peer.title, peer.dimse)
        yield peer
    finally:
        peer.end()


@pytest.fixture(scope="session")
def storescp(tmp_path_factory: pytest.TempPathFactory, center: Center) -> Iterator[StoreScp]:
    """A dcmtk ``storescp`` that keeps every bit, known to the shared center as the node STORESCP."""
    receiver = StoreScp(tmp_path_factory.mktemp("storescp"))
    try:
        center.add_node(receiver.title, receiver.port)
        yield receiver
    finally:
        receiver.end()


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real images: ``PANORAD_REALDATA``, by default ``../shared/data``."""
    folder = Path(os.environ.get("PANORAD_REALDATA", "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder
