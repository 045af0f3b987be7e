"""Import of folders, archives and media: everything is taken or refused with a reason, and a second run goes on."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path

import pytest

from panorad.data.imaging.importing import ImportReport, Journal, NothingToImport, Source, run_import, sources
from panorad.kit.errors import StorageLost
from panorad.testing import Site

from .arrivals import body, instance


def take(site: Site, path: Path, journal: Path | None = None, most: int | None = None) -> ImportReport:
    with site.center.intakes.open(site.reader(), "import") as intake:
        return run_import(intake, sources(path, most), Journal(journal) if journal else None, lambda source: None)


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
        archive.writestr("x/inner.zip", (b"PK\x03\x04" + bytes(100)))
    (folder / "broken.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    (folder / "loop").symlink_to(folder)
    report = take(center, folder)
    assert report.fates["stored"] == 4
    assert report.fates["duplicate"] == 1
    reasons = {Path(name.split("!")[-1]).name: reason for name, reason in report.refused}
    assert set(reasons) == {"notes.txt", "empty.dcm", "cut.dcm", "readme", "inner.zip", "broken.zip"}
    assert reasons["inner.zip"] == reasons["broken.zip"] == "a zip archive that is damaged, or lies in another one: unpack it first"
    assert reasons["empty.dcm"] == "the file is empty"
    assert all(reasons.values())
    assert len(report.refused) == report.fates["refused"] == 6
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


MOST = 100_000


def bomb(number: int) -> bytes:
    """An instance that shrinks to almost nothing in an archive."""
    pixels = {"Rows": 1024, "Columns": 1024, "BitsAllocated": 8, "SamplesPerPixel": 1, "PixelData": bytes(1 << 20)}
    return instance(number, **pixels)


def test_a_member_that_unpacks_to_more_than_is_allowed_is_refused_and_the_rest_goes_on(center: Site, tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.dcm", bomb(1))
        archive.writestr("2.dcm", instance(2))
    assert path.stat().st_size < MOST
    report = take(center, path, most=MOST)
    assert report.fates == {"refused": 1, "stored": 1}
    assert report.refused == [(f"{path}!1.dcm", f"it unpacks to more than {MOST} bytes (setting largest_instance)")]
    assert center.read("2.25.2") == [body(instance(2))]
    assert not [file for file in center.settings.quarantine.rglob("*") if file.is_file()]


def test_the_bytes_that_come_are_counted_whatever_size_is_declared(center: Site, tmp_path: Path) -> None:
    asked: list[int] = []

    class Endless(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            asked.append(size or 0)
            return super().read(size) or bytes(1000)

    liar = Source("liar", "liar", 10, lambda: Endless(bomb(1)), MOST)
    good = Source("good", "good", 10, lambda: io.BytesIO(instance(2)), MOST)
    with center.center.intakes.open(center.reader(), "import") as intake:
        report = run_import(intake, iter([liar, good]), None, lambda source: None)
    assert report.fates == {"refused": 1, "stored": 1}
    assert [name for name, _ in report.refused] == ["liar"]
    assert len(asked) < 3


def test_an_archive_that_declares_less_than_it_holds(center: Site, tmp_path: Path) -> None:
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.dcm", bomb(1))
    raw = bytearray(path.read_bytes())
    struct.pack_into("<I", raw, raw.rindex(b"PK\x01\x02") + 24, 5000)
    path.write_bytes(raw)
    assert take(center, path, most=MOST).fates == {"refused": 1}
    assert take(center, path).fates == {"refused": 1}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_cannot_be_unpacked_piece_by_piece_is_refused(center: Site, tmp_path: Path, method: int) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("1.dcm", instance(1))
    report = take(center, path)
    assert report.fates == {"refused": 1}
    assert "store and deflate" in report.refused[0][1]


def test_a_damaged_archive_does_not_stop_the_others(center: Site, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.zip", "b.zip"):
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("1.dcm", instance(1))
    raw = bytearray((folder / "a.zip").read_bytes())
    start = 30 + len("1.dcm")
    raw[start : start + 40] = b"\xff" * 40  # no deflate block
    (folder / "a.zip").write_bytes(raw)
    raw = bytearray((folder / "b.zip").read_bytes())
    raw[raw.rindex(b"PK\x01\x02")] = 0  # no directory
    (folder / "b.zip").write_bytes(raw)
    (folder / "c.dcm").write_bytes(instance(2))
    assert take(center, folder).fates == {"refused": 2, "stored": 1}


def test_a_large_file_that_is_no_archive_is_taken(center: Site, tmp_path: Path) -> None:
    (tmp_path / "large.dcm").write_bytes(bomb(1))
    assert take(center, tmp_path / "large.dcm", most=MOST).fates == {"stored": 1}
