from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import panorad
from panorad.kit.sql import Queries

ROOT = Path(panorad.__file__).parent
FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("queries.sql"))


def test_statements_are_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "queries.sql").write_text("-- Head\n\n-- name: one\nselect 1;\n\n-- name: two (with a remark)\n-- why\nselect\n  2;\n")
    queries = Queries(str(tmp_path / "store.py"))
    assert (queries["one"], queries["two"]) == ("select 1", "-- why\nselect\n  2")
    with pytest.raises(KeyError):
        queries["three"]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_named_statement_is_used_and_named_once(file: Path) -> None:
    text = (ROOT / file).read_text("utf-8")
    names = re.findall(r"^-- name: (\w+)", text, re.MULTILINE)
    assert len(names) == len(set(names))
    importlib.import_module("panorad." + ".".join((*file.parent.parts, "store")))
    code = "".join(path.read_text("utf-8") for path in (ROOT / file).parent.glob("*.py"))
    for name in names:
        words = name.split("_")
        stems = ["_".join(words[:n]) for n in range(1, len(words))]
        assert f'"{name}"' in code or any(f'f"{stem}_{{' in code for stem in stems) or f'}}_{words[-1]}"' in code, name
