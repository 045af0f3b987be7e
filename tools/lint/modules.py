"""Rules about modules: one idea a file, named after it (house rule 14)."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from tools.lint.tree import Rule, is_product

LONGEST = 500  # lines
REASON = "Long because:"
SHAPELESS = ("utils", "util", "helpers", "helper", "common", "manager", "misc")


def check_length(path: PurePosixPath, text: str) -> Iterator[tuple[int, str]]:
    """Refuse a module of more than 500 lines, unless its docstring says why in a line that starts with `Long because:`."""
    lines = text.count("\n") + (not text.endswith("\n"))
    if lines > LONGEST and not states_reason(text):
        yield LONGEST + 1, f"{lines} lines; split it, or say why in the docstring: '{REASON} ...'"


def states_reason(text: str) -> bool:
    """Whether the module's docstring has a line that gives a reason for its length."""
    docstring = ast.get_docstring(ast.parse(text)) or ""
    return any(line.startswith(REASON) and line.removeprefix(REASON).strip() for line in docstring.splitlines())


def check_name(path: PurePosixPath, text: str) -> Iterator[tuple[int, str]]:
    """Refuse names that tell nothing of what is inside, for a module and for the packages above it."""
    for part in (*path.parent.parts, path.stem):
        if part.lower() in SHAPELESS:
            yield 1, f"'{part}' says nothing of what is inside; name it after its one idea"


RULES = (
    Rule("module-length", is_product, check_length),
    Rule("module-name", lambda path: path.suffix == ".py", check_name),
)
