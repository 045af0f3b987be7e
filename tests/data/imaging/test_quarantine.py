"""What is kept aside survives a loss of power with its reason, and its list is made again from what is kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from panorad.data.imaging import quarantine
from panorad.data.imaging.intake import Refused
from panorad.data.imaging.recovery import reindex
from panorad.model.actor import SYSTEM
from panorad.testing import Site

from .arrivals import instance

KEY = "COUNTY/0123.dcm"
NOTE = {"source": "stow", "kind": "data-set-invalid", "reason": "it is cut", "sop_uid": "2.25.1", "bytes": 5}


def test_bytes_and_note_are_on_disk_and_then_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync, synced = os.fsync, list[object]()

    def watched(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        synced.append({file.name for file in path.iterdir()} if path.is_dir() else path.read_bytes())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    quarantine.keep(tmp_path, KEY, b"bytes", NOTE)
    *_, note, data, names = synced
    assert json.loads(note) == NOTE  # type: ignore[arg-type]
    assert data == b"bytes"
    assert names == {"0123.dcm", "0123.json"}
    assert [found[:2] for found in quarantine.kept(tmp_path)] == [(KEY, NOTE)]


def test_the_same_bytes_again_change_nothing_but_bring_back_a_lost_note(tmp_path: Path) -> None:
    quarantine.keep(tmp_path, KEY, b"bytes", NOTE)
    other = {**NOTE, "reason": "something else"}
    quarantine.keep(tmp_path, KEY, b"bytes", other)
    assert [found[:2] for found in quarantine.kept(tmp_path)] == [(KEY, NOTE)]
    (tmp_path / KEY).with_suffix(".json").unlink()
    quarantine.keep(tmp_path, KEY, b"bytes", other)
    assert [found[:2] for found in quarantine.kept(tmp_path)] == [(KEY, other)]
    assert len(list((tmp_path / "COUNTY").iterdir())) == 2


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"reason": "x"}', "\ufffd"])
def test_bytes_whose_note_is_lost_are_still_found(tmp_path: Path, text: str) -> None:
    quarantine.keep(tmp_path, KEY, b"bytes", NOTE)
    (tmp_path / KEY).with_suffix(".json").write_text(text, "utf-8")
    [(key, note, _)] = quarantine.kept(tmp_path)
    assert (key, note["bytes"], note["reason"]) == (KEY, 5, "its note is lost")


def test_a_reindex_brings_the_list_back_from_the_notes(center: Site) -> None:
    def listed() -> list[tuple[object, ...]]:
        with center.center.begin(SYSTEM) as tx:
            rows = center.center.lists.quarantined(tx, 10, 0)[0]
        return sorted((row.key, row.institution_code, row.source, row.sop_uid, row.kind, row.reason, row.bytes) for row in rows)

    for data, sender in ((b"nothing" * 90, "COUNTY"), (instance(5)[:-7], "CLINIC")):
        with pytest.raises(Refused):
            center.put([data], center.institution(sender), f"scanner of {sender}")
    before = listed()
    assert [row[1] for row in before] == ["CLINIC", "COUNTY"]
    for path in center.settings.quarantine.rglob("*.dcm"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    told = len(center.events(kind="instances.refused"))
    with center.center.owner() as owner:
        with owner(SYSTEM) as tx:
            tx.connection.execute("delete from quarantine")
        assert not listed()
        reindex(
            owner, center.center.begin, center.center.indexer, center.center.blobs, center.settings.quarantine, center.center.actor_of,
            lambda done, total: None,
        )  # fmt: skip
    assert listed() == before
    with center.center.begin(SYSTEM) as tx:
        assert {row.at.timestamp() for row in center.center.lists.quarantined(tx, 10, 0)[0]} == {1_600_000_000}
    assert len(center.events(kind="instances.refused")) == told
