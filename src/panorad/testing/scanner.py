"""A modality that sends what it has: a C-STORE SCU (PS3.7 section 9.1.1, PS3.4 annex B) of files exactly as they are.

Each file is proposed in its own SOP class and transfer syntax and its data set goes out byte for byte, never decoded.
"""

import shutil
import socket
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomFileLike
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, _config, build_context, evt
from pynetdicom.association import Association

from panorad.testing.encoding import IMPLEMENTATION_CLASS
from panorad.testing.lidc import Progress, quiet

CONTEXTS = 128
"""Presentation contexts that one association can carry: odd IDs of one byte (PS3.8 section 9.3.2.2)."""

META = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")

BATCH = 500
"""Files looked at before an association is opened, so that a lazy source can be sent while it is made."""

_CHUNKED = threading.Lock()


@dataclass(frozen=True)
class Failure:
    """A file that did not arrive, and why."""

    path: Path
    reason: str


@dataclass
class Report:
    """How a transmission ended."""

    sent: int = 0
    failures: list[Failure] = field(default_factory=list)

    def fail(self, path: Path, reason: object) -> None:
        """Note a file that did not arrive."""
        self.failures.append(Failure(path, str(reason) or type(reason).__name__))


@dataclass(frozen=True)
class _Item:
    """A file to send: `part10` is the file itself, or a copy with file meta where the original has none."""

    path: Path
    part10: Path
    context: tuple[UID, UID]


def send(
    paths: Iterable[Path],
    host: str,
    port: int,
    calling_ae: str = "SCANNER",
    called_ae: str = "PANORAD",
    progress: Progress = quiet,
    timeout: float = 60.0,
) -> Report:
    """C-STORE the files to a peer, in as many associations as their contexts need.

    A file that cannot be read, is not accepted, or is answered with a failure status is in the report and does not stop the
    rest. `timeout` is in seconds, for the association and for each answer. Raises nothing on account of the peer.
    """
    ae = AE(ae_title=calling_ae)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = timeout
    report, todo, seen = Report(), iter(paths), 0
    while batch := list(islice(todo, BATCH)):
        seen += len(batch)
        with tempfile.TemporaryDirectory(prefix="scanner-") as folder, _whole_files():
            items = list(_items(batch, Path(folder), report))
            for group in _groups(items):
                _transmit(ae, group, (host, port, called_ae), report, partial(_tell, progress, report, seen))
        _tell(progress, report, seen)
    return report


def _tell(progress: Progress, report: Report, total: int) -> None:
    progress("sent", report.sent + len(report.failures), total)


@contextmanager
def _whole_files() -> Iterator[None]:
    """pynetdicom reads and writes a file's data set anew unless its switch for sending in chunks is on."""
    with _CHUNKED:
        before = _config.STORE_SEND_CHUNKED_DATASET
        _config.STORE_SEND_CHUNKED_DATASET = True
        try:
            yield
        finally:
            _config.STORE_SEND_CHUNKED_DATASET = before


def _items(paths: list[Path], folder: Path, report: Report) -> Iterator[_Item]:
    for n, path in enumerate(paths):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is odd about a file is the receiver's to judge
                item = _item(path, folder / f"{n}.dcm")
        except Exception as reason:  # the parser raises many kinds on malformed files; each is this file's failure
            report.fail(path, f"not readable as DICOM: {type(reason).__name__}: {reason}")
        else:
            yield item


def _item(path: Path, copy: Path) -> _Item:
    meta, start, preamble = _file_meta(path)
    part10 = path
    if not preamble or any(keyword not in meta for keyword in META):
        meta, part10 = _complete(path, meta, start, copy), copy
    return _Item(path, part10, (UID(meta.MediaStorageSOPClassUID), UID(meta.TransferSyntaxUID)))


def _file_meta(path: Path) -> tuple[Dataset, int, bool]:
    """The file meta elements, as far as there are any, where the data set begins, and whether there is a preamble."""
    with path.open("rb") as file:
        start = 132 if file.read(132)[128:] == b"DICM" else 0
        file.seek(start)
        if file.read(2) != b"\x02\x00":
            return Dataset(), start, start > 0
        file.seek(start)
        meta = read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, vr, length: tag.group != 2)
        return meta, file.tell(), start > 0


def _complete(path: Path, meta: Dataset, start: int, copy: Path) -> FileMetaDataset:
    """Write the same data set behind a preamble and the file meta that it lacks; returns the meta."""
    ds = dcmread(path, force=True, stop_before_pixels=True)
    implicit, little = ds.original_encoding
    guess = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    out = FileMetaDataset()
    out.MediaStorageSOPClassUID, out.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    out.TransferSyntaxUID = meta.get("TransferSyntaxUID", guess)
    out.ImplementationClassUID = IMPLEMENTATION_CLASS
    with path.open("rb") as source, copy.open("wb") as sink:
        sink.write(bytes(128) + b"DICM")
        write_file_meta_info(DicomFileLike(sink), out)
        source.seek(start)
        shutil.copyfileobj(source, sink, 1 << 20)
    return out


def _groups(items: list[_Item]) -> Iterator[list[_Item]]:
    """Split where the contexts would be more than one association holds."""
    group: list[_Item] = []
    contexts: set[tuple[UID, UID]] = set()
    for item in items:
        if len(contexts | {item.context}) > CONTEXTS:
            yield group
            group, contexts = [], set()
        group.append(item)
        contexts.add(item.context)
    if group:
        yield group


def _transmit(ae: AE, items: list[_Item], peer: tuple[str, int, str], report: Report, tick: Callable[[], None]) -> None:
    """Send the items; one that is not answered is sent a second time on a new association, as storing twice is storing once."""
    todo, unanswered = list(items), set[Path]()
    while todo:
        association = _associate(ae, todo, peer, report)
        if association is None:
            return
        while todo and association.is_established:
            item = todo[0]
            answered = _store(association, item, report)
            if not answered:
                association.abort()
            if not answered and item.path not in unanswered:
                unanswered.add(item.path)
                break
            if not answered:
                report.fail(item.path, "the peer gave no answer, twice")
            todo.pop(0)
            tick()
        if association.is_established:
            association.release()


def _associate(ae: AE, items: list[_Item], peer: tuple[str, int, str], report: Report) -> Association | None:
    """An association with the contexts of the items; without one, all of them have failed."""
    host, port, called_ae = peer
    try:
        contexts = [build_context(sop_class, syntax) for sop_class, syntax in dict.fromkeys(item.context for item in items)]
        association = ae.associate(host, port, contexts, ae_title=called_ae, evt_handlers=[(evt.EVT_CONN_OPEN, _no_delay)])
        if association.is_established:
            return association
        states = {
            "no presentation context was accepted": bool(association.rejected_contexts),
            "the association was rejected": association.is_rejected,
            "the association was aborted": association.is_aborted,
        }
        reason = next((text for text, true in states.items() if true), "no association")
    except (ValueError, RuntimeError) as error:
        reason = str(error)
    for item in items:
        report.fail(item.path, f"{called_ae} at {host}:{port}: {reason}")
    return None


def _no_delay(event: evt.Event) -> None:
    """Send small packets at once: the last one of a message must not wait for the peer's delayed acknowledgement."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _store(association: Association, item: _Item, report: Report) -> bool:
    """Send one item and note how it ended; False where no answer came."""
    try:
        status = association.send_c_store(item.part10)
    except (ValueError, AttributeError, OSError) as reason:
        report.fail(item.path, reason)
        return True
    except RuntimeError:  # the association ended before the item went out
        return False
    code = status.get("Status")
    if code is None:
        return False
    if code == 0x0000 or code & 0xF000 == 0xB000:  # success, or a warning: stored all the same (PS3.4 section B.2.3)
        report.sent += 1
    else:
        report.fail(item.path, f"status 0x{code:04X} {status.get('ErrorComment', '')}".strip())
    return True
