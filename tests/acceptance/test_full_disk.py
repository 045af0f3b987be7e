"""A home on a small file system: while it is full, input is refused clearly; nothing is lost; with room again, all goes on."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .dicomweb import failed, instance_paths, retrieve, search, stored, stow
from .images import ct_series
from .part10 import EXPLICIT, Part10, split
from .processes import Center
from .scu import OUT_OF_RESOURCES, SUCCESS, StoreAssociation

MEGABYTES, LEFT = 768, 24


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of its own; only root may mount one."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=755", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"this machine mounts no tmpfs: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all room but the last few megabytes and return the file that took it."""
    ballast, room = folder / "ballast", os.statvfs(folder)
    with ballast.open("wb") as file:
        for _ in range((room.f_bavail * room.f_frsize >> 20) - LEFT):
            file.write(bytes(1 << 20))
    return ballast


def assert_kept(center: Center, kept: dict[str, Part10]) -> None:
    """All that was acknowledged is there, once, as it was."""
    studies = {match["0020000D"]["Value"][0] for match in search(center.dicomweb, "studies")}
    paths = {uid: url for study in studies for uid, url in instance_paths(center.dicomweb, study).items()}
    assert paths.keys() == kept.keys()
    for uid, url in paths.items():
        assert split(retrieve(url)[0]).dataset == kept[uid].dataset


def test_a_full_disk_refuses_and_loses_nothing(small_disk: Path, fresh_center: Callable[..., Center]) -> None:
    center = fresh_center(home=small_disk / "home")
    files = {uid: split(raw) for uid, raw in ct_series(90, patient="FULL-1", size=512)}
    order, kept = list(files.values()), dict[str, Part10]()

    def send(file: Part10) -> tuple[int, str]:
        with StoreAssociation(center.dimse, [(file.sop_class, EXPLICIT)]) as association:
            answer = association.store(file)
        if answer.status == SUCCESS:
            kept[file.sop_instance] = file
        return answer.status, answer.comment

    assert send(order[0])[0] == SUCCESS
    ballast = fill(small_disk)
    refused = next((said for file in order[1:80] if (said := send(file))[0] != SUCCESS), None)
    assert refused is not None, f"80 slices of 525 KB were taken into {LEFT} MB"
    assert refused[0] == OUT_OF_RESOURCES, f"0x{refused[0]:04X} {refused[1]}"
    assert refused[1], "refused without a comment"

    answer = stow(center.dicomweb, [raw for _, raw in ct_series(8, patient="FULL-2", size=512)])
    each = set(failed(answer).values()) if answer.status_code == 409 else set()
    assert answer.status_code == 507 or each == {OUT_OF_RESOURCES}, answer.text[:500]
    assert center.alive()
    assert_kept(center, kept)

    ballast.unlink()
    assert send(order[80])[0] == SUCCESS
    late = dict(ct_series(2, patient="FULL-3", size=512))
    answer = stow(center.dicomweb, late.values())
    assert stored(answer) == late.keys()
    kept |= {uid: split(raw) for uid, raw in late.items()}
    assert_kept(center, kept)
    assert center.stop() == 0
    center.start()
    assert_kept(center, kept)
