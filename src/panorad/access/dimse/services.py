"""What the DIMSE edge needs of the center, as types: the application passes one `Services` to each server.

Everything is synchronous and called from an association's own thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from panorad.access.dimse.tls import Credentials
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Begin, Transaction
from panorad.model.actor import Actor
from panorad.model.certificate import Binding, Certificate
from panorad.model.event import Event
from panorad.model.instance import Header, Place, Stored
from panorad.model.query import Page, Query

Buffer = bytes | bytearray | memoryview


class NodeUnknown(PanoradError):
    """The calling AE title is not a known node"""

    kind = Kind.FORBIDDEN


class CallerRefused(PanoradError):
    """The node may not call like this"""

    kind = Kind.FORBIDDEN


class CalledUnknown(PanoradError):
    """The called AE title is not ours"""

    kind = Kind.ABSENT


@dataclass(frozen=True, slots=True)
class Destination:
    """Where C-MOVE sends to: a node's AE title and its address; over TLS or not, and what its certificate must be."""

    ae_title: str
    host: str
    port: int
    tls: bool = False
    bindings: tuple[Binding, ...] = ()


class Incoming(Protocol):
    """One instance on its way in."""

    def write(self, chunk: memoryview, /) -> object:
        """Take the next bytes of the data set; they are gone when this returns."""

    def finish(self) -> Header:
        """Check, make durable, promise the index; raises a PanoradError when the instance is not taken."""

    def abort(self) -> None:
        """Drop the bytes."""


class Intake(Protocol):
    """The instances of one association."""

    def begin(self, sop_uid: str, sop_class: str, transfer_syntax: str, /) -> Incoming:
        """Start an instance of which the data set alone will come."""

    def flush(self) -> object:
        """Return when everything finished is durable and indexed."""

    def close(self) -> object:
        """Flush and let go."""


class OpenIntake(Protocol):
    """`Intakes.open`."""

    def __call__(self, actor: Actor, source: str, /) -> Intake:
        """Open the intake of one association; `source` tells where it comes from."""


class Admit(Protocol):
    """Who calls: the actor of a calling AE title at a network address, with the certificate it showed; plainly without one.

    Raises NodeUnknown, CallerRefused or CalledUnknown.
    """

    def __call__(self, calling: str, called: str, peer: str, certificate: Certificate | None, /) -> Actor:
        """Decide."""


class Find(Protocol):
    """A search of the index; `told` is the event that tells of it, written with the number of `matches` or the search fails."""

    def __call__(self, tx: Transaction, query: Query, told: Event | None = None, /) -> Page:
        """One page of what matches."""


class FindStored(Protocol):
    """The stored instances of a study, series or instance that the actor may see, in order."""

    def __call__(
        self, tx: Transaction, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None, /
    ) -> Sequence[Stored]:
        """Look up."""


@dataclass(frozen=True, slots=True)
class Services:
    """The bindings of the DIMSE edge.

    `view` maps the Part 10 bytes of an instance, `destination` finds the node behind an AE title (None when unknown), `transcode`
    gives a whole Part 10 file in another transfer syntax or raises. `credentials` are shown to destinations over TLS.
    `renew` gives the actor as it stands now, or raises NodeUnknown.
    """

    admit: Admit
    renew: Callable[[Actor], Actor]
    open_intake: OpenIntake
    begin: Begin
    find: Find
    stored: FindStored
    view: Callable[[Place], AbstractContextManager[memoryview]]
    destination: Callable[[Transaction, str], Destination | None]
    transcode: Callable[[Buffer, str], bytes]
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How a DIMSE server behaves; every field has a sentence and a unit.

    Attributes:
        ae_title: our AE title, as peers call us and as Retrieve AE Title says.
        maximum_pdu: longest P-DATA-TF we announce, in bytes.
        associations: associations served at a time by one process; more are rejected for the moment.
        each: of these, how many one network address and one calling AE title may hold; 0 for all.
        request_seconds: seconds for a peer's TLS handshake, again to say whom it calls (the ARTIM timer), and for one to answer us.
        idle_seconds: seconds of silence after which an association is aborted.
        pdu_seconds: seconds that we wait for the rest of one P-DATA-TF, however steadily it drips.
        receive_buffer: SO_RCVBUF in bytes where the kernel grants so much; 0 for the kernel's own growing one.
        matches: most matches that one C-FIND answers.
        page: matches that are read from the index at a time.
    """

    ae_title: str = "PANORAD"
    maximum_pdu: int = 131072
    associations: int = 100
    each: int = 0
    request_seconds: float = 30.0
    idle_seconds: float = 600.0
    pdu_seconds: float = 120.0
    receive_buffer: int = 1 << 22
    matches: int = 10_000
    page: int = 200
