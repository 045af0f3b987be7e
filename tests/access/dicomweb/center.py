"""A small center for these tests: real bytes in real files, an index of plain lists."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydicom import dcmread
from starlette.requests import Request

from panorad.access.dicomweb.deps import DicomWebDeps, Limits
from panorad.access.dicomweb.routes import routes
from panorad.access.web.session import SignInNeeded
from panorad.data.imaging.blobs import Blobs
from panorad.data.imaging.header import DatasetInvalid, check_extent, scan
from panorad.data.imaging.part10 import split
from panorad.data.process.recorder import Retrieval
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor
from panorad.model.event import Event
from panorad.model.instance import Header, Place, Receipt, Stored
from panorad.model.query import Level, Page, Query

READER = Actor("person", "reader", institution=1, sees=None, roles=frozenset({"radiologist"}))
STRANGER = Actor("person", "stranger", institution=2, sees=(2,), roles=frozenset({"radiologist"}))


class Refused(PanoradError):
    """The data set cannot be taken"""

    kind = Kind.INVALID


@dataclass(frozen=True)
class SeriesRow:
    """One series and its version."""

    id: int
    series_uid: str
    version: int
    settled: bool
    instances: int


@dataclass
class Center:
    """Everything DicomWebDeps asks for, over a folder."""

    home: Path
    instances: list[Stored] = field(default_factory=list)
    retrievals: list[tuple[str, str, int, int]] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    storage: PanoradError | None = None
    asked: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        (self.home / "objects").mkdir(parents=True, exist_ok=True)
        self.blobs = Blobs(self.home / "objects")

    # -- transactions and actors
    @contextmanager
    def begin(self, actor: Actor) -> Iterator[Transaction]:
        tx = Transaction(actor, None)
        yield tx
        self.events += tx.events

    def actor(self, request: Request) -> Actor:
        if request.headers.get("x-nobody"):
            raise SignInNeeded
        return STRANGER if request.headers.get("x-stranger") else READER

    def retrieved(self, actor: Actor, retrievals: Sequence[Retrieval]) -> None:
        self.retrievals += map(tuple, retrievals)

    # -- imaging
    def _seen(self, tx: Transaction) -> list[Stored]:
        sees = tx.actor.sees
        return [one for one in self.instances if sees is None or one.institution in sees]

    def stored(self, tx: Transaction, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None) -> list[Stored]:
        self.asked["stored"] = self.asked.get("stored", 0) + 1
        wanted = (study_uid, series_uid, sop_uid)
        found = [
            one
            for one in self._seen(tx)
            if all(
                w in (None, h)
                for w, h in zip(wanted, (one.header.study_uid, one.header.series_uid, one.header.sop_uid), strict=True)
            )
        ]
        return sorted(found, key=lambda one: (one.header.series_uid, one.header.number or 0, one.header.sop_uid))

    def series_versions(self, tx: Transaction, study_uid: str) -> list[SeriesRow]:
        groups: dict[str, list[Stored]] = {}
        for one in self.stored(tx, study_uid):
            groups.setdefault(one.header.series_uid, []).append(one)
        return [SeriesRow(min(o.id for o in g), uid, len(g), True, len(g)) for uid, g in groups.items()]

    def find(self, tx: Transaction, query: Query, told: Event | None = None) -> Page:
        """Exact matching on single values and lists, `*` wildcards, by the attributes of the first instance of each entity."""
        self.queries.append(query)
        level = {Level.STUDY: "study_uid", Level.SERIES: "series_uid", Level.INSTANCE: "sop_uid"}[query.level]
        rows: dict[str, dict[str, Any]] = {}
        for one in self._seen(tx):
            key = getattr(one.header, level)
            if key not in rows:
                with self.blobs.view(one.place) as view:
                    rows[key] = dcmread(BytesIO(bytes(view)), force=True, stop_before_pixels=True).to_json_dict()
        found = [row for _, row in sorted(rows.items()) if all(_matches(row, m.path, m.values) for m in query.matches)]
        keep = {"00100010", "00100020", "0020000D", "0020000E", "00080018", "00080060", "00080005"} | set(query.include or ())
        page = [row if query.include is None else {t: e for t, e in row.items() if t in keep} for row in found]
        answer = Page(tuple(page[query.offset : query.offset + query.limit]), len(found))
        if told is not None:
            tx.emit(replace(told, detail={**told.detail, "matches": len(answer.rows)}))
        return answer

    # -- intake
    def open(self, actor: Actor, source: str) -> Intake:
        return Intake(self, actor)

    def add(self, data: bytes) -> Header:
        """Store one Part 10 file and index it at once."""
        intake = self.open(READER, "test")
        incoming = intake.begin_part10()
        incoming.write(data)
        header = incoming.finish()
        intake.close()
        return header

    def deps(self, **changes: Any) -> DicomWebDeps:
        return DicomWebDeps(self.begin, self.actor, self, self.blobs, self, self.retrieved, self.home / "cache", **changes)

    def app(self, limits: Limits | None = None) -> FastAPI:
        app = FastAPI()
        app.include_router(routes(self.deps(limits=limits or Limits())))
        return app


def _matches(row: dict[str, Any], path: Sequence[str], values: Sequence[str]) -> bool:
    element = row.get(path[0], {})
    if len(path) > 1:
        return any(_matches(item, path[1:], values) for item in element.get("Value", [{}]))
    if not values:
        return True
    found = [v.get("Alphabetic", "") if isinstance(v, dict) else str(v) for v in element.get("Value", [])]
    patterns = [re.compile(".*".join(map(re.escape, value.split("*")))) for value in values]
    return any(pattern.fullmatch(text) for pattern in patterns for text in found)


@dataclass
class Intake:
    """Writes each instance into a file of its own; indexes on flush."""

    center: Center
    actor: Actor
    receipts: list[Receipt] = field(default_factory=list)
    waiting: list[Stored] = field(default_factory=list)

    def begin_part10(self) -> Incoming:
        if self.center.storage is not None:
            raise self.center.storage
        return Incoming(self)

    def flush(self) -> None:
        with self.center.lock:
            for one in self.waiting:
                known = {(o.header.series_uid, o.header.sop_uid): o for o in self.center.instances}
                twin = known.get((one.header.series_uid, one.header.sop_uid))
                h = one.header
                fate = "stored" if twin is None else "duplicate" if twin.digest == one.digest else "conflict"
                if twin is None:
                    self.center.instances.append(one)
                self.receipts.append(Receipt(h.sop_class, h.sop_uid, h.study_uid, h.series_uid, fate))  # type: ignore[arg-type]
        self.waiting = []

    def close(self) -> None:
        self.flush()


class Incoming:
    """One file on its way in."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.data = bytearray()

    def write(self, chunk: bytes | memoryview) -> None:
        if self.intake.center.storage is not None:
            raise self.intake.center.storage
        self.data += chunk

    def check(self) -> Header:
        try:
            parts = split(bytes(self.data))
            body = bytes(self.data[parts.data_at :])
            header = scan(body, parts.transfer_syntax)
            check_extent(body, header)
        except DatasetInvalid as error:
            raise Refused(error.detail) from error
        return header

    def finish(self, sync: bool = True) -> Header:
        header = self.check()
        data = bytes(self.data)
        parts = split(data)
        key = f"{blake2b(data, digest_size=12).hexdigest()}.dcm"
        (self.intake.center.blobs.folder / key).write_bytes(data)
        number = len(self.intake.center.instances) + len(self.intake.waiting) + 1
        place = Place(key, 0, len(data), parts.data_at)
        digest = blake2b(data[parts.data_at :], digest_size=32).digest()
        self.intake.waiting.append(Stored(number, header, place, digest, self.intake.actor.institution or 0))
        return header

    def abort(self) -> None:
        self.data.clear()


def values(row: dict[str, Any], tag: str) -> list[Any]:
    """The values of an attribute in the JSON model."""
    return list(row.get(tag, {}).get("Value", []))


def compact(value: Any) -> bytes:
    """JSON as bytes."""
    return json.dumps(value).encode()
