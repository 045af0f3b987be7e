"""The home folder: who may enter it, whose cache it is, and addresses that are taken."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from panorad.app.home import own_cache, prepare_home
from panorad.app.prepare import fill
from panorad.app.supervisor import PortTaken, listen
from panorad.settings import Settings
from panorad.testing import Site

PRIVATE = ("objects", "cache", "quarantine", "open", "imports", "blank")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_holds_patient_data_is_for_our_user_alone(tmp_path: Path) -> None:
    home = tmp_path / "above" / "home"
    old = os.umask(0)
    try:
        prepare_home(Settings(home=home))
    finally:
        os.umask(old)
    assert {name: mode(home / name) for name in PRIVATE} == dict.fromkeys(PRIVATE, 0o700)
    assert not mode(home) & 0o066, "nobody else lists it or writes to it"
    if os.geteuid():
        assert mode(home) == 0o700


def test_a_home_made_before_is_tightened_but_for_what_others_own(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    settings.home.mkdir()
    settings.home.chmod(0o755)
    for name in PRIVATE:
        (settings.home / name).mkdir()
        (settings.home / name).chmod(0o2775 if name == "cache" else 0o755)
    (settings.home / "blank").chmod(0o500)
    if not os.geteuid():
        os.chown(settings.objects, 12345, 12345)
    prepare_home(settings)
    assert mode(settings.home) == 0o755
    assert mode(settings.cache) == 0o2700
    assert mode(settings.home / "blank") == 0o500
    assert mode(settings.quarantine) == mode(settings.open_marks) == mode(settings.home / "imports") == 0o700
    assert mode(settings.objects) == (0o700 if os.geteuid() else 0o755)


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
