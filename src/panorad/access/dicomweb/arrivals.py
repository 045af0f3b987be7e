"""Whole instances of a store request on their way into the archive."""

from __future__ import annotations

from contextlib import suppress

from panorad.access.dicomweb.deps import Incoming, Intake
from panorad.access.dicomweb.errors import BodyTooLarge
from panorad.access.dicomweb.ledger import Ledger, OtherStudy
from panorad.data.imaging.header import DatasetInvalid, scan
from panorad.data.imaging.part10 import split
from panorad.kit.errors import Kind, PanoradError
from panorad.model.instance import Header

HEAD = 16 << 10
"""How much of each instance is looked at to name it when it is refused, in bytes."""


class Arrivals:
    """Hands the instances of one request to its intake, one after the other, and notes what becomes of them.

    An instance that is refused does not stop the next ones. Storage that is full or lost, or an index out
    of reach, does: then `write`, `begin` and `end` raise.
    """

    def __init__(self, intake: Intake, ledger: Ledger, study: str, most: int) -> None:
        self._intake = intake
        self._ledger = ledger
        self._study = study
        self._most = most
        self._incoming: Incoming | None = None
        self._head = bytearray()
        self._size = 0

    def begin(self) -> None:
        """The next instance begins. Raises when the archive takes none."""
        self._head.clear()
        self._size = 0
        self._incoming = self._intake.begin_part10()

    def write(self, data: memoryview | bytes) -> None:
        """Its next bytes. Raises when the archive takes no more."""
        if self._incoming is None:
            return
        if len(self._head) < HEAD:
            self._head += data[: HEAD - len(self._head)]
        self._size += len(data)
        if self._size > self._most:
            self._drop(BodyTooLarge(f"an instance of more than {self._most} bytes"))
            return
        try:
            self._incoming.write(data)
        except PanoradError as error:
            self._drop(error)
            if error.kind is Kind.UNAVAILABLE:
                raise

    def end(self) -> None:
        """The instance is complete. Raises when the archive cannot keep it for a reason that will meet the next one too."""
        incoming = self._incoming
        if incoming is None:
            return
        try:
            if self._study and (header := incoming.check()).study_uid != self._study:
                self.abort()
                self._ledger.failed(OtherStudy(f"{header.sop_uid} is of study {header.study_uid}"), header.sop_class, header.sop_uid)
                return
            header = incoming.finish(sync=False)
        except PanoradError as error:
            self._ledger.failed(error, *self._reference())
            if error.kind is Kind.UNAVAILABLE:
                raise
        else:
            self._ledger.finished.append(header)
        finally:
            self._incoming = None

    def refuse(self, error: PanoradError, sop_class: str, sop_uid: str) -> None:
        """An instance could not even be put together."""
        self._ledger.failed(error, sop_class, sop_uid)

    def abort(self) -> None:
        """The request broke off: forget the instance under way."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            with suppress(PanoradError):  # the storage that is lost now has nothing to forget
                incoming.abort()

    def _drop(self, error: PanoradError) -> None:
        self.abort()
        self._ledger.failed(error, *self._reference())

    def _reference(self) -> tuple[str, str]:
        """SOP Class and SOP Instance UID, of a damaged data set those of the file's meta information that it repeats; else empty."""
        if named := self._named():
            return named.sop_class, named.sop_uid
        head = bytes(self._head)
        try:
            parts = split(head)
        except DatasetInvalid:
            return "", ""
        sop_class, sop_uid = parts.meta.get("00020002", ""), parts.meta.get("00020003", "")
        return (sop_class, sop_uid) if sop_uid and sop_uid.encode() in head[parts.data_at :] else ("", "")

    def _named(self) -> Header | None:
        """What the first bytes tell of the instance, None when they do not."""
        head = bytes(self._head)
        try:
            parts = split(head)
            return scan(head[parts.data_at :], parts.transfer_syntax)
        except DatasetInvalid:
            return None
