from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from panorad.data.imaging.segment import BLOCK, MARK, Blanks, Member, Segment, abandoned, members, trim
from panorad.kit.errors import StorageLost

NAME = "1.2.3/1.2.3.4/1.2.3.4.{}.dcm"


def store(home: Path) -> tuple[Path, Path]:
    objects, marks = home / "objects", home / "open"
    objects.mkdir(parents=True)
    marks.mkdir()
    (objects / MARK).touch()
    return objects, marks


def written(home: Path, contents: list[bytes], *, close: bool = True) -> tuple[Segment, Path]:
    objects, marks = store(home)
    segment = Segment(objects, marks, "COUNTY")
    for n, data in enumerate(contents):
        segment.write(segment.end + BLOCK, data)
        segment.commit(NAME.format(n), len(data), blake3(data).digest())
    segment.sync()
    if close:
        segment.close()
    return segment, objects / segment.key


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=1500), max_size=5))
def test_any_tar_program_reads_a_sealed_segment(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    _, path = written(tmp_path_factory.mktemp("s") / "home", contents)
    with tarfile.open(path) as tar:
        read = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
    assert read == {NAME.format(n): data for n, data in enumerate(contents)}
    assert [(m.name, m.length, m.digest) for m in members(path)] == [
        (NAME.format(n), len(data), blake3(data).digest()) for n, data in enumerate(contents)
    ]


def test_a_segment_cut_at_any_byte_gives_the_members_before_the_cut_and_no_other(tmp_path: Path) -> None:
    contents = [b"a" * 700, b"b" * 512, b"", b"c" * 13]
    segment, path = written(tmp_path / "home", contents, close=False)
    whole, all_members = path.read_bytes(), list(members(path))
    assert len(all_members) == 4
    edges = {edge for m in all_members for edge in (m.at - BLOCK, m.at, m.at + m.length)}
    for cut in sorted({min(max(edge + d, 0), len(whole)) for edge in edges for d in (-1, 0, 1, 100, 257, 511)}):
        path.write_bytes(whole[:cut])
        assert list(members(path)) == [m for m in all_members if m.at + m.length <= cut], cut
        trim(path)
        assert list(members(path)) == [m for m in all_members if m.at + m.length <= cut], cut
        with tarfile.open(path) as tar:
            assert len(tar.getmembers()) == sum(m.at + m.length <= cut for m in all_members)
    del segment


@given(st.binary(min_size=0, max_size=3 * BLOCK))
def test_arbitrary_bytes_are_no_members_and_no_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("s") / "x.tar"
    path.write_bytes(data)
    assert list(members(path)) == []


def test_bytes_without_their_header_are_no_member(tmp_path: Path) -> None:
    segment, path = written(tmp_path / "home", [b"kept"], close=False)
    upto = segment.write(segment.end + BLOCK, b"under way" * 1000)
    assert [m.name for m in members(path)] == [NAME.format(0)]
    segment.drop_tail(upto)
    segment.write(segment.end + BLOCK, b"next")
    segment.commit(NAME.format(1), 4, b"")
    assert [(m.name, m.length) for m in members(path)] == [(NAME.format(0), 4), (NAME.format(1), 4)]


def test_a_size_beyond_eleven_octal_digits_is_read_again(tmp_path: Path) -> None:
    from panorad.data.imaging.segment import _member, member_header

    head = member_header("1/2/3.dcm", 9 << 30, 1_700_000_000, b"\1" * 32)
    assert _member(head, 512) == Member("1/2/3.dcm", 512, 9 << 30, b"\1" * 32, 1_700_000_000)
    info = tarfile.TarInfo.frombuf(head, "ascii", "strict")
    assert (info.name, info.size, info.mtime) == ("1/2/3.dcm", 9 << 30, 1_700_000_000)


def test_the_longest_names_fit(tmp_path: Path) -> None:
    from panorad.data.imaging.segment import member_header

    uid = "1" * 64
    assert tarfile.TarInfo.frombuf(member_header(f"{uid}/{uid}/{uid}.dcm", 1, 0, b""), "ascii", "strict").name == f"{uid}/{uid}/{uid}.dcm"


def test_an_object_folder_without_its_mark_takes_nothing(tmp_path: Path) -> None:
    objects, marks = store(tmp_path)
    (objects / MARK).unlink()
    with pytest.raises(StorageLost, match="is its disk mounted"):
        Segment(objects, marks, "COUNTY")
    assert list(objects.iterdir()) == []
    assert list(marks.iterdir()) == []


def test_a_blank_becomes_a_segment_that_reads_as_a_tar_and_is_cut_when_sealed(tmp_path: Path) -> None:
    objects, marks = store(tmp_path)
    blanks = Blanks(tmp_path / "blank", count=1, size=1 << 20)
    blanks.refill()
    blanks.refill()
    assert len(list((tmp_path / "blank").iterdir())) == 1
    segment = Segment(objects, marks, "COUNTY", blanks)
    assert list((tmp_path / "blank").iterdir()) == []
    segment.write(BLOCK, b"abc")
    segment.commit(NAME.format(0), 3, b"")
    upto = segment.write(segment.end + BLOCK, b"x" * 5000)
    segment.drop_tail(upto)
    assert [m.name for m in members(objects / segment.key)] == [NAME.format(0)]
    segment.close()
    assert (objects / segment.key).stat().st_size == 2 * BLOCK + 2 * BLOCK
    assert tarfile.open(fileobj=io.BytesIO((objects / segment.key).read_bytes())).getnames() == [NAME.format(0)]


def test_the_mark_of_an_open_segment_names_its_key(tmp_path: Path) -> None:
    segment, _ = written(tmp_path / "home", [b"x"])
    [mark] = (tmp_path / "home" / "open").iterdir()
    assert Segment.key_of_mark(mark.name) == segment.key
    segment.unmark()
    assert list((tmp_path / "home" / "open").iterdir()) == []


def test_a_segment_is_abandoned_when_its_writer_lets_go_and_not_before(tmp_path: Path) -> None:
    segment, path = written(tmp_path / "home", [b"one"], close=False)
    with abandoned(path) as free:
        assert not free
    segment.close()
    with abandoned(path) as free:
        assert free


def test_nothing_follows_in_a_segment_that_could_not_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment, _ = written(tmp_path / "home", [b"one"], close=False)
    assert segment.end < segment.room

    def failing(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    with pytest.raises(StorageLost):
        segment.sync()
    assert segment.end >= segment.room
    segment.close()


@pytest.mark.parametrize("length", [1, 511, 512, 513])
def test_any_tar_program_reads_an_open_segment(tmp_path: Path, length: int) -> None:
    segment, path = written(tmp_path, [b"x" * length], close=False)
    done = subprocess.run(["tar", "tf", str(path)], capture_output=True, text=True, check=False)
    segment.close()
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [NAME.format(0)], "")
