"""The retrieve service as SCP: C-MOVE and C-GET (PS3.4 sections C.4.2 and C.4.3)."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from panorad.access.dimse.association import Association
from panorad.access.dimse.command import Command, Field, Operation
from panorad.access.dimse.conformance import Service
from panorad.access.dimse.find import UNIQUE, level_of
from panorad.access.dimse.identifier import Element, InvalidIdentifier, decode, encode
from panorad.access.dimse.negotiation import Context
from panorad.access.dimse.sending import (
    WARNINGS,
    Accepted,
    DestinationLost,
    NoContext,
    Originator,
    answer_of,
    associate,
    batches,
    send_instance,
)
from panorad.access.dimse.services import Destination
from panorad.access.dimse.status import Status, failure
from panorad.access.dimse.upper_layer import AssociationEnded, UpperLayer
from panorad.kit.errors import PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.event import Event, Outcome
from panorad.model.instance import Stored
from panorad.model.query import Level, Match, Query

MOST = 0xFFFF
"""Sub-operations that the counts of a response can tell (US)."""

PAGE = 500
FAILED_NAMED = 1000
"""Failed SOP Instance UIDs that fit the 64 KiB of one explicit VR value."""

log = logging.getLogger(__name__)


class Cancelled(Exception):
    """C-CANCEL came."""


class TooMany(Exception):
    """More instances match than one retrieval can count."""


class DestinationUnknown(Exception):
    """The move destination is no known node."""


REFUSALS: Mapping[type[Exception], Status] = {
    InvalidIdentifier: Status.DOES_NOT_MATCH,
    TooMany: Status.CANNOT_COUNT,
    DestinationUnknown: Status.MOVE_DESTINATION_UNKNOWN,
    Cancelled: Status.CANCEL,
}
SERVICES = {Operation.C_MOVE: Service.MOVE, Operation.C_GET: Service.GET}
KINDS = {Operation.C_MOVE: "instances.sent", Operation.C_GET: "instances.retrieved"}


@dataclass(slots=True)
class Progress:
    """The sub-operations of one retrieval."""

    total: int = 0
    completed: int = 0
    failed: list[str] = field(default_factory=list)
    warnings: int = 0

    @property
    def tried(self) -> int:
        """Sub-operations done, well or not."""
        return self.completed + self.warnings + len(self.failed)

    @property
    def remaining(self) -> int:
        """Sub-operations not yet tried."""
        return self.total - self.tried

    def counts(self, *, remaining: bool) -> dict[int, int]:
        """The four counts of a response; Remaining stands in pending and cancelled ones only (PS3.4 section C.4.2.1.6)."""
        counts: dict[int, int] = {Field.COMPLETED: self.completed, Field.FAILED: len(self.failed), Field.WARNING: self.warnings}
        return {**counts, Field.REMAINING: self.remaining} if remaining else counts

    def note(self, uid: str, status: int) -> None:
        """Count one answered sub-operation."""
        if status == Status.SUCCESS:
            self.completed += 1
        elif status in WARNINGS:
            self.warnings += 1
        else:
            self.failed.append(uid)


def selection(tx: Transaction, association: Association, elements: Sequence[Element], level: Level) -> list[Stored]:
    """The stored instances an identifier names by the unique keys down to its level, in the order of the archive.

    Keys above the level may be missing (relational retrieval). Raises InvalidIdentifier, TooMany and what the archive raises.
    """
    keys = {element.tag: element.values for element in elements}
    asked = {tag: keys[tag] for at, tag in UNIQUE.items() if at <= level and keys.get(tag)}
    own = UNIQUE[level]
    if own not in asked:
        raise InvalidIdentifier(f"the unique key ({own[:4]},{own[4:]}) is missing")
    if any("*" in value or "?" in value for values in asked.values() for value in values):
        raise InvalidIdentifier("a unique key holds a wildcard")
    above = level - 1
    targets = [(study,) for study in asked.get(UNIQUE[Level.STUDY], ())] if level >= Level.STUDY else []
    known = [UNIQUE[at] for at in (Level.STUDY, Level.SERIES) if at <= above]
    if targets and all(len(asked.get(tag, ())) == 1 for tag in known):
        scopes = [(*target, series) for target in targets for series in asked.get(UNIQUE[Level.SERIES], (None,))]
    else:
        scopes = _located(tx, association, asked, level)
    wanted = frozenset(asked.get(UNIQUE[Level.INSTANCE], ()))
    found: list[Stored] = []
    for study, series in scopes:
        instances = association.services.stored(tx, study, series)
        found += [stored for stored in instances if not wanted or stored.header.sop_uid in wanted]
        if len(found) > MOST:
            raise TooMany(f"more than {MOST} instances match")
    return found


def _located(
    tx: Transaction, association: Association, asked: dict[str, tuple[str, ...]], level: Level
) -> list[tuple[str, str | None]]:
    """Studies and series, found by query, that hold what the keys name."""
    at = max(level, Level.STUDY)
    series = UNIQUE[Level.SERIES] if at > Level.STUDY else None
    matches = tuple(Match((tag,), values) for tag, values in asked.items())
    include = frozenset((UNIQUE[Level.STUDY],) if series is None else (UNIQUE[Level.STUDY], series))
    scopes: dict[tuple[str, str | None], None] = {}
    offset = 0
    while True:
        query = Query(at, matches, include, limit=PAGE, offset=offset)
        rows = association.services.find(tx, query).rows
        for row in rows:
            scopes[row[UNIQUE[Level.STUDY]]["Value"][0], None if series is None else row[series]["Value"][0]] = None
        offset += len(rows)
        if len(rows) < PAGE:
            return list(scopes)


def move(association: Association, command: Command, context: Context) -> None:
    """C-MOVE: the instances go to the move destination over associations of ours."""
    title = command.text(Field.MOVE_DESTINATION)

    def send(to: Destination | None, instances: Sequence[Stored], step: Step) -> None:
        if to is None:
            raise DestinationUnknown(f"no node is called {title}")
        originator = Originator(association.calling, command.message_id)
        for batch in batches(instances):
            left = deque(batch.instances)
            try:
                with associate(to, batch.proposals, association.limits, association.services.credentials) as (layer, accepted):
                    step.send_all(left, layer, accepted, answer_of(layer), originator)
            except DestinationLost as lost:
                step.reason = f"{title}: {lost}"
                while left:
                    step.after(left.popleft(), Status.CANNOT_PERFORM)

    _retrieve(association, command, context, title, send, lambda tx: association.services.destination(tx, title))


def get(association: Association, command: Command, context: Context) -> None:
    """C-GET: the instances come back under this association, in the contexts for which the requestor took the SCP role."""

    def send(_: Destination | None, instances: Sequence[Stored], step: Step) -> None:
        contexts = [context for context in association.contexts.values() if context.sends]
        accepted = {(context.offer.uid, context.transfer_syntax): context.id for context in contexts}
        step.send_all(deque(instances), association.layer, accepted, association.sub_operation_status)

    _retrieve(association, command, context, association.calling, send, lambda tx: None)


@dataclass(slots=True)
class Step:
    """What happens around each sub-operation of one retrieval; `reason` is why the last failed one did."""

    association: Association
    command: Command
    progress: Progress = field(default_factory=Progress)
    reason: str = ""

    def send_all(
        self,
        left: deque[Stored],
        layer: UpperLayer,
        accepted: Accepted,
        answer: Callable[[int], Command],
        originator: Originator | None = None,
    ) -> None:
        """Send instances until none is left; one that cannot be sent is counted and the next one tried."""
        association = self.association
        while left:
            if association.cancelled(self.command.message_id):
                raise Cancelled
            message_id = self.progress.tried % MOST + 1
            try:
                status = send_instance(layer, accepted, association.services, left[0], message_id, answer, originator)
            except AssociationEnded as ended:
                if layer is association.layer:
                    raise
                raise DestinationLost(ended.reason) from None
            except NoContext as error:
                status, self.reason = Status.SOP_CLASS_NOT_SUPPORTED, str(error)
            except Exception as error:
                log.exception("instance %s could not be sent", left[0].header.sop_uid)
                status, self.reason = failure(error)
            self.after(left.popleft(), status)

    def after(self, stored: Stored, status: int) -> None:
        """Count and, unless it was the last, tell the requestor."""
        self.progress.note(stored.header.sop_uid, status)
        if self.progress.remaining:
            self.association.respond(self.command, Status.PENDING, counts=self.progress.counts(remaining=True))

    def outcome(self) -> tuple[Status, str]:
        """The final status when every sub-operation was tried (PS3.4 Tables C.4-2 and C.4-3)."""
        progress = self.progress
        if not progress.failed and not progress.warnings:
            return Status.SUCCESS, ""
        nothing = progress.completed == progress.warnings == 0
        return Status.CANNOT_PERFORM if nothing else Status.SUB_OPERATIONS_FAILED, self.reason


Send = Callable[[Destination | None, Sequence[Stored], Step], None]


def _retrieve(
    association: Association,
    command: Command,
    context: Context,
    node: str,
    send: Send,
    destination: Callable[[Transaction], Destination | None],
) -> None:
    """What C-MOVE and C-GET share: read the identifier, find the instances, have them sent, say how it went."""
    data = association.identifier(command)
    operation = Operation(command.operation)
    if context.offer.service is not SERVICES[operation]:
        return association.respond(command, Status.SOP_CLASS_NOT_SUPPORTED, "not a retrieve information model")
    step, instances = Step(association, command), list[Stored]()
    status, comment = Status.CANNOT_PERFORM, "the association ended"
    try:
        elements = decode(data, context.transfer_syntax)
        level = level_of(elements, context.offer.root)
        with association.services.begin(association.reader) as tx:
            to = destination(tx)
            instances += selection(tx, association, elements, level)
            for study, count in _by_study(instances).items():  # committed before the first byte leaves, or nothing leaves
                tx.emit(Event("transfer.begun", {**_objects(association, node), "study": study}, {"instances": count}))
        step.progress.total = len(instances)
        send(to, instances, step)
        status, comment = step.outcome()
    except AssociationEnded:
        raise
    except Exception as error:
        status, comment = _refusal(error)
    finally:
        _record(association, operation, node, instances, step.progress, status)
    association.finished(command.message_id)
    unsent = {"00080058": {"vr": "UI", "Value": step.progress.failed[:FAILED_NAMED]}}
    told = encode(unsent, context.transfer_syntax) if step.progress.failed else b""
    counts = step.progress.counts(remaining=status is Status.CANCEL)
    return association.respond(command, status, comment, data=told, counts=counts)


def _refusal(error: Exception) -> tuple[Status, str]:
    own = REFUSALS.get(type(error))
    if own is not None:
        return own, str(error)
    if not isinstance(error, PanoradError):
        log.error("a retrieval failed", exc_info=error)
    status, comment = failure(error)
    return Status.CANNOT_PERFORM if status & 0xFF00 == Status.OUT_OF_RESOURCES else status, comment


def _record(
    association: Association, operation: Operation, node: str, instances: Sequence[Stored], progress: Progress, status: int
) -> None:
    """Say how it went, study by study; a retrieval that found nothing is one event."""
    good = status in (Status.SUCCESS, Status.SUB_OPERATIONS_FAILED, Status.CANCEL)
    outcome: Outcome = "success" if good else "failure"
    detail = {"protocol": operation.name.replace("_", "-"), "status": f"{status:04X}"}
    tried, failed = _by_study(instances[: progress.tried]), frozenset(progress.failed)
    lost = _by_study([stored for stored in instances[: progress.tried] if stored.header.sop_uid in failed])
    told = [
        ({"study": study}, {"instances": tried.get(study, 0) - lost.get(study, 0), "failed": lost.get(study, 0)})
        for study in _by_study(instances)
    ] or [({}, {"instances": 0, "failed": 0})]
    association.record(
        *(Event(KINDS[operation], {**_objects(association, node), **of}, {**detail, **counts}, outcome) for of, counts in told)
    )


def _by_study(instances: Sequence[Stored]) -> Counter[str]:
    return Counter(stored.header.study_uid for stored in instances)


def _objects(association: Association, node: str) -> dict[str, str]:
    return {"node": node, "requestor": association.calling}
