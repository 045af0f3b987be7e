"""What the `console` and `shell` blocks of the docs say, and a way to run them all in one bash."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^( *)```(console|shell)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One command of a page and the lines that it is said to print; `…` stands for anything."""

    page: str
    language: str
    command: str
    output: tuple[str, ...]

    def differs(self, printed: str) -> list[str]:
        """The lines that were promised and not printed; runs of space count as one."""
        text = " ".join(printed.split())
        return [line for line in self.output if not re.search(_pattern(line), text)]


def _pattern(line: str) -> str:
    return ".*?".join(re.escape(" ".join(part.split())) for part in line.split("…"))


def pages() -> list[Path]:
    """Every page that people read, generated ones left out."""
    made = ("reference", "conformance")
    return [
        *sorted(CHECKOUT.glob("*.md")),
        *(page for page in sorted(CHECKOUT.glob("docs/**/*.md")) if page.parent.name not in made),
    ]


def steps(page: Path) -> Iterator[Step]:
    """The commands of a page in order."""
    name = page.relative_to(CHECKOUT).as_posix()
    for _, language, body in BLOCK.findall(page.read_text("utf-8")):
        for part in re.split(r"^\$ ", textwrap.dedent(body), flags=re.MULTILINE)[1:]:
            command, *output = part.rstrip("\n").split("\n")
            yield Step(name, language, command, tuple(output))


def _script(numbered: Iterable[tuple[int, Step]]) -> str:
    """One bash script: each command's output in a file of its number; servers in the background until `^C HOME`."""
    lines = [
        "declare -A server",
        'end() { kill -TERM "${server[$1]}" && wait "${server[$1]}"; unset "server[$1]"; }',
        'trap \'for home in "${!server[@]}"; do end "$home"; done\' EXIT',
        'ready() { for _ in $(seq 600); do grep -q ^ready: "$1" && return; kill -0 $! || return 1; sleep 0.1; done; return 1; }',
    ]
    for number, step in numbered:
        if step.command.startswith("^C "):
            run = f"end {step.command[3:]} > printed/{number} 2>&1"
        elif found := re.search(r"panorad serve .*--home (\w+)", step.command):
            run = f"{step.command} > printed/{number} 2>&1 & server[{found[1]}]=$!; ready printed/{number}"
        else:
            run = f"{{ {step.command}\n}} > printed/{number} 2>&1"
        lines.append(f"{run} || {{ echo {number} > failed; exit 1; }}")
    return "\n".join(lines)


def run(told: list[Step], folder: Path, ports: Mapping[str, int]) -> list[str]:
    """Run the commands in a folder, other ports put in place of the docs' own; gives what went other than told."""

    def placed(text: str) -> str:
        return re.sub(r"\b(?:" + "|".join(ports) + r")\b", lambda port: str(ports[port[0]]), text)

    steps = [Step(step.page, step.language, placed(step.command), tuple(map(placed, step.output))) for step in told]
    (folder / "printed").mkdir()
    programs = folder / "programs"
    programs.mkdir()
    for name, arguments in {"python": "", "panorad": " -m panorad"}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        (programs / name).chmod(0o755)
    known = {name: value for name, value in os.environ.items() if not name.startswith("PANORAD_")}
    paths = os.pathsep.join(filter(None, (str(CHECKOUT / "src"), os.environ.get("PYTHONPATH", ""))))
    environment = known | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": paths,
        "PANORAD_HTTP": f"127.0.0.1:{ports['8080']}",
        "PANORAD_DIMSE": f"127.0.0.1:{ports['11112']}",
        "COLUMNS": "200",
        "TCP_NODELAY": "1",
    }
    script = _script(enumerate(steps))
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)
    failed = int((folder / "failed").read_text()) if (folder / "failed").exists() else None
    wrong = []
    for number, step in enumerate(steps):
        printed = folder / "printed" / str(number)
        text = printed.read_text("utf-8", "replace") if printed.exists() else ""
        if number == failed:
            return [*wrong, f"{step.page}: {step.command}\nfailed:\n{text}{done.stderr}"]
        if missing := step.differs(text):
            wrong.append(f"{step.page}: {step.command}\ndid not print {missing}, but:\n{text[-2000:]}")
    return wrong + ([done.stderr] if done.returncode else [])
