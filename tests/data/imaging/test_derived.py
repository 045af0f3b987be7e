from __future__ import annotations

from pathlib import Path

from panorad.data.imaging.recovery import forget_derived
from panorad.data.imaging.settling import document_path, picture_path, write_whole


def test_a_new_index_finds_no_document_of_the_old_one(tmp_path: Path) -> None:
    for path in (document_path(tmp_path, 1, 1), picture_path(tmp_path, 1, 1), tmp_path / "dicomweb" / "ab" / "one.json.gz"):
        write_whole(path, b"of another series")
    forget_derived(tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
