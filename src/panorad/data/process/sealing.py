"""The event log under seal: batches of final events, a digest of each row, and a chain of SHA-256 over the batches.

Whoever changes, removes or adds a row behind the center's back can be found by anyone who reads the log again. Who can write every table
can also seal anew; the head of the chain, kept somewhere else, tells that too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import zip_longest

from panorad.data.process import store
from panorad.kit.transaction import Begin, Transaction
from panorad.model.actor import SYSTEM
from panorad.model.event import Event

MOST = 10_000
"""Events under one seal, at most."""
_WIDTH = 16


@dataclass(frozen=True, slots=True)
class Seal:
    """One batch: events with ids above the last seal's `last_id` up to this one's. `rows` holds 16 bytes for each, in order."""

    number: int
    first_id: int
    last_id: int
    rows: bytes
    chain: bytes

    @property
    def head(self) -> str:
        """The number and the chain, as people keep them."""
        return f"{self.number}:{self.chain.hex()}"


_NONE = Seal(0, -1, -1, b"", bytes(32))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of reading the log again: how many events and seals agree, the head, and what is wrong first, or None."""

    events: int
    seals: int
    head: str
    fault: str | None


def chained(before: bytes, number: int, first_id: int, last_id: int, rows: bytes) -> bytes:
    """The chain with one more batch: SHA-256 over the chain so far, the three integers in 8 bytes big-endian, and the rows' digests."""
    return sha256(b"".join((before, *(value.to_bytes(8, "big") for value in (number, first_id, last_id)), rows))).digest()


def seal(tx: Transaction) -> int:
    """Seal the next final events; how many there were. 0 too while another process seals."""
    if not store.may_seal(tx):
        return 0
    last = Seal(*row) if (row := store.last_seal(tx)) else _NONE
    found = store.digests(tx, last.last_id, None, MOST)
    if found:
        number, first_id, last_id, rows = last.number + 1, found[0][0], found[-1][0], b"".join(digest for _, digest in found)
        store.add_seal(tx, number, first_id, last_id, rows, chained(last.chain, number, first_id, last_id, rows))
    return len(found)


def seal_some(begin: Begin, batches: int = 10) -> int:
    """Seal the final events, this many batches at most; how many events there were."""
    count = 0
    for _ in range(batches):
        with begin(SYSTEM) as tx:
            done = seal(tx)
        count += done
        if done < MOST:
            break
    return count


def sealed(tx: Transaction) -> tuple[str, datetime | None, str]:
    """The head of the chain, when the log was last read against it, and what was wrong then; the head is empty before the first seal."""
    last, read = store.last_seal(tx), store.last_verified(tx)
    return Seal(*last).head if last else "", read[0] if read else None, str(read[2].get("fault") or "") if read else ""


def verify(begin: Begin, progress: Callable[[int], None], kept: str = "") -> Verdict:
    """Read the log against its seals. `kept`: a head that was noted earlier, which the chain must lead through.

    `progress` is told the events read so far. Stops at the first thing that is wrong, and is an event itself.
    """
    verdict = _verified(begin, progress, kept.strip().lower())
    with begin(SYSTEM) as tx:
        detail = {"events": verdict.events, "seals": verdict.seals, "head": verdict.head, "fault": verdict.fault}
        tx.emit(Event("audit.verified", {}, detail, "failure" if verdict.fault else "success"))
    return verdict


def _verified(begin: Begin, progress: Callable[[int], None], kept: str) -> Verdict:
    count, at, met = 0, _NONE, not kept
    while True:
        with begin(SYSTEM) as tx:
            batch = [Seal(*row) for row in store.seals(tx, at.number, 10)]
            if not batch:
                return Verdict(count, at.number, at.head, None if met else f"the chain does not lead through {kept[:80]}")
            for one in batch:
                fault = _fault_of(one, at) or _difference(store.digests(tx, at.last_id, one.last_id, MOST + 1), one)
                if fault:
                    return Verdict(count, at.number, at.head, fault)
                count, at = count + len(one.rows) // _WIDTH, one
                met = met or at.head == kept
                progress(count)


def _fault_of(one: Seal, before: Seal) -> str | None:
    if one.number != before.number + 1:
        return f"seal {before.number + 1} is missing"
    if one.first_id <= before.last_id or chained(before.chain, one.number, one.first_id, one.last_id, one.rows) != one.chain:
        return f"seal {one.number} was changed"
    return None


def _difference(found: Sequence[tuple[int, bytes]], one: Seal) -> str | None:
    """The first event that is not what was sealed, in words; None when all are."""
    digests = [digest for _, digest in found]
    if b"".join(digests) == one.rows:
        return None
    sealed = [one.rows[at : at + _WIDTH] for at in range(0, len(one.rows), _WIDTH)]
    n, now, then = next((n, now, then) for n, (now, then) in enumerate(zip_longest(digests, sealed)) if now != then)
    now_later, then_later = digests[n + 1 :], sealed[n + 1 :]
    if now is None or digests[n:] == then_later or (then in now_later) < (now in then_later):
        return f"an event {_place(found, n)} is missing (seal {one.number})"
    if then is None or then in now_later:
        return f"event {found[n][0]} was added (seal {one.number})"
    return f"event {found[n][0]} was changed (seal {one.number})"


def _place(found: Sequence[tuple[int, bytes]], n: int) -> str:
    return f"before {found[n][0]}" if n < len(found) else f"after {found[-1][0]}" if found else "of this batch"
