"""What the DICOMweb routes need from the center, and nothing more; `app.py` wires it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from starlette.requests import Request

from panorad.data.process.recorder import Retrieval
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor
from panorad.model.event import Event
from panorad.model.instance import Header, Place, Receipt, Stored
from panorad.model.query import Page, Query


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may ask for or bring."""

    default_page: int = 200
    """Answers of a search that names no limit."""
    largest_page: int = 5000
    """The most answers of one search; more are paged."""
    part_bytes: int = 8 << 30
    """The largest instance taken by STOW-RS, in bytes."""
    metadata_bytes: int = 256 << 20
    """The largest metadata part of a STOW-RS request with bulk data, in bytes."""
    parts: int = 100_000
    """The most parts of one STOW-RS request."""
    frames: int = 10_000
    """The most frames of one request."""


class SeriesVersion(Protocol):
    """One series of a study: `version` grows with each change, `settled` tells that the series has been quiet.

    The same Series Instance UID may stand twice, under two institutions or patients; `id` tells the two apart.
    """

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def series_uid(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> int: ...  # noqa: D102
    @property
    def settled(self) -> bool: ...  # noqa: D102
    @property
    def instances(self) -> int: ...  # noqa: D102


class Imaging(Protocol):
    """The image archive as a reader sees it; every answer holds only what the transaction's actor may see."""

    def find(self, tx: Transaction, query: Query, told: Event | None = None) -> Page:
        """Search the index; `told` is the event that tells of it, to be written with the number of `matches`."""

    def stored(self, tx: Transaction, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None) -> list[Stored]:
        """The instances of a study, series or SOP Instance UID in order; empty when there are none."""

    def series_versions(self, tx: Transaction, study_uid: str) -> Sequence[SeriesVersion]:
        """The series of a study with their versions."""


class Blobs(Protocol):
    """Stored bytes."""

    def read(self, place: Place, offset: int = 0, length: int | None = None) -> bytes:
        """Part of an instance's Part 10 file."""

    def view(self, place: Place) -> AbstractContextManager[memoryview]:
        """The whole of an instance's Part 10 file, mapped."""


class Incoming(Protocol):
    """One instance on its way in."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""

    def check(self) -> Header:
        """All bytes came: what they are. Raises a PanoradError when they are refused."""

    def finish(self, sync: bool = True) -> Header:
        """Check them, unless that was done, and keep them. Raises a PanoradError when they are refused."""

    def abort(self) -> None:
        """Forget the bytes: their sender went away or they do not belong here."""


class Intake(Protocol):
    """One request's stream of instances."""

    @property
    def receipts(self) -> list[Receipt]:
        """What became of the instances, in the order of their finish, once flushed."""

    def begin_part10(self) -> Incoming:
        """A new instance that comes as a Part 10 file."""

    def flush(self) -> None:
        """Make everything finished durable and indexed."""

    def close(self) -> None:
        """Flush and let go."""


class Intakes(Protocol):
    """Opens intakes."""

    def open(self, actor: Actor, source: str) -> Intake:
        """An intake for one request of `actor`."""


Retrieved = Callable[[Actor, Sequence[Retrieval]], None]
"""Records what is about to leave, before it does; raises an UNAVAILABLE error when it cannot, and then nothing may leave."""


@dataclass(frozen=True, slots=True)
class DicomWebDeps:
    """Everything the DICOMweb routes stand on.

    `begin` opens a transaction for an actor; nothing is written in it but events of searches, so its commit may be a relaxed one.
    `actor` tells who asks, and raises a FORBIDDEN error when nobody is signed in.
    `cache_dir` is a folder for derived files that may be deleted at any time.
    """

    begin: Callable[[Actor], AbstractContextManager[Transaction]]
    actor: Callable[[Request], Actor]
    imaging: Imaging
    blobs: Blobs
    intakes: Intakes
    retrieved: Retrieved
    cache_dir: Path
    limits: Limits = Limits()
