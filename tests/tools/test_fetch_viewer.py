"""The viewer's folder, made of a small package of the same shape as OHIF's."""

import base64
import gzip
import hashlib
import io
import json
import stat
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from tools import fetch_viewer
from tools.fetch_viewer import MANIFEST, OHIF, Package, Rewrite, ViewerFailed, build, fetch, is_ready

INDEX = b'<html><head><script>window.PUBLIC_URL="/"</script><script defer src="/app.js"></script><link href="//cdn/x" rel="y">'
FILES = {
    "package/LICENSE": b"MIT",
    "package/README.md": b"not served",
    "package/dist/index.html": INDEX,
    "package/dist/app.js": b'__webpack_require__.p = "/";' + b"//" * 1000,
    "package/dist/small.js": b"1",
    "package/dist/app.js.map": b"{}",
    "package/dist/deep/x.js.map": b"{}",
    "package/dist/app.css": b"a {background: url(/a.png)}" + b" " * 2000,
    "package/dist/assets/a.png": bytes(range(256)) * 8,
    "package/dist/sw.js": b"importScripts('elsewhere')",
    "package/dist/ort/big.wasm": b"x" * 5000,
    "package/dist/app-config.js": b"window.config = {}",
}
REWRITES = (
    Rewrite("index.html", rb'((?:href|src)=")/(?!/)', rb"\1/viewer/", 1),
    Rewrite("index.html", rb'PUBLIC_URL="/"', b'PUBLIC_URL="/viewer/"', 1),
    Rewrite("*.js", rb'__webpack_require__\.p = "/";', b'__webpack_require__.p = "/viewer/";', 1),
    Rewrite("*.css", rb"url\(/(?!/)", b"url(/viewer/", 1),
)


def tarball(folder: Path, files=FILES, links=()) -> Path:
    path = folder / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, "../../outside"
            archive.addfile(member)
    return path


def pinned(path: Path, **changes) -> Package:
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    return replace(OHIF, integrity=f"sha512-{digest}", rewrites=REWRITES, **changes)


@pytest.fixture
def made(tmp_path):
    path = tarball(tmp_path)
    package, out = pinned(path), tmp_path / "site" / ".viewer"
    build(path, package, out)
    return package, out


def test_only_what_is_served_is_kept(made):
    _, out = made
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file() and path.suffix != ".gz"}
    assert names == {"LICENSE", "index.html", "app.js", "small.js", "app.css", "assets/a.png", "sw.js", MANIFEST}


def test_paths_are_rewritten_for_the_base_and_other_hosts_left(made):
    _, out = made
    assert (out / "index.html").read_bytes() == INDEX.replace(b'"/"', b'"/viewer/"').replace(b'"/app.js', b'"/viewer/app.js')
    assert (out / "app.js").read_bytes().startswith(b'__webpack_require__.p = "/viewer/";')
    assert b"url(/viewer/a.png)" in (out / "app.css").read_bytes()


def test_the_service_worker_is_empty(made):
    assert (made[1] / "sw.js").read_bytes() == b""


def test_what_compresses_has_a_twin_of_the_same_content(made):
    _, out = made
    assert {path.name for path in out.rglob("*.gz")} == {"app.js.gz", "app.css.gz"}
    for twin in out.rglob("*.gz"):
        assert gzip.decompress(twin.read_bytes()) == twin.with_suffix("").read_bytes()


def test_the_manifest_tells_every_file(made):
    package, out = made
    manifest = json.loads((out / MANIFEST).read_text())
    assert (manifest["version"], manifest["integrity"], manifest["base"]) == (package.version, package.integrity, "/viewer/")
    for name, entry in manifest["files"].items():
        content = (out / name).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert (entry["bytes"], entry["gzip"]) == (len(content), (out / f"{name}.gz").exists())


def test_the_folder_can_be_read_by_others_and_nothing_is_left_beside_it(made):
    _, out = made
    assert stat.S_IMODE(out.stat().st_mode) == 0o755
    assert list(out.parent.iterdir()) == [out]


def test_the_second_time_nothing_is_done(made, tmp_path):
    package, out = made
    before = (out / "index.html").stat().st_ino
    fetch(package, out, tmp_path / "no-such-file.tgz", lambda text: None)
    assert (out / "index.html").stat().st_ino == before


@pytest.mark.parametrize("harm", ["missing", "short", "twin", "manifest", "version"])
def test_a_harmed_folder_is_made_again(made, tmp_path, harm):
    package, out = made
    if harm == "missing":
        (out / "assets/a.png").unlink()
    elif harm == "short":
        (out / "app.js").write_bytes(b"")
    elif harm == "twin":
        (out / "app.js.gz").unlink()
    elif harm == "manifest":
        (out / MANIFEST).write_text("{")
    else:
        manifest = json.loads((out / MANIFEST).read_text())
        (out / MANIFEST).write_text(json.dumps(manifest | {"integrity": "sha512-old"}))
    assert not is_ready(out, package)
    said: list[str] = []
    fetch(package, out, tmp_path / "package.tgz", said.append)
    assert is_ready(out, package)
    assert "ready" in said[-1]


def test_another_package_is_refused_and_the_old_folder_stays(made, tmp_path):
    package, out = made
    before = sorted(out.rglob("*"))
    other = tarball(tmp_path, FILES | {"package/dist/app.js": b"evil"})
    with pytest.raises(ViewerFailed, match=r"package\.tgz is not the pinned package"):
        build(other, package, out)
    assert sorted(out.rglob("*")) == before
    assert is_ready(out, package)


def test_a_package_built_otherwise_is_refused(tmp_path):
    path = tarball(tmp_path, FILES | {"package/dist/more.js": b'__webpack_require__.p = "/";'})
    with pytest.raises(ViewerFailed, match="built otherwise"):
        build(path, pinned(path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_outside_the_folder_is_refused(tmp_path):
    path = tarball(tmp_path, FILES | {"package/dist/../../evil.js": b"x"})
    with pytest.raises(ViewerFailed, match="outside its folder"):
        build(path, pinned(path), tmp_path / "out")


def test_links_are_not_unpacked(tmp_path):
    path = tarball(tmp_path, links=("package/dist/link.js",))
    build(path, pinned(path), tmp_path / "out")
    assert not (tmp_path / "out" / "link.js").is_symlink()


def test_what_a_killed_run_left_is_cleared(tmp_path):
    left = tmp_path / ".viewer.partial-abc"
    (left / "fresh").mkdir(parents=True)
    path = tarball(tmp_path)
    build(path, pinned(path), tmp_path / ".viewer")
    assert not left.exists()


def test_a_failing_npm_says_what_it_said_and_what_to_do(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "npm error code ENOTFOUND" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    with pytest.raises(ViewerFailed, match=r"(?s)ENOTFOUND.*network.*--tarball FILE"):
        fetch(OHIF, tmp_path / "out", None, lambda text: None)


def test_the_pinned_package_is_one_release_with_a_digest():
    assert OHIF.integrity.startswith("sha512-")
    assert len(base64.b64decode(OHIF.integrity.removeprefix("sha512-"))) == 64
    assert OHIF.base.startswith("/")
    assert OHIF.base.endswith("/")
    assert fetch_viewer.RECIPE >= 1
