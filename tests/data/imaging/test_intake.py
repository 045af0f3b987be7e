"""What the way in promises: bytes kept as they came, once, under the sender's institution, or refused with the reason and kept aside."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from panorad.data.imaging import store
from panorad.data.imaging.intake import Refused
from panorad.data.imaging.part10 import split
from panorad.kit.errors import StorageFull, StorageLost
from panorad.model.actor import SYSTEM, Actor
from panorad.model.query import Level
from panorad.testing import Databases, Site
from panorad.testing import center as whole_center

from .bundled import part10

STUDY, SERIES, SOP = "2.25.1", "2.25.1.1", "2.25.1.1.1"


def instance(n: int = 1, /, syntax: str = ExplicitVRLittleEndian, **given: object) -> bytes:
    if "PixelData" in given:
        given = {"Rows": 8, "Columns": 8, "BitsAllocated": 16, "SamplesPerPixel": 1, **given}
    attributes = {
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": SERIES,
        "SOPInstanceUID": f"{SERIES}.{n}",
        "PatientID": "123",
        "InstanceNumber": n,
    }
    return part10(syntax, **(attributes | given))


def body(data: bytes) -> bytes:
    return data[split(data).data_at :]


def kinds(site: Site) -> list[str]:
    return [event.kind for event in site.events()]


def test_what_comes_in_is_found_and_read_back_byte_for_byte(center: Site) -> None:
    files = [instance(n, PatientName="Wang^Wu", Modality="CT") for n in (2, 1, 3)]
    assert [receipt.fate for receipt in center.put(files)] == ["stored"] * 3
    assert center.read(STUDY) == [body(files[i]) for i in (1, 0, 2)]
    [study] = center.find(Level.STUDY, {"00100020": "123"}).rows
    assert study["00201208"]["Value"] == [3]
    assert study["00080061"]["Value"] == ["CT"]
    assert kinds(center)[-2:] == ["study.stored", "instances.received"]


def test_a_bare_data_set_is_kept_as_it_was_sent(center: Site) -> None:
    data = body(instance(PixelData=os.urandom(200_000)))
    with center.center.intakes.open(center.reader(), "dimse") as intake:
        incoming = intake.begin(SOP, "1.2.840.10008.5.1.4.1.1.2", ExplicitVRLittleEndian)
        for at in range(0, len(data), 70_001):
            incoming.write(data[at : at + 70_001])
        header = incoming.finish()
        assert header.sop_uid == SOP
        intake.flush()
    assert center.read(STUDY) == [data]


def test_what_came_can_be_looked_at_before_it_is_kept(center: Site) -> None:
    data = instance(TextValue="x" * 90_000, PixelData=os.urandom(128))
    with center.center.intakes.open(center.reader(), "stow") as intake:
        first = intake.begin_part10()
        first.write(data)
        assert first.check().study_uid == STUDY
        first.abort()
        second = intake.begin_part10()
        second.write(data)
        assert second.check() == second.finish()
        intake.flush()
    assert center.read(STUDY) == [body(data)]


@pytest.mark.parametrize("size", [16_000, 16_290, 20_000, 300_000])
@pytest.mark.parametrize("step", [997, 65_536, 1 << 20])
def test_file_meta_information_may_be_long(center: Site, size: int, step: int) -> None:
    dataset = dcmread(io.BytesIO(instance(1, PixelData=os.urandom(128))))
    dataset.file_meta.PrivateInformationCreatorUID, dataset.file_meta.PrivateInformation = "1.2.3", bytes(size)
    dataset.save_as(out := io.BytesIO())
    data = out.getvalue()
    with center.center.intakes.open(center.reader(), "stow") as intake:
        incoming = intake.begin_part10()
        for at in range(0, len(data), step):
            incoming.write(data[at : at + step])
        incoming.finish()
        intake.flush()
    assert center.read(STUDY) == [body(data)]


def test_a_disk_that_failed_once_is_not_asked_again(center: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system tells of pages that it dropped once: a later sync that succeeds proves nothing."""
    real, fails = os.fdatasync, [True]

    def fdatasync(descriptor: int) -> None:
        if fails:
            time.sleep(0.3)  # the second instance comes meanwhile
            fails.pop()
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr("panorad.data.imaging.segment.os.fdatasync", fdatasync)
    intake = center.center.intakes.open(center.reader(), "stow")
    for n in (1, 2):
        incoming = intake.begin_part10()
        incoming.write(instance(n, PixelData=bytes(17 << 20) if n == 1 else bytes(128)))
        incoming.finish(sync=False)
    for act in (intake.flush, intake.close):
        with suppress(StorageLost):
            act()
    assert not fails
    assert intake.receipts == []
    monkeypatch.undo()
    assert [receipt.fate for receipt in center.put([instance(1), instance(2)])] == ["stored", "stored"]


def test_the_same_again_is_a_duplicate_and_changes_nothing(center: Site) -> None:
    center.put([instance()])
    before = center.find().rows
    assert [receipt.fate for receipt in center.put([instance(), instance()])] == ["duplicate", "duplicate"]
    assert center.find().rows == before
    with center.center.begin(SYSTEM) as tx:
        assert center.center.archive.statistics(tx)["instances"] == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"PatientComments": "changed"}, "same UIDs, other content"),
        ({"SeriesInstanceUID": "2.25.1.2"}, "same SOP Instance UID in another series or study"),
        ({"StudyInstanceUID": "2.25.2", "SeriesInstanceUID": "2.25.2.1"}, "same SOP Instance UID in another series or study"),
        ({"PatientID": "456"}, "same SOP Instance UID in another series or study"),
        ({"syntax": ImplicitVRLittleEndian}, "same UIDs in another transfer syntax"),
    ],
)
def test_the_same_uid_with_other_content_is_kept_and_flagged(center: Site, change: dict[str, str], reason: str) -> None:
    first = instance()
    syntax = change.pop("syntax", ExplicitVRLittleEndian)
    second = instance(1, syntax, **change)
    center.put([first])
    [receipt] = center.put([second])
    assert receipt.fate == "conflict"
    assert center.read(STUDY, SERIES)[0] == body(first)
    with center.center.begin(SYSTEM) as tx:
        rows, total = center.center.lists.conflicts(tx, 10, 0)
        kept = {center.center.blobs.read(one.place, one.place.data_at) for one in store.stored_after(tx, 0, 10)}
    assert (total, rows[0].reason) == (1, reason)
    assert kept == {body(first), body(second)}
    assert "instances.conflict" in kinds(center)
    assert [receipt.fate for receipt in center.put([first, second])] == ["duplicate", "duplicate"]


def test_two_institutions_patient_123_are_two_patients(center: Site) -> None:
    county, town = center.institution("COUNTY"), center.institution("TOWN")
    assert [r.fate for r in center.put([instance()], county)] == ["stored"]
    assert [r.fate for r in center.put([instance()], town)] == ["stored"]
    assert center.find(Level.PATIENT).total == 2
    assert center.find(Level.STUDY).total == 2
    for actor in (county, town):
        [row] = center.find(Level.PATIENT, actor=actor).rows
        assert row["00100021"]["Value"] == [actor.institution_code]
        assert len(center.read(STUDY, actor=actor)) == 1
    assert len(center.read(STUDY)) == 1


def test_an_issuer_in_the_data_set_counts_before_the_institutions(center: Site) -> None:
    center.put([instance(IssuerOfPatientID="NATIONAL")], center.institution("COUNTY", issuer="COUNTY-HIS"))
    [row] = center.find(Level.PATIENT).rows
    assert row["00100021"]["Value"] == ["NATIONAL"]


def test_the_same_study_uid_with_another_patient_is_another_study(center: Site) -> None:
    center.put([instance(1), instance(2, PatientID="456")])
    assert center.find(Level.STUDY, {"0020000D": STUDY}).total == 2
    assert center.find(Level.STUDY, {"00100020": "456"}).rows[0]["00201208"]["Value"] == [1]


def test_a_sender_without_an_institution_is_refused(center: Site) -> None:
    with pytest.raises(Refused, match="belongs to no institution"):
        center.center.intakes.open(Actor("node", "STRAY"), "dimse")


# -- what cannot be taken ------------------------------------------------------------------------------------------------------------------


def garbage() -> dict[str, bytes]:
    whole = instance(PixelData=bytes(5000))
    return {
        "no-dicom": b"\x89PNG not a DICOM file at all" * 50,
        "cut-pixels": whole[:-1000],
        "cut-header": whole[:200],
        "no-study": instance(StudyInstanceUID=""),
        "short": b"DICM",
    }


@pytest.mark.parametrize("name", garbage())
def test_what_cannot_be_taken_is_kept_aside_once_with_its_reason(center: Site, name: str) -> None:
    data = garbage()[name]
    for _ in range(2):
        with pytest.raises(Refused) as refusal:
            center.put([data], source="stow test")
    with center.center.begin(SYSTEM) as tx:
        [row], total = center.center.lists.quarantined(tx, 10, 0)
        file = center.center.lists.quarantined_file(tx, row.id)
    assert total == 1
    assert (row.reason, row.source, row.institution_code) == (refusal.value.detail, "stow test", "CENTER")
    assert file is not None
    assert file.read_bytes() == data
    assert json.loads(file.with_suffix(".json").read_text())["reason"] == row.reason
    assert len(list(file.parent.iterdir())) == 2
    assert "instances.refused" in kinds(center)
    assert center.find().total == 0


def test_a_refusal_does_not_stop_the_others_of_its_stream(center: Site) -> None:
    with center.center.intakes.open(center.reader(), "stow") as intake:
        for data in (instance(1), b"garbage" * 100, instance(2)):
            incoming = intake.begin_part10()
            incoming.write(data)
            if data.startswith(b"garbage"):
                with pytest.raises(Refused):
                    incoming.finish()
            else:
                incoming.finish(sync=False)
        intake.flush()
        assert [receipt.fate for receipt in intake.receipts] == ["stored", "stored"]
    assert center.read(STUDY) == [body(instance(1)), body(instance(2))]


def test_the_commands_uid_must_be_the_data_sets(center: Site) -> None:
    with center.center.intakes.open(center.reader(), "dimse") as intake:
        incoming = intake.begin("2.25.99", "1.2.840.10008.5.1.4.1.1.2", ExplicitVRLittleEndian)
        incoming.write(body(instance()))
        with pytest.raises(Refused, match=r"the command names SOP Instance 2\.25\.99, the data set 2\.25\.1\.1\.1"):
            incoming.finish()


def test_a_sender_that_goes_away_leaves_nothing(center: Site) -> None:
    with center.center.intakes.open(center.reader(), "dimse") as intake:
        incoming = intake.begin_part10()
        incoming.write(instance()[:400])
        incoming.abort()
        incoming = intake.begin_part10()
        incoming.write(instance(2))
        incoming.finish()
        intake.begin_part10().write(b"half")
    assert center.read(STUDY) == [body(instance(2))]


@pytest.mark.parametrize(
    "attributes",
    [
        {"PatientID": "长" * 3000},
        {"AccessionNumber": "".join(map(str, range(2000)))},
        {"PatientComments": "a \\u0000 b"},
        {"BitsAllocated": 65535, "SamplesPerPixel": 65535},
        {"PatientName": "^".join(map(str, range(900)))},
        {"StudyDate": "00000000"},
        {"StudyTime": "999999"},
        {"InstanceNumber": "99999999999"},
        {"SeriesNumber": "9" * 12},
        {"Modality": "X" * 3000},
        {"StudyDescription": "\ud800"},
        {"IssuerOfPatientID": "".join(map(str, range(2000)))},
    ],
    ids=lambda attributes: "-".join(attributes),
)
def test_odd_values_are_indexed_all_the_same(center: Site, attributes: dict[str, object]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = instance(**({"SpecificCharacterSet": "ISO_IR 192"} | attributes))
        except (ValueError, UnicodeError, OverflowError):
            pytest.skip("pydicom cannot write it")
    assert [receipt.fate for receipt in center.put([data])] == ["stored"]
    assert center.read(STUDY) == [body(data)]
    assert [receipt.fate for receipt in center.put([data])] == ["duplicate"]


# -- storage that fails ----------------------------------------------------------------------------------------------------------------


def test_an_object_folder_that_was_replaced_takes_nothing_and_loses_nothing(center: Site) -> None:
    center.put([instance(1)])
    center.center.intakes.tidy(0)
    objects = center.settings.objects
    objects.rename(objects.with_name("away"))
    objects.mkdir()
    with pytest.raises(StorageLost):
        center.put([instance(2)])
    assert list(objects.rglob("*")) == []
    objects.rmdir()
    objects.with_name("away").rename(objects)
    center.put([instance(2)])
    assert center.read(STUDY) == [body(instance(1)), body(instance(2))]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("a small disk cannot be mounted here (root only)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_clearly_and_what_was_acknowledged_stays(databases: Databases, small_disk: Path) -> None:
    with whole_center(databases, small_disk / "home") as site:
        site.put([instance(1)])
        with pytest.raises(StorageFull, match="its disk is full"):
            site.put([instance(2, PixelData=bytes(3 << 20))])
        site.put([instance(3)])
        assert site.read(STUDY) == [body(instance(1)), body(instance(3))]
