"""What became of each instance of a store request, and the answer that tells it (PS3.18 section 10.5.3)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from panorad.access.dicomweb.errors import UnsupportedMedia, status_for
from panorad.access.dicomweb.target import url_of
from panorad.kit.errors import Kind, PanoradError, StorageFull, StorageLost
from panorad.model.instance import Header, Receipt

PROCESSING_FAILURE = 0x0110
OUT_OF_RESOURCES = 0xA700
DATA_SET_MISMATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
COERCED = 0xB000
"""Failure and warning reasons of PS3.18 Tables 10.5.3-2 and I.2-2, which are the statuses of C-STORE (PS3.4 Table B.2-1)."""

REASONS: Mapping[Kind, int] = {
    Kind.INVALID: CANNOT_UNDERSTAND,
    Kind.UNSUPPORTED: CANNOT_UNDERSTAND,
    Kind.CONFLICT: DATA_SET_MISMATCH,
    Kind.UNAVAILABLE: OUT_OF_RESOURCES,
}

SOP_CLASS, SOP_UID = "00081150", "00081155"
RETRIEVE_URL, FAILURE_REASON, WARNING_REASON = "00081190", "00081197", "00081196"
FAILED, REFERENCED, OTHER = "00081198", "00081199", "0008119A"


class OtherStudy(PanoradError):
    """The instance is of another study than the request's address"""

    kind = Kind.CONFLICT


class CutShort(PanoradError):
    """The request could not be worked off to its end"""


class NothingSent(PanoradError):
    """The request holds no instance"""

    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Failure:
    """One instance that was not stored; UIDs are empty where the bytes did not tell them."""

    error: PanoradError
    sop_class: str = ""
    sop_uid: str = ""

    @property
    def reason(self) -> int:
        """The failure reason."""
        return REASONS.get(self.error.kind, PROCESSING_FAILURE)


@dataclass(slots=True)
class Ledger:
    """Filled while a store request is worked off."""

    finished: list[Header] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    receipts: Sequence[Receipt] = ()
    broken: PanoradError | None = None

    def failed(self, error: PanoradError, sop_class: str = "", sop_uid: str = "") -> None:
        """One instance was not stored."""
        self.failures.append(Failure(error, sop_class, sop_uid))

    def settle(self, receipts: Sequence[Receipt], unflushed: PanoradError | None) -> None:
        """The intake was flushed: finished instances without a receipt failed for the reason `unflushed`."""
        self.receipts = receipts
        left: defaultdict[str, deque[Receipt]] = defaultdict(deque)
        for receipt in receipts:
            left[receipt.sop_uid].append(receipt)
        for header in self.finished:
            if left[header.sop_uid]:
                left[header.sop_uid].popleft()
            else:
                self.failed(unflushed or PanoradError("not indexed"), header.sop_class, header.sop_uid)

    @property
    def status(self) -> int:
        """200 when all is stored, 202 when some is or with warnings, else what the gravest failure is (PS3.18 Table 10.5.3-1).

        400 is for instances that could not be read, 409 for those that could and are not to be stored.
        """
        errors = [failure.error for failure in self.failures] + ([self.broken] if self.broken else [])
        if self.receipts:
            return 202 if errors or any(r.fate == "conflict" for r in self.receipts) else 200
        for grave in (StorageFull, StorageLost, UnsupportedMedia):
            if found := next((error for error in errors if isinstance(error, grave)), None):
                return status_for(found)
        if self.broken is not None:
            return status_for(self.broken)
        kinds = {error.kind for error in errors}
        return 503 if Kind.UNAVAILABLE in kinds else 409 if kinds - {Kind.INVALID} else 400

    def dataset(self, base: str, study: str) -> dict[str, Any]:
        """The Store Instances Response Module (PS3.18 annex I.2) in the DICOM JSON Model."""
        studies = {receipt.study_uid for receipt in self.receipts} | ({study} if study else set())
        answer: dict[str, Any] = {}
        if len(studies) == 1:
            answer[RETRIEVE_URL] = {"vr": "UR", "Value": [url_of(base, *studies)]}
        named = [failure for failure in self.failures if failure.sop_uid]
        other = [failure.reason for failure in self.failures if not failure.sop_uid]
        if self.broken is not None:
            other.append(REASONS.get(self.broken.kind, PROCESSING_FAILURE))
        sequences = {
            FAILED: [{**_reference(f.sop_class, f.sop_uid), FAILURE_REASON: _number(f.reason)} for f in named],
            REFERENCED: [_stored(receipt, base) for receipt in self.receipts],
            OTHER: [{FAILURE_REASON: _number(reason)} for reason in other],
        }
        return answer | {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items}

    def texts(self) -> list[str]:
        """What a person should know of the failures, without repetition, at most ten sentences."""
        errors = [failure.error for failure in self.failures] + ([self.broken] if self.broken else [])
        return list(dict.fromkeys(error.message[:200] for error in errors))[:10]


def _stored(receipt: Receipt, base: str) -> dict[str, Any]:
    item = _reference(receipt.sop_class, receipt.sop_uid)
    item[RETRIEVE_URL] = {"vr": "UR", "Value": [url_of(base, receipt.study_uid, receipt.series_uid, receipt.sop_uid)]}
    if receipt.fate == "conflict":
        item[WARNING_REASON] = _number(COERCED)
    return dict(sorted(item.items()))


def _reference(sop_class: str, sop_uid: str) -> dict[str, Any]:
    uids = {SOP_CLASS: sop_class, SOP_UID: sop_uid}
    return {tag: {"vr": "UI", "Value": [uid]} if uid else {"vr": "UI"} for tag, uid in uids.items()}


def _number(value: int) -> dict[str, Any]:
    return {"vr": "US", "Value": [value]}
