"""Make the virtual environment `.venv` from the pinned, hashed requirements.

    python3 tools/environment.py runtime|test

`runtime` is what the product and its demo need; `test` is that and the development tools. Two promises make it safe
to stop at any moment: a stamp (`.venv/ready-SET`, holding the digest of what it was made from) is written last, and
an installation that did not end leaves the mark `.venv/unfinished`, upon which the next run starts from nothing,
since pip takes a half-written package for an installed one.

Run by the system's Python, so the standard library only.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
SETS = {"runtime": ("runtime",), "test": ("runtime", "test")}  # the stamps that each set earns


class SetupFailed(Exception):
    """The environment cannot be made; the message says what to do."""


def digest(root: Path, name: str) -> str:
    """Return the digest of all that the set is made from: its requirements and the package's declaration."""
    sources = (root / "requirements" / f"{name}.txt", root / "pyproject.toml")
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()


def is_ready(root: Path, name: str) -> bool:
    """Whether the set stands complete and was made from the requirements as they are now."""
    venv = root / ".venv"
    stamp = venv / f"ready-{name}"
    return (
        not (venv / "unfinished").exists()
        and (venv / "bin" / "python").exists()
        and stamp.exists()
        and stamp.read_text() == digest(root, name)
    )


def write_stamp(root: Path, name: str) -> None:
    """Write the set's stamp so that it is there whole or not at all."""
    fresh = root / ".venv" / f".ready-{name}.tmp"
    fresh.write_text(digest(root, name))
    fresh.replace(root / ".venv" / f"ready-{name}")


@contextmanager
def alone(root: Path) -> Iterator[int]:
    """Let one set-up at a time work on the environment; gives the descriptor of the lock.

    A child that inherits the descriptor keeps the lock for as long as it runs, even where we are killed before it.
    """
    with (root / ".venv.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another set-up of this checkout to end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def make_empty(venv: Path) -> None:
    """Make an empty environment, over whatever an interrupted run left."""
    if venv.exists():
        print("The last set-up did not finish; starting from an empty .venv", flush=True)
        venv.rename(tempfile.mkdtemp(prefix=".venv.old-", dir=venv.parent))  # at once, so that no half-removed one is ever used
    for old in venv.parent.glob(".venv.old-*"):
        shutil.rmtree(old)
    venv.mkdir()
    (venv / "unfinished").touch()
    made = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True, check=False)
    if made.returncode:
        raise SetupFailed(
            f"Python could not make a virtual environment:\n{(made.stdout + made.stderr).strip()}\n"
            "On Debian and Ubuntu the package python3-venv brings what is missing."
        )


def install(root: Path, name: str, lock: int) -> None:
    """Install the set's pinned releases and the package itself, in place.

    Wheels only, each checked against its hash; the package is built by the pinned back end, so nothing unpinned is ever fetched.
    """
    requirements = root / "requirements" / f"{name}.txt"
    python = str(root / ".venv" / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    run_pip([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(requirements)], len(pinned(requirements)), lock)
    run_pip([*pip, "--no-deps", "--no-build-isolation", "-e", str(root)], 1, lock)


def pinned(requirements: Path) -> list[str]:
    """Return the names that a requirements file pins."""
    return re.findall(r"^([A-Za-z0-9._-]+)==", requirements.read_text(), re.MULTILINE)


def run_pip(command: list[str], packages: int, lock: int) -> None:
    """Run pip, which inherits the lock, showing how far it has come of so many packages.

    Raises:
        SetupFailed: pip failed; the message ends with its own last lines.
    """
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    lines: list[str] = []
    at = 0
    pipe, out = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=out, text=True, pass_fds=[lock]) as process:
        assert process.stdout is not None  # a pipe, as asked above
        for line in process.stdout:
            lines.append(line)
            if line.startswith(("Collecting ", "Processing ", "Requirement already", "Obtaining ", "Installing ")):
                at += not line.startswith("Installing ")
                verb, what = line.split()[:2]
                say(f"{verb} {what.rsplit('/')[-1]} ({min(at, packages)} of {packages})")
    if process.returncode:
        raise SetupFailed("".join(lines[-25:]) + "pip could not install the pinned packages. The same command tries again.")


def say(text: str) -> None:
    """Show progress: one line that changes on a terminal, one line in every twenty elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\033[KEnvironment: {text}", end="", file=sys.stderr, flush=True)
    elif text.startswith("Installing") or re.search(r"\(\d*[02468]0 of", text):
        print(f"Environment: {text}", file=sys.stderr, flush=True)


def prepare(root: Path, name: str) -> None:
    """Bring the environment to the set, doing nothing where it stands already.

    Raises:
        SetupFailed: no virtual environment can be made here, or pip failed.
    """
    with alone(root) as lock:
        if not is_ready(root, name):
            begun = time.monotonic()
            fill(root, name, lock)
            if sys.stderr.isatty():
                print(file=sys.stderr)
            print(f"Environment for {name} ready in {time.monotonic() - begun:.0f} s", flush=True)
        for earned in SETS[name]:
            (root / ".venv" / f"ready-{earned}").touch()


def fill(root: Path, name: str, lock: int) -> None:
    """Install the set into the environment, a new one where there is none whole, and stamp it."""
    venv = root / ".venv"
    if (venv / "unfinished").exists() or not (venv / "bin" / "python").exists():
        make_empty(venv)
    (venv / "unfinished").touch()
    for stamp in venv.glob("ready-*"):
        stamp.unlink()
    install(root, name, lock)
    for earned in SETS[name]:
        write_stamp(root, earned)
    (venv / "unfinished").unlink()


def main() -> int:
    """Run from the command line; returns the exit status."""
    if sys.version_info < OLDEST:
        print("Panorad needs Python %d.%d or newer; this is %s." % (*OLDEST, sys.version.split()[0]), file=sys.stderr)  # noqa: UP031
        print("Name another one so: make setup PYTHON=python3.12", file=sys.stderr)
        return 1
    if sys.argv[1:] not in ([name] for name in SETS):
        print(f"usage: environment.py {'|'.join(SETS)}", file=sys.stderr)
        return 2
    try:
        prepare(ROOT, sys.argv[1])
    except SetupFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
