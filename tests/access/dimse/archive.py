"""An archive that keeps what it is sent in plain files and answers queries from memory: what the DIMSE edge needs of a center."""

import fnmatch
import io
import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from panorad.access.dimse import CalledUnknown, Destination, NodeUnknown, Services
from panorad.data.imaging.intake import Refused
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor
from panorad.model.certificate import Certificate
from panorad.model.event import Event
from panorad.model.instance import Header, Place, Stored
from panorad.model.query import Level, Page, Query

UNIQUE = {Level.PATIENT: "00100020", Level.STUDY: "0020000D", Level.SERIES: "0020000E", Level.INSTANCE: "00080018"}


class FileIncoming:
    def __init__(self, archive: "Archive", path: Path, sop_uid: str, transfer_syntax: str) -> None:
        self.archive, self.path, self.sop_uid, self.transfer_syntax = archive, path, sop_uid, transfer_syntax
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = "1.2.3", "1.2.3", transfer_syntax
        whole = io.BytesIO()
        pydicom.dcmwrite(whole, pydicom.FileDataset(None, {}, file_meta=meta, preamble=bytes(128)), enforce_file_format=True)
        self.data_at = len(whole.getvalue())
        self.file = path.open("wb")
        self.file.write(whole.getvalue())

    def write(self, chunk: memoryview) -> None:
        self.archive.check("write")
        self.file.write(chunk)

    def finish(self) -> Header:
        self.file.close()
        self.archive.check("finish")
        try:
            dataset = pydicom.dcmread(self.path, stop_before_pixels=True)
            header = Header(
                dataset.StudyInstanceUID,
                dataset.SeriesInstanceUID,
                dataset.SOPInstanceUID,
                dataset.SOPClassUID,
                self.transfer_syntax,
            )
        except Exception as error:
            raise Refused("data-set-invalid", f"unreadable: {type(error).__name__}") from None
        if header.sop_uid != self.sop_uid:
            raise Refused("uid-mismatch", "SOP Instance UID differs from the command's")
        place = Place(self.path.name, 0, self.path.stat().st_size, self.data_at)
        with self.archive.lock:
            self.archive.instances.append(Stored(len(self.archive.instances), header, place, b"", 1))
            self.archive.rows.append(dataset.to_json_dict(bulk_data_threshold=64, bulk_data_element_handler=lambda e: ""))
        return header

    def abort(self) -> None:
        self.file.close()
        self.path.unlink(missing_ok=True)
        self.archive.aborted += 1


class FileIntake:
    def __init__(self, archive: "Archive") -> None:
        self.archive = archive

    def begin(self, sop_uid: str, sop_class: str, transfer_syntax: str) -> FileIncoming:
        self.archive.check("begin")
        with self.archive.lock:
            self.archive.count += 1
            path = self.archive.folder / f"{self.archive.count}.dcm"
        return FileIncoming(self.archive, path, sop_uid, transfer_syntax)

    def flush(self) -> None:
        self.archive.flushed += 1

    def close(self) -> None:
        self.archive.closed += 1


@dataclass
class Archive:
    """`failing` maps begin, write or finish to the error to raise there, as a disk that fills up does."""

    folder: Path
    instances: list[Stored] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    destinations: dict[str, Destination] = field(default_factory=dict)
    failing: dict[str, Exception] = field(default_factory=dict)
    queries: list[Query] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    certificates: list[Certificate | None] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    count: int = 0
    flushed: int = 0
    closed: int = 0
    aborted: int = 0

    def check(self, where: str) -> None:
        if where in self.failing:
            raise self.failing[where]

    def admit(self, calling: str, called: str, peer: str, certificate: Certificate | None) -> Actor:
        self.check("admit")
        self.certificates.append(certificate)
        if called != "PANORAD":
            raise CalledUnknown(called)
        if calling == "STRANGER":
            raise NodeUnknown(calling)
        return Actor("node", calling, institution=1, source=peer)

    def open_intake(self, actor: Actor, source: str) -> FileIntake:
        self.sources.append(source)
        return FileIntake(self)

    @contextmanager
    def begin(self, actor: Any) -> Iterator[Transaction]:
        tx = Transaction(actor, None)
        yield tx
        self.events += tx.events

    def find(self, tx: Transaction, query: Query, told: Event | None = None) -> Page:
        self.check("find")
        self.queries.append(query)
        unique = UNIQUE[query.level]
        found = {}
        for row in self.rows:
            if all(
                any(_fits(value, wanted) for value in _at(row, match.path) for wanted in match.values) for match in query.matches
            ):
                found.setdefault(_at(row, (unique,))[0], row)
        rows = list(found.values())
        page = Page(tuple(rows[query.offset : query.offset + query.limit]), len(rows))
        if told is not None:
            tx.emit(replace(told, detail={**told.detail, "matches": len(page.rows)}))
        return page

    def stored(self, tx: Transaction, study: str, series: str | None = None, sop: str | None = None) -> list[Stored]:
        wanted = (study, series, sop)
        headers = [
            (stored, (stored.header.study_uid, stored.header.series_uid, stored.header.sop_uid)) for stored in self.instances
        ]
        return [stored for stored, uids in headers if all(w in (None, uid) for w, uid in zip(wanted, uids, strict=True))]

    @contextmanager
    def view(self, place: Place) -> Iterator[memoryview]:
        with (self.folder / place.key).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            view = memoryview(whole)[place.offset : place.offset + place.length]
            try:
                yield view
            finally:
                view.release()

    def data_set(self, stored: Stored) -> bytes:
        return (self.folder / stored.place.key).read_bytes()[stored.place.data_at :]

    def services(self) -> Services:
        return Services(
            self.admit,
            lambda actor: actor,
            self.open_intake,
            self.begin,
            self.find,
            self.stored,
            self.view,
            lambda tx, ae: self.destinations.get(ae),
            transcode,
        )


def transcode(part10: Any, target: str) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(bytes(part10)))
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        dataset.decompress(generate_instance_uid=False)
    implicit = target == "1.2.840.10008.1.2"
    dataset.file_meta.TransferSyntaxUID = target
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
    return out.getvalue()


def _at(row: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    values = row.get(path[0], {}).get("Value", [])
    if len(path) > 1:
        return [value for item in values for value in _at(item, path[1:])]
    return ["=".join(value.values()) if isinstance(value, dict) else str(value) for value in values]


def _fits(value: str, wanted: str) -> bool:
    return any(fnmatch.fnmatchcase(part, wanted) for part in (value, *value.split("=")))


def make(**attributes: Any) -> Dataset:
    """A small valid CT image with attributes of the test's choice."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.1", "1.2.3.1.1"
    dataset.PatientID, dataset.PatientName, dataset.Modality, dataset.StudyDate = "P1", "Doe^Jane", "CT", "20240102"
    dataset.StudyTime = dataset.AccessionNumber = dataset.ReferringPhysicianName = dataset.StudyID = ""
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = 16
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = bytes(range(256)) * 2
    for keyword, value in attributes.items():
        if keyword == "SpecificCharacterSet":
            dataset.SpecificCharacterSet = value
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def keep(archive: Archive, dataset: Dataset) -> Stored:
    """Put a data set into the archive without the network."""
    whole = io.BytesIO()
    dataset.save_as(whole, enforce_file_format=True)
    raw = whole.getvalue()
    incoming = FileIntake(archive).begin(dataset.SOPInstanceUID, dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    incoming.write(memoryview(raw)[144 + int.from_bytes(raw[140:144], "little") :])
    incoming.finish()
    return archive.instances[-1]
