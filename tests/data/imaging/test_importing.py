"""Import of folders, archives and media: everything is taken or refused with a reason, and a second run goes on."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from panorad.data.imaging.importing import ImportReport, Journal, NothingToImport, run_import, sources
from panorad.kit.errors import StorageLost
from panorad.testing import Site

from .arrivals import body, instance


def take(site: Site, path: Path, journal: Path | None = None) -> ImportReport:
    with site.center.intakes.open(site.reader(), "import") as intake:
        return run_import(intake, sources(path), Journal(journal) if journal else None, lambda source: None)


def test_a_folder_with_everything_in_it(center: Site, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.dcm").write_bytes(instance(1))
    (folder / "deep" / "no-extension").write_bytes(instance(2))
    (folder / "deep" / "er" / "bare").write_bytes(body(instance(3)))
    (folder / "again.dcm").write_bytes(instance(1))
    (folder / "notes.txt").write_text("not an image")
    (folder / "empty.dcm").touch()
    (folder / "cut.dcm").write_bytes(instance(4)[:-30])
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("x/5.dcm", instance(5))
        archive.writestr("x/readme", "hello")
    (folder / "broken.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    (folder / "loop").symlink_to(folder)
    report = take(center, folder)
    assert report.fates["stored"] == 4
    assert report.fates["duplicate"] == 1
    reasons = {Path(name.split("!")[-1]).name: reason for name, reason in report.refused}
    assert set(reasons) == {"notes.txt", "empty.dcm", "cut.dcm", "readme", "broken.zip"}
    assert reasons["empty.dcm"] == "the file is empty"
    assert all(reasons.values())
    assert len(report.refused) == report.fates["refused"] == 5
    for number in (1, 2, 3, 5):
        assert center.read(f"2.25.{number}") == [body(instance(number))]


def test_an_image_that_ends_like_an_archive_is_an_image(center: Site, tmp_path: Path) -> None:
    inside = tmp_path / "inside.zip"
    with zipfile.ZipFile(inside, "w") as archive:
        archive.writestr("a", "b")
    data = inside.read_bytes()
    encapsulated = instance(1, EncapsulatedDocument=data + b"\0" * (len(data) % 2), SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "document.dcm").write_bytes(encapsulated)
    assert take(center, tmp_path / "in").fates == {"stored": 1}


def test_media_are_taken_by_their_directory(center: Site, tmp_path: Path) -> None:
    from pydicom.fileset import FileSet

    media = FileSet()
    for number in (1, 2):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(instance(1, number, 1, StudyDate="20240101", StudyTime="08", StudyID="1", AccessionNumber="", PatientName="A"))
        media.add(path)
    media.write(tmp_path / "cd")
    media._stage["t"].cleanup()  # it warns when it is left to the garbage collector
    assert take(center, tmp_path / "cd" / "DICOMDIR").fates == {"stored": 2}
    whole = take(center, tmp_path / "cd")
    assert whole.fates == {"duplicate": 2, "refused": 1}
    assert "DICOMDIR" in whole.refused[0][1]


def test_a_second_run_goes_on_where_the_first_stopped(center: Site, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(1, 6):
        (folder / f"{number}.dcm").write_bytes(instance(number))
    assert take(center, folder, tmp_path / "journal").fates == {"stored": 5}
    (folder / "6.dcm").write_bytes(instance(6))
    (folder / "3.dcm").write_bytes(instance(3, PatientComments="newer"))
    assert take(center, folder, tmp_path / "journal").fates == {"taken before": 4, "stored": 1, "conflict": 1}
    assert take(center, folder, tmp_path / "journal").fates == {"taken before": 6}


def test_storage_that_is_lost_stops_the_run_and_nothing_is_written_off(center: Site, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "1.dcm").write_bytes(instance(1))
    objects = center.settings.objects
    objects.rename(tmp_path / "away")
    objects.mkdir()
    with pytest.raises(StorageLost):
        take(center, folder, tmp_path / "journal")
    objects.rmdir()
    (tmp_path / "away").rename(objects)
    assert take(center, folder, tmp_path / "journal").fates == {"stored": 1}


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NothingToImport):
        list(sources(tmp_path / "absent"))


def test_names_that_are_no_text(center: Site, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.dcm"))).write_bytes(instance(1))
    assert take(center, folder, tmp_path / "journal").fates == {"stored": 1}
