"""`python -m panorad.cli.reference [CHECKOUT]`: write the reference pages that are made from the code, the command line's too."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

from panorad.app.markdown import NOTE, table
from panorad.app.reference import events_page, roles_page, settings_page, urls_page, with_figures
from panorad.app.statement import statement
from panorad.cli import app

READMES = {"README.md": "Measured", "README.zh.md": "实测"}


def _commands(command: Any, context: Any) -> Iterator[tuple[Any, Any]]:
    """Every command that does something, in the order of the command line's own help."""
    if not hasattr(command, "list_commands"):
        yield command, context
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        if not inner.hidden:
            yield from _commands(inner, inner.context_class(inner, info_name=name, parent=context))


def _rows(command: Any, context: Any) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(context):
        names, sentence = parameter.get_help_record(context) or ("", "")
        if "--help" not in names:
            yield f"`{names}`", " ".join(sentence.split())


def command_line_page() -> str:
    """Every command with its arguments and options."""
    root = typer.main.get_command(app)
    parts = []
    wide = root.context_class(root, info_name="panorad", terminal_width=400, max_content_width=400)
    for command, context in _commands(root, wide):
        usage = " ".join(command.get_usage(context).split()).removeprefix("Usage: ")
        rows = list(_rows(command, context))
        options = "\n" + table(("argument or option", "meaning"), rows) if rows else ""
        parts.append(f"## {context.command_path}\n\n{command.help}\n\n```\n{usage}\n```\n{options}")
    return (
        f"# Command line\n\n{NOTE}\n\n"
        "Commands may run beside a running center of the same home folder, or without one; `panorad reindex` only without\n"
        "one. An error is one sentence and exit status 1; `panorad verify` exits with 2 when it finds damage.\n\n" + "\n".join(parts)
    )


PAGES: dict[str, Callable[[], str]] = {
    "reference/settings.md": settings_page,
    "reference/command-line.md": command_line_page,
    "reference/urls.md": urls_page,
    "reference/events.md": events_page,
    "reference/roles.md": roles_page,
    "conformance/dicom-conformance-statement.md": statement,
}
"""The generated pages by their place under `docs/`."""


def all_pages(checkout: Path) -> dict[Path, str]:
    """Every generated file of a checkout with the text that it should have."""
    found = {checkout / "docs" / name: page() for name, page in PAGES.items()}
    for name, heading in READMES.items():
        readme = checkout / name
        if readme.is_file():
            found[readme] = with_figures(readme.read_text("utf-8"), checkout / "bench" / "results", heading)
    return found


def main() -> None:
    """Write them."""
    os.environ.pop("PANORAD_HOME", None)
    for path, text in all_pages(Path(sys.argv[1] if len(sys.argv) > 1 else ".")).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(path)


if __name__ == "__main__":
    main()
