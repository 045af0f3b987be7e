"""The home folder: whose cache it is, and addresses that are taken."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from panorad.app.home import own_cache
from panorad.app.prepare import fill
from panorad.app.supervisor import PortTaken, listen
from panorad.settings import Settings
from panorad.testing import Site


def test_a_cache_made_for_another_database_is_emptied(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    document = settings.cache / "metadata" / "001" / "1-1.json.gz"
    document.parent.mkdir(parents=True)
    document.write_bytes(b"of some other series")
    own_cache(settings, "one")
    assert not document.exists()
    document.parent.mkdir(parents=True)
    document.write_bytes(b"ours")
    own_cache(settings, "one")
    assert document.exists()
    own_cache(settings, "two")
    assert not document.exists()


def test_the_cache_of_the_same_database_stays(center: Site) -> None:
    fill(center.center)
    kept = center.settings.cache / "kept"
    kept.touch()
    fill(center.center)
    assert kept.exists()


def test_an_address_in_use_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortTaken):
            listen(f"127.0.0.1:{taken.getsockname()[1]}")
