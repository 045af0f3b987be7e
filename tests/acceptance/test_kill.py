"""Kill -9 of the whole tree, database included, at a random moment of a receipt over four associations.

What was acknowledged is there after the next start: once, readable, indexed, byte for byte. What was not acknowledged may or may
not be there; sending everything again makes it complete, and doubles nothing. ``PANORAD_LONG=1`` runs ten times 2,000 images,
``PANORAD_SEED`` repeats a run.
"""

import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from .dicomweb import retrieve, search, stored, stow, value
from .images import ct_series
from .part10 import EXPLICIT, Part10, split
from .processes import Center, family
from .scu import SUCCESS, AssociationLostError, AssociationRefusedError, StoreAssociation

LONG = os.environ.get("PANORAD_LONG") == "1"
IMAGES, ROUNDS, ASSOCIATIONS, SIZE = (2000, 10, 4, 64) if LONG else (240, 2, 4, 64)
SEED = int(os.environ.get("PANORAD_SEED", random.SystemRandom().randrange(1 << 32)))


class Sender(threading.Thread):
    """Sends its share on one association and notes what was acknowledged; ends quietly when the center dies."""

    def __init__(self, center: Center, files: list[Part10], acknowledged: list[str]) -> None:
        super().__init__(daemon=True)
        self._center, self._files, self._acknowledged = center, files, acknowledged
        self.refused: list[str] = []

    def run(self) -> None:
        """Store until the connection is lost."""
        try:
            with StoreAssociation(self._center.dimse, [(self._files[0].sop_class, EXPLICIT)]) as association:
                for file in self._files:
                    answer = association.store(file)
                    if answer.status == SUCCESS:
                        self._acknowledged.append(file.sop_instance)
                    else:
                        self.refused.append(f"{file.sop_instance}: 0x{answer.status:04X} {answer.comment}")
        except (AssociationLostError, AssociationRefusedError, OSError):
            return


def send(center: Center, files: list[Part10], acknowledged: list[str]) -> list[Sender]:
    senders = [Sender(center, files[n::ASSOCIATIONS], acknowledged) for n in range(ASSOCIATIONS)]
    for sender in senders:
        sender.start()
    return senders


def everything(center: Center) -> dict[str, Part10]:
    """Retrieve all that the index lists, study by study, and fail where something is listed twice or cannot be read."""
    found: dict[str, Part10] = {}
    for study in {value(match, "0020000D") for match in search(center.dicomweb, "studies")}:
        listed = [value(match, "00080018") for match in search(center.dicomweb, f"studies/{study}/instances")]
        assert len(listed) == len(set(listed)), "an instance is listed twice"
        readable = [split(raw) for raw in retrieve(f"{center.dicomweb}/studies/{study}")] if listed else []
        assert sorted(file.sop_instance for file in readable) == sorted(listed)
        found |= {file.sop_instance: file for file in readable}
    return found


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_nothing_acknowledged_is_lost_or_doubled(fresh_center: Callable[..., Center], turn: int) -> None:
    chance = random.Random(SEED + turn)
    center = fresh_center()
    each = IMAGES // ASSOCIATIONS
    files = {uid: split(raw) for n in range(ASSOCIATIONS) for uid, raw in ct_series(each, patient=f"KILL-{n}", size=SIZE)}
    order = list(files.values())
    chance.shuffle(order)
    acknowledged: list[str] = []
    moment, wait = int(len(order) * chance.uniform(0.02, 0.95)), chance.uniform(0, 0.03)
    story = f"PANORAD_SEED={SEED}, turn {turn}: killed {wait * 1000:.1f} ms after {moment} of {len(order)}"

    senders = send(center, order, acknowledged)
    end = time.monotonic() + 300
    while len(acknowledged) < moment and time.monotonic() < end and any(sender.is_alive() for sender in senders):
        time.sleep(0.001)
    time.sleep(wait)
    center.kill()
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive()
        assert not sender.refused, story
    assert len(acknowledged) >= moment, f"{story}: the receipt ended early, after {len(acknowledged)}"
    assert len(acknowledged) == len(set(acknowledged))

    center.start()
    found = everything(center)
    lost = set(acknowledged) - found.keys()
    assert not lost, f"{story}: {len(lost)} acknowledged and lost, for example {sorted(lost)[:3]}"
    assert found.keys() <= files.keys(), story
    changed = [uid for uid, file in found.items() if file.dataset != files[uid].dataset]
    assert not changed, f"{story}: other bytes in {changed[:3]}"

    again: list[str] = []
    for sender in send(center, order, again):
        sender.join(300)
        assert not sender.refused, story
    assert len(again) == len(files), story
    assert {uid: f.dataset for uid, f in everything(center).items()} == {uid: f.dataset for uid, f in files.items()}, story


def test_a_study_is_whole_after_a_kill_during_stow(fresh_center: Callable[..., Center]) -> None:
    """A STOW transaction that was answered survives a kill right after the answer."""
    center = fresh_center()
    files = dict(ct_series(30, patient="KILL-STOW", size=SIZE))
    answer = stow(center.dicomweb, files.values())
    center.kill()
    assert stored(answer) == files.keys()
    center.start()
    found = everything(center)
    assert found.keys() == files.keys()
    assert {uid: file.dataset for uid, file in found.items()} == {uid: split(raw).dataset for uid, raw in files.items()}


def test_what_a_receiving_process_acknowledged_is_found_soon_after_it_alone_died(fresh_center: Callable[..., Center]) -> None:
    """The center goes on; a worker looks after what the dead process had promised, and the supervisor starts another."""
    center = fresh_center()
    files = {uid: split(raw) for uid, raw in ct_series(200, patient="KILL-ONE", size=SIZE)}
    acknowledged: list[str] = []
    senders = send(center, list(files.values()), acknowledged)
    while len(acknowledged) < 50:
        time.sleep(0.001)
    for process in family(center.pid, center.home):
        with suppress(psutil.NoSuchProcess):
            if "dimse" in process.cmdline():
                process.kill()
    for sender in senders:
        sender.join(60)
    promised, end = set(acknowledged), time.monotonic() + 60
    while (lost := promised - everything(center).keys()) and time.monotonic() < end:
        time.sleep(0.5)
    assert not lost
    again: list[str] = []
    for sender in send(center, list(files.values()), again):
        sender.join(60)
    assert everything(center).keys() == files.keys()
