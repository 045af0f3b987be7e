"""Rule: SQL stands in `queries.sql`, schema and migrations; in Python only stores and the kit hold any (house rule 6)."""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tools.lint.tree import Rule, is_product

STATEMENT = re.compile(
    r"""\s*(?:--[^\n]*\n\s*)*(?:
        select\s.*?\sfrom\s | select\s+[\w.]+\s*\( | select\s+(?:\d+|%s|null|true|false)\s*(?:;|$)
      | insert\s+into\s | update\s+[\w."]+(?:\s+as)?(?:\s+\w+)?\s+set\s | delete\s+from\s | merge\s+into\s
      | with\s+(?:recursive\s+)?\w+(?:\s*\([^)]*\))?\s+as\s+(?:not\s+materialized\s+|materialized\s+)?\(
      | (?:create|alter|drop)\s+(?:or\s+replace\s+|unlogged\s+|unique\s+|temp\s+|temporary\s+|materialized\s+)*
        (?:table|index|view|function|trigger|type|schema|role|policy|extension|sequence|database)\s
      | truncate\s+(?:table\s+)?[\w."]+\s*(?:;|,|$) | copy\s+[\w."]+\s*(?:\([^)]*\)\s*)?(?:from|to)\s
      | set\s+(?:local|session)\s+\w | (?:grant|revoke)\s+\w+\s+on\s | (?:listen|notify)\s+[a-z_]+\s*(?:;|$)
    )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
# A sentence may begin with "Select" or "Update"; SQL is written in one case or the other.
KEYWORD = re.compile(r"\s*(?:--[^\n]*\n\s*)*(?:[A-Z]+|[a-z]+)\b")


def is_sql(text: str) -> bool:
    """Whether a string reads as an SQL statement."""
    return bool(KEYWORD.match(text) and STATEMENT.match(text))


def may_hold_sql(path: PurePosixPath) -> bool:
    """Whether the module is a store, or belongs to the kit, the migrations or the test bed."""
    return path.name == "store.py" or any(part in ("kit", "migrations", "testing") for part in path.parts)


def docstrings(tree: ast.AST) -> set[int]:
    """Return the identities of the nodes that are docstrings."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    firsts = (node.body[0] for node in ast.walk(tree) if isinstance(node, owners) and node.body)
    return {id(first.value) for first in firsts if isinstance(first, ast.Expr)}


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of each string, an f-string as one, each hole in it a `%s`."""
    passed = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            passed.update(id(part) for part in node.values)
            yield node.lineno, "".join(str(part.value) if isinstance(part, ast.Constant) else "%s" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node.lineno, node.value


def check_sql(path: PurePosixPath, text: str) -> Iterator[tuple[int, str]]:
    """Refuse SQL statements in string constants."""
    for line, string in strings(ast.parse(text)):
        if is_sql(string):
            yield line, "SQL belongs in queries.sql, run by the slice's store.py"


RULES = (Rule("sql-place", lambda path: is_product(path) and not may_hold_sql(path), check_sql),)
