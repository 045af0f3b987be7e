"""The scanner: what it sends arrives byte for byte, whatever the syntax, and what it cannot send is told."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, HTJ2KLossless, ImplicitVRLittleEndian, RLELossless
from pynetdicom import AE, AllStoragePresentationContexts, evt

from panorad.testing.encoding import encode, file_meta, write
from panorad.testing.images import Study, patient, secondary_capture
from panorad.testing.malformed import malformed
from panorad.testing.scanner import send

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless, HTJ2KLossless]


class Archive:
    """A storage SCP that remembers the data sets it was sent."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.associations = 0
        self.status = 0x0000
        self.mute = 0
        ae = AE("PANORAD")
        ae.maximum_associations = 4
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(context.abstract_syntax, SYNTAXES)
        handlers = [(evt.EVT_C_STORE, self.store), (evt.EVT_ACCEPTED, self.accepted)]
        self.server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self.server.server_address[1]

    def store(self, event: Any) -> int:
        self.received.append(event.request.DataSet.getvalue())
        if self.mute:
            self.mute -= 1
            event.assoc.abort()
        return self.status

    def accepted(self, event: Any) -> None:
        self.associations += 1


@pytest.fixture
def archive() -> Iterator[Archive]:
    peer = Archive()
    yield peer
    peer.server.shutdown()


def image(key: str) -> Dataset:
    return secondary_capture(
        np.arange(256, dtype=np.uint8).reshape(16, 16), patient(0), Study("20250101", "080000", "Sent", "S", key=key)
    )


def data_set(path: Path) -> bytes:
    """What follows the file meta, by its group length (PS3.10 section 7.1)."""
    data = path.read_bytes()
    return data[144 + int.from_bytes(data[140:144], "little") :]


def test_every_syntax_arrives_byte_for_byte(archive: Archive, tmp_path: Path) -> None:
    paths = [write(encode(image(str(n)), syntax), tmp_path / f"{n}.dcm") for n, syntax in enumerate(SYNTAXES)]
    told: list[tuple[str, int, int]] = []
    report = send(paths, "127.0.0.1", archive.port, progress=lambda *step: told.append(step))
    assert (report.sent, report.failures) == (len(paths), [])
    assert archive.received == [data_set(path) for path in paths]
    assert told[-1] == ("sent", len(paths), len(paths))


def test_files_without_meta_or_preamble_are_given_what_they_lack(archive: Archive, tmp_path: Path) -> None:
    kept = {name: data for name, data in malformed() if name.startswith("kept-no")}
    for name, data in kept.items():
        (tmp_path / name).write_bytes(data)
    report = send(sorted(tmp_path.iterdir()), "127.0.0.1", archive.port)
    assert (report.sent, report.failures) == (3, [])
    assert archive.received[:2] == [kept["kept-no-meta-explicit.dcm"], kept["kept-no-meta-implicit.dcm"]]
    assert kept["kept-no-preamble.dcm"].endswith(archive.received[2])


def test_more_than_128_contexts_take_several_associations(archive: Archive, tmp_path: Path) -> None:
    ds, paths = image("many"), []
    pairs = [(context.abstract_syntax, syntax) for context in AllStoragePresentationContexts for syntax in SYNTAXES[:2]][:130]
    for n, (sop_class, syntax) in enumerate(pairs):
        ds.SOPClassUID = sop_class
        ds.file_meta = file_meta(ds, syntax)
        paths.append(write(ds, tmp_path / f"{n}.dcm"))
    report = send(paths, "127.0.0.1", archive.port)
    assert (report.sent, report.failures) == (130, [])
    assert archive.associations == 2


def test_a_bad_file_stops_nothing(archive: Archive, tmp_path: Path) -> None:
    good = write(image("good"), tmp_path / "good.dcm")
    text = tmp_path / "text.dcm"
    text.write_text("no image")
    report = send([text, good, tmp_path / "absent.dcm"], "127.0.0.1", archive.port)
    assert report.sent == 1
    assert [failure.path.name for failure in report.failures] == ["text.dcm", "absent.dcm"]


def test_what_is_not_answered_is_sent_once_more(archive: Archive, tmp_path: Path) -> None:
    paths = [write(image(str(n)), tmp_path / f"{n}.dcm") for n in range(3)]
    archive.mute = 1
    report = send(paths, "127.0.0.1", archive.port, timeout=5)
    assert (report.sent, report.failures) == (3, [])
    assert archive.received == [data_set(paths[n]) for n in (0, 0, 1, 2)]
    archive.mute = 2
    report = send(paths, "127.0.0.1", archive.port, timeout=5)
    assert report.sent == 2
    assert [failure.path for failure in report.failures] == paths[:1]


def test_a_failure_status_and_an_unaccepted_context_are_told(archive: Archive, tmp_path: Path) -> None:
    path = write(image("refused"), tmp_path / "refused.dcm")
    archive.status = 0xA700
    assert send([path], "127.0.0.1", archive.port).failures[0].reason == "status 0xA700"
    ds = image("private")
    ds.SOPClassUID = "2.25.1"
    ds.file_meta = file_meta(ds, ExplicitVRLittleEndian)
    private = write(ds, tmp_path / "private.dcm")
    assert "presentation context" in send([private], "127.0.0.1", archive.port).failures[0].reason.lower()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # pynetdicom leaves a refused socket open
def test_nobody_listening_is_told_for_every_file(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = [write(image(str(n)), tmp_path / f"{n}.dcm") for n in range(2)]
    report = send(paths, "127.0.0.1", port, timeout=5)
    assert [failure.path for failure in report.failures] == paths
