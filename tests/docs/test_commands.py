"""The commands in the docs exist, and links lead somewhere. That they work is a story of its own: `tests/acceptance/test_tour.py`."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import typer

from panorad.cli import app
from tests.docs.consoles import CHECKOUT, Step, pages, steps

TOLD = [step for page in pages() for step in steps(page)]


def test_every_readme_gives_the_same_commands() -> None:
    english, chinese = ([step.command for step in TOLD if step.page == name] for name in ("README.md", "README.zh.md"))
    assert english == chinese
    assert english


def _words(step: Step) -> list[str]:
    plain = re.sub(r"\$\(.*?\)|\$\w+", "x", step.command)
    return shlex.split(plain.split("|")[0].split(">")[0])


@pytest.mark.parametrize(
    "step", [step for step in TOLD if step.command.startswith("panorad ")], ids=lambda step: f"{step.page} {step.command[:40]}"
)
def test_commands_and_options_exist(step: Step) -> None:
    command = typer.main.get_command(app)
    context = command.context_class(command, info_name="panorad")
    words = _words(step)[1:]
    while hasattr(command, "get_command"):
        inner = command.get_command(context, words[0])
        assert inner is not None, f"panorad has no command {words[0]}"
        command, context, words = inner, inner.context_class(inner, info_name=words[0], parent=context), words[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize(
    "step", [step for step in TOLD if step.command.startswith("make ")], ids=lambda step: f"{step.page} {step.command}"
)
def test_targets_of_make_exist(step: Step) -> None:
    targets = re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert _words(step)[1] in targets


@pytest.mark.parametrize(
    "step", [step for step in TOLD if step.command.startswith("python -m ")], ids=lambda step: f"{step.page} {step.command[:40]}"
)
def test_modules_exist(step: Step) -> None:
    assert importlib.util.find_spec(_words(step)[2]) is not None


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
    broken = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not broken


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_named_source_files_exist(page: Path) -> None:
    """A path in code letters that ends like a file of ours lies in the checkout or in the package."""
    named = set(
        re.findall(
            r"`((?:src|tools|tests|bench|docs|kit|app|model|access|data|application|management|cli)/[\w./-]+\.\w+)`",
            page.read_text("utf-8"),
        )
    )
    assert [name for name in sorted(named) if not ((CHECKOUT / name).exists() or (CHECKOUT / "src/panorad" / name).exists())] == []
