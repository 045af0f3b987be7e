"""The command line: import of folders, archives and media, export, verify, reindex, nodes, institutions, status."""

import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from .dicomweb import Json, search, value
from .images import bundled, ct_series, encode, read
from .part10 import split
from .processes import Center
from .scu import SUCCESS, StoreAssociation

Fresh = Callable[..., Center]


def listed(center: Center) -> dict[str, Json]:
    """Return everything in the index at instance level; fails when something is listed twice."""
    found = search(center.dicomweb, "instances", includefield="all")
    by_uid = {value(match, "00080018"): match for match in found}
    assert len(by_uid) == len(found)
    return by_uid


def answers(center: Center) -> dict[str, list[Json]]:
    """Return all answers of all levels in an order that does not depend on the index, without addresses."""
    levels = {"studies": "0020000D", "series": "0020000E", "instances": "00080018"}
    found = {}
    for level, key in levels.items():
        matches = {str(value(match, key)): match for match in search(center.dicomweb, level, includefield="all")}
        found[level] = [{tag: e for tag, e in matches[uid].items() if tag != "00081190"} for uid in sorted(matches)]
    return found


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for number, raw in enumerate(files.values()):
        (folder / f"IM{number:04}").write_bytes(raw)
    return folder


@pytest.fixture(scope="module")
def images() -> dict[str, bytes]:
    """Two small series of two patients."""
    return dict(ct_series(4, patient="CLI-1", name="Zhang^San=张^三", size=32)) | dict(ct_series(3, patient="CLI-2", size=32))


def test_import_of_a_folder_twice_changes_nothing(fresh_center: Fresh, tmp_path: Path, images: dict[str, bytes]) -> None:
    center, folder = fresh_center(), write(tmp_path / "in" / "deep" / "er", images)
    center.run("import", str(folder.parent.parent))
    first = answers(center)
    assert {value(match, "00080018") for match in first["instances"]} == images.keys()
    center.run("import", str(folder.parent.parent))
    assert answers(center) == first


def test_import_of_a_zip(fresh_center: Fresh, tmp_path: Path, images: dict[str, bytes]) -> None:
    center, path = fresh_center(), tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, raw in enumerate(images.values()):
            archive.writestr(f"folder/IM{number}", raw)
    center.run("import", str(path))
    assert listed(center).keys() == images.keys()


def test_import_of_media_with_a_dicomdir(fresh_center: Fresh) -> None:
    media = bundled("dicomdirtests/DICOMDIR").parent
    center = fresh_center()
    done = center.command("import", str(media))
    wanted = set()
    for path in media.rglob("*"):
        if path.is_file() and (raw := path.read_bytes())[128:132] == b"DICM" and "SOPInstanceUID" in read(raw):
            wanted.add(str(read(raw).SOPInstanceUID))
    assert len(wanted) > 50
    assert listed(center).keys() == wanted, done.stdout + done.stderr


def test_import_works_while_the_center_is_down(fresh_center: Fresh, tmp_path: Path, images: dict[str, bytes]) -> None:
    center = fresh_center()
    assert center.stop() == 0
    center.run("import", str(write(tmp_path / "in", images)))
    center.start()
    assert listed(center).keys() == images.keys()


def test_import_of_what_is_not_there_says_so(center: Center) -> None:
    done = center.command("import", "/nonexistent/folder")
    assert done.returncode != 0
    assert "/nonexistent/folder" in (done.stdout + done.stderr).replace("\n", "")
    assert "Traceback" not in done.stderr


def test_export_gives_the_bytes_back(fresh_center: Fresh, tmp_path: Path, images: dict[str, bytes]) -> None:
    center, out = fresh_center(), tmp_path / "out"
    center.run("import", str(write(tmp_path / "in", images)))
    center.run("export", str(out))
    exported = {}
    for path in out.rglob("*"):
        if path.is_file() and (raw := path.read_bytes())[128:132] == b"DICM" and path.name != "DICOMDIR":
            exported[split(raw).sop_instance] = split(raw).dataset
    assert exported == {uid: split(raw).dataset for uid, raw in images.items()}


def exported(out: Path) -> dict[str, bytes]:
    """Return what an export wrote, by place."""
    if out.suffix == ".zip":
        with zipfile.ZipFile(out) as archive:
            names = archive.namelist()
            assert len(set(names)) == len(names)
            return {name: archive.read(name) for name in names}
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_export_of_every_copy_loses_none(fresh_center: Fresh, tmp_path: Path, images: dict[str, bytes]) -> None:
    """The same UIDs with other content, of another patient, at another institution: nothing that is kept is out of reach."""
    center = fresh_center(start=False)
    center.run("institution", "add", "EAST")
    first, second, *others = images.values()
    newer, stranger = read(first), read(first)
    newer.ImageComments, stranger.PatientID = "sent again", "SOMEBODY-ELSE"
    files = {"one": [first, second, *others], "two": [encode(newer)], "three": [encode(stranger)], "east": [first, encode(newer)]}
    for name, contents in files.items():
        folder = write(tmp_path / name, {str(number): raw for number, raw in enumerate(contents)})
        center.run("import", str(folder), "--institution", "EAST" if name == "east" else "CENTER")
    said = center.run("export", str(tmp_path / "given")).replace("\n", " ")
    given = exported(tmp_path / "given")
    assert sorted(given.values()) == sorted(images.values()), "of each UID the copy that came first"
    assert "7 instances of 2 studies exported" in said
    assert "not exported: 4 further copies" in said
    assert "--all-copies" in said
    study = str(newer.StudyInstanceUID)
    for out in (tmp_path / "all", tmp_path / "all.zip"):
        said = center.run("export", str(out), "--all-copies").replace("\n", " ")
        every = exported(out)
        assert sorted(every.values()) == sorted(raw for contents in files.values() for raw in contents)
        assert "11 instances of 2 studies exported" in said
        assert "further" not in said
        assert {name.split("/")[0] for name in every} == {"CENTER", "EAST"}
        assert len([name for name in every if f"/{study}/" in name and "-1-" in name]) == 2, "a variant at each institution"
    center.run("export", str(tmp_path / "study"), "--all-copies", "--study", study)
    assert exported(tmp_path / "study") == {name: raw for name, raw in every.items() if f"/{study}/" in name}
    said = center.run("export", str(tmp_path / "other"), "--study", str(read(others[-1]).StudyInstanceUID))
    assert "further" not in said
    refused = center.command("export", str(tmp_path / "none"), "--all-copies", "--study", "1.2.3")
    assert refused.returncode == 1
    assert "no study 1.2.3" in refused.stderr


def stored_file(home: Path, uid: str) -> tuple[Path, int]:
    """Find, by looking at every file of the home, where the pixel data of an instance lie."""
    for path in sorted(home.rglob("*")):
        if path.is_file() and not any((parent / "PG_VERSION").exists() for parent in path.parents):
            raw = path.read_bytes()
            at = raw.find(uid.encode())
            if at >= 0 and (pixels := raw.find(b"\xe0\x7f\x10\0", at)) >= 0:
                return path, pixels + 20
    raise AssertionError(f"no file of {home} holds {uid}")


def test_verify_passes_and_finds_one_flipped_bit(fresh_center: Fresh, tmp_path: Path, images: dict[str, bytes]) -> None:
    center = fresh_center()
    center.run("import", str(write(tmp_path / "in", images)))
    center.run("verify")
    victim = random.Random(1).choice(sorted(images))
    path, at = stored_file(center.home, victim)
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.chmod(0o600)
    path.write_bytes(raw)
    done = center.command("verify")
    report = (done.stdout + done.stderr).replace("\n", "")
    assert done.returncode != 0, report
    assert victim in report
    assert not [uid for uid in images if uid != victim and uid in report]


def test_reindex_from_storage_alone_gives_the_same_answers(fresh_center: Fresh, tmp_path: Path, images: dict[str, bytes]) -> None:
    center = fresh_center()
    center.run("import", str(write(tmp_path / "in", images)))
    with StoreAssociation(center.dimse, [("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1")]) as association:
        for _, raw in ct_series(2, patient="CLI-3", size=32):
            assert association.store(split(raw)).status == SUCCESS
    before = answers(center)
    assert center.stop() == 0
    [database] = {path.parents[2] for path in center.home.rglob("base/*/PG_VERSION")}
    shutil.rmtree(database)
    center.run("reindex")
    center.start()
    assert answers(center) == before
    center.run("verify")


def test_nodes_and_institutions_are_listed(fresh_center: Fresh) -> None:
    center = fresh_center()
    center.run("institution", "add", "COUNTY", "--name", "County Hospital")
    center.run("node", "add", "COUNTYCT1", "--host", "127.0.0.1", "--port", "11199", "--institution", "COUNTY")
    assert "County Hospital" in center.run("institution", "list")
    assert "COUNTYCT1" in center.run("node", "list")


def test_two_institutions_with_the_same_patient_id_are_two_patients(fresh_center: Fresh) -> None:
    center = fresh_center()
    for code, title in (("EAST", "EASTCT"), ("WEST", "WESTCT")):
        center.run("institution", "add", code, "--name", f"Hospital {code}")
        center.run("node", "add", title, "--host", "127.0.0.1", "--port", "11199", "--institution", code)
        for _, raw in ct_series(1, patient="123", size=16):
            file = split(raw)
            with StoreAssociation(center.dimse, [(file.sop_class, file.transfer_syntax)], calling=title) as association:
                assert association.store(file).status == SUCCESS
    found = search(center.dicomweb, "studies", PatientID="123", includefield="IssuerOfPatientID")
    assert len(found) == 2
    assert len({value(match, "00100021") for match in found}) == 2


def test_status_counts(fresh_center: Fresh, tmp_path: Path, images: dict[str, bytes]) -> None:
    center = fresh_center()
    center.run("import", str(write(tmp_path / "in", images)))
    assert str(len(images)) in center.run("status")


def test_version_and_help(center: Center) -> None:

    for words in (["version"], ["--help"], ["serve", "--help"], ["import", "--help"]):
        done = subprocess.run([sys.executable, "-m", "panorad", *words], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.strip()


def test_open_refuses_to_listen_to_the_world(fresh_center: Fresh) -> None:
    center = fresh_center(start=False)
    done = center.command("serve", "--http", "0.0.0.0:0", "--dimse", f"127.0.0.1:{center.dimse}", "--open", seconds=60)
    assert done.returncode != 0
    assert "loopback" in (done.stdout + done.stderr).lower()
    with pytest.raises(requests.ConnectionError):
        requests.get(center.url, timeout=1)
