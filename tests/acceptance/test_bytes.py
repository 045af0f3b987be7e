"""Every real file through every door: kept byte for byte, or refused with a reason. Nothing in between.

Several files of the collections share a SOP Instance UID with other content. The first one that is sent owns the address; the
others may be kept and flagged or refused, but must not replace it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from pydicom.uid import RE_VALID_UID

from .dicomweb import failed, instance_paths, others, retrieve, search, stored, stow, value
from .images import read, value_of
from .part10 import NotPart10Error, Part10, split
from .processes import Center
from .scu import AssociationLostError, AssociationRefusedError, StoreAssociation

pytestmark = pytest.mark.realdata

BATCH, CONTEXTS = 40, 100


@dataclass(frozen=True)
class Sample:
    """A DICOM file of the collection, by the identifiers of its data set."""

    path: Path
    file: Part10
    study: str
    instance: str


@dataclass
class Outcome:
    """What one door said: accepted files, and reasons for the others."""

    accepted: list[Sample] = field(default_factory=list)
    reasons: dict[Path, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def samples(realdata: Path) -> list[Sample]:
    """Every Part 10 file with a SOP Instance UID, in the order of its path; the first of equal contents only."""
    found, seen = list[Sample](), set[bytes]()
    for path in sorted(p for p in realdata.rglob("*") if p.is_file() and p.name != "DICOMDIR"):
        raw = path.read_bytes()
        try:
            file = split(raw)
        except NotPart10Error:
            continue
        if file.dataset in seen or not file.transfer_syntax:
            continue
        seen.add(file.dataset)
        ds = read(raw)
        study, instance = value_of(ds, "StudyInstanceUID"), value_of(ds, "SOPInstanceUID")
        if study and instance:
            found.append(Sample(path, file, study, instance))
    assert len(found) > 300, "the collection should hold several hundred DICOM files"
    return found


def cut(samples: list[Sample], size: int) -> Iterator[list[Sample]]:
    """Cut into groups of one SOP Instance UID each at most once, so that an answer by UID names one file."""
    group: dict[str, Sample] = {}
    for sample in samples:
        if len(group) == size or sample.instance in group:
            yield list(group.values())
            group = {}
        group[sample.instance] = sample
    yield list(group.values())


def by_stow(center: Center, samples: list[Sample]) -> Outcome:
    """Store in batches; the response names each instance as stored or failed with a reason, or counts it where its UID is none."""
    outcome = Outcome()
    for group in cut(samples, BATCH):
        answer = stow(center.dicomweb, [sample.path.read_bytes() for sample in group])
        assert answer.status_code in (200, 202, 400, 409), answer.text[:500]
        kept, refused = stored(answer), failed(answer)
        nameless = others(answer)
        for sample in group:
            if sample.instance in kept:
                outcome.accepted.append(sample)
            elif sample.instance in refused:
                outcome.reasons[sample.path] = f"0x{refused[sample.instance]:04X}"
            else:
                assert not re.match(RE_VALID_UID, sample.instance), f"{sample.path} has a SOP Instance UID, but no answer of its own"
                assert nameless, f"{sample.path} is neither stored nor failed: {answer.text[:2000]}"
                outcome.reasons[sample.path] = f"0x{nameless.pop():04X}"
        assert not nameless, f"{len(nameless)} failures more than files: {answer.text[:2000]}"
    return outcome


def by_c_store(center: Center, samples: list[Sample]) -> Outcome:
    """Store each on an association with the contexts that its group needs; the status and its comment are the reason."""
    outcome = Outcome()
    for group in cut(samples, CONTEXTS):
        with StoreAssociation(center.dimse, {(s.file.sop_class, s.file.transfer_syntax) for s in group}) as association:
            for sample in group:
                try:
                    answer = association.store(sample.file)
                except AssociationRefusedError as error:
                    outcome.reasons[sample.path] = str(error)
                    continue
                except AssociationLostError as error:
                    pytest.fail(f"{sample.path} ended the association: {error}")
                if answer.status == 0 or answer.status & 0xF000 == 0xB000:
                    outcome.accepted.append(sample)
                else:
                    assert answer.comment, f"{sample.path}: status 0x{answer.status:04X} without a comment"
                    outcome.reasons[sample.path] = answer.comment
    return outcome


def by_import(center: Center, samples: list[Sample]) -> Outcome:
    """Import all paths at once; what is not mentioned in the report is kept."""
    done = center.command("import", *(str(sample.path) for sample in samples), seconds=900)
    report = (done.stdout + done.stderr).splitlines()
    outcome = Outcome()
    for sample in samples:
        lines = [line for line in report if sample.path.name in line]
        if lines:
            outcome.reasons[sample.path] = lines[0]
        else:
            outcome.accepted.append(sample)
    return outcome


Door = Callable[[Center, list[Sample]], Outcome]
DOORS: dict[str, Door] = {"stow": by_stow, "c-store": by_c_store, "import": by_import}


@pytest.mark.parametrize("door", DOORS)
def test_every_file_is_kept_byte_for_byte_or_refused_with_a_reason(
    samples: list[Sample], fresh_center: Callable[..., Center], door: str
) -> None:
    center = fresh_center()
    outcome = DOORS[door](center, samples)
    owner: dict[str, Sample] = {}
    for sample in outcome.accepted:
        owner.setdefault(sample.instance, sample)
    first = {sample.instance: sample for sample in reversed(samples)}
    refused_owners = {uid for uid, sample in first.items() if sample.path in outcome.reasons}
    assert len(refused_owners) < len(first) / 20, f"too much is refused: {outcome.reasons}"
    assert len(outcome.accepted) + len(outcome.reasons) == len(samples)
    assert all(outcome.reasons.values())

    wrong, listed = [], 0
    with requests.Session() as session:
        for study in sorted({sample.study for sample in owner.values()}):
            paths = instance_paths(center.dicomweb, study)
            listed += len(paths)
            for uid, url in paths.items():
                [raw] = retrieve(url, session=session)
                if uid not in owner:
                    wrong.append(f"{uid} is listed but was not accepted")
                elif split(raw).dataset != owner[uid].file.dataset:
                    wrong.append(f"{owner[uid].path} came back with other bytes")
                elif split(raw).transfer_syntax != owner[uid].file.transfer_syntax:
                    wrong.append(f"{owner[uid].path} came back as {split(raw).transfer_syntax}")
    assert not wrong, "\n".join(wrong)
    assert listed == len(owner)
    counted = sum(int(value(study, "00201208")) for study in search(center.dicomweb, "studies"))
    assert counted == listed, "the numbers of instances of all studies do not add up"
