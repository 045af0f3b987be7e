"""The embedded database under several commands at once: the first starts it, the last stops it. Real processes on one home."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

WORK = """
import sys
from pathlib import Path
from panorad.cli.console import center_of
from panorad.model.actor import SYSTEM
with center_of(Path(sys.argv[1])) as center:
    for told in ("begun", "worked"):
        with center.begin(SYSTEM) as tx:
            center.archive.statistics(tx)
        print(told, flush=True)
        sys.stdin.readline()
"""


class Work:
    """A process that does what a command does, one step each time it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def goes_on(self) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.said()

    def may_end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def ends(self) -> int:
        self.may_end()
        return self.process.wait(60)


@contextmanager
def working(home: Path) -> Iterator[Work]:
    command = [sys.executable, "-c", WORK, str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Work(process)
        finally:
            process.kill()


def panorad(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "panorad", *words, "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def runs(home: Path) -> bool:
    return (home / "postgres" / "data" / "postmaster.pid").exists()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded") / "home"


def test_the_first_command_to_end_leaves_the_database_to_the_others(home: Path) -> None:
    with working(home) as first, working(home) as second:
        assert [first.said(), second.said()] == ["begun", "begun"]
        assert first.ends() == 0
        assert second.goes_on() == "worked"
        assert panorad(home, "status").returncode == 0
        assert runs(home)
        assert not (home / "postgres" / "log").stat().st_mode & 0o077, "it may quote rows"
        assert second.ends() == 0
    assert not runs(home)


def test_commands_that_begin_and_end_together(home: Path) -> None:
    with ExitStack() as stack:
        works = [stack.enter_context(working(home)) for _ in range(4)]
        assert [work.said() for work in works] == ["begun"] * 4
        for work in works:
            work.may_end()
        assert [work.ends() for work in works] == [0] * 4
    assert not runs(home)


def test_a_command_that_was_killed_leaves_the_database_to_the_others(home: Path) -> None:
    with working(home) as first, working(home) as second:
        assert [first.said(), second.said()] == ["begun", "begun"]
        first.process.kill()
        first.process.wait()
        assert second.goes_on() == "worked"
        assert second.ends() == 0
    assert not runs(home)


@pytest.mark.parametrize("words", [("reindex",), ("serve", "--http", "127.0.0.1:0", "--dimse", "")])
def test_what_needs_the_home_alone_is_refused_while_a_command_works(home: Path, words: tuple[str, ...]) -> None:
    with working(home) as work:
        assert work.said() == "begun"
        refused = panorad(home, *words)
        assert refused.returncode == 1
        assert "Another center or command works in this home folder" in refused.stderr
        assert work.goes_on() == "worked"
        assert work.ends() == 0
