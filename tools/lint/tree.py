"""The files that the rules look at, and what a rule says of them."""

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, order=True)
class Finding:
    """One breach of a rule."""

    path: PurePosixPath
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Rule:
    """A named rule: which files it is about, and a check that yields line and message for each breach."""

    name: str
    applies: Callable[[PurePosixPath], bool]
    check: Callable[[PurePosixPath, str], Iterator[tuple[int, str]]]


def files(root: Path) -> list[PurePosixPath]:
    """Return the files that git tracks or would add, relative to the root, in order; links and deleted files left out.

    Raises:
        OSError: the folder is no git working tree, or git is not installed.
    """
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode:
        raise OSError(f"git cannot list the files of {root}: {listed.stderr.strip()}")
    names = (PurePosixPath(name) for name in listed.stdout.split("\0") if name)
    return sorted({name for name in names if (root / name).is_file() and not (root / name).is_symlink()})


def text_of(path: Path) -> str | None:
    """Return the file's text, or None of a binary one."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def is_excused(rule: str, lines: list[str], number: int) -> bool:
    """Whether the line itself says why the rule does not hold there, in a comment: `house rule RULE: the reason`."""
    line = lines[number - 1] if number <= len(lines) else ""
    return re.search(rf"house rule {re.escape(rule)}: \S", line) is not None


def findings(root: Path, rules: tuple[Rule, ...]) -> Iterator[Finding]:
    """Yield every breach of the rules in the tree that its own line does not excuse."""
    for name in files(root):
        about_it = [rule for rule in rules if rule.applies(name)]
        text = text_of(root / name) if about_it else None
        if text is not None:
            lines = text.splitlines()
            for rule in about_it:
                for line, message in rule.check(name, text):
                    if not is_excused(rule.name, lines, line):
                        yield Finding(name, line, rule.name, message)


def is_product(path: PurePosixPath) -> bool:
    """Whether the file is a Python module of the package."""
    return path.parts[:1] == ("src",) and path.suffix == ".py"
