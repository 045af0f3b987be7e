"""Pages made from the code say what the code says."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from panorad.app.reference import figures, served, with_figures
from panorad.cli.reference import all_pages
from panorad.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]


def test_generated_pages_agree_with_the_code() -> None:
    stale = [
        path.relative_to(CHECKOUT).as_posix()
        for path, text in all_pages(CHECKOUT).items()
        if not path.is_file() or path.read_text("utf-8") != text
    ]
    assert not stale, "run python -m panorad.cli.reference and commit what it writes"


def test_no_address_is_without_its_sentence() -> None:
    assert [one for one in served() if not one.sentence] == []


def test_no_setting_is_without_its_sentence() -> None:
    assert [one.name for one in fields(Settings) if not one.metadata.get("sentence", "").endswith(".")] == []


def _kept(folder: Path, day: str, *, tiny: bool = False) -> None:
    machine = {"processor": "Example", "cores": 2, "memory_gib": 8, "python": "3.11.9"}
    result = {"title": "frames", "unit": "1/s", "values": {"panorad": [900.0, 700.0, 800.0], "orthanc": [400.0]}, "ratio": 2.0}
    told = {"when": f"{day}T00:00:00Z", "tiny": tiny, "machine": machine, "results": [result]}
    (folder / f"{day}.kept.json").write_text(json.dumps(told))


def test_figures_are_the_medians_of_the_newest_kept_result(tmp_path: Path) -> None:
    _kept(tmp_path, "2020-01-01")
    _kept(tmp_path, "2020-02-01")
    assert "Measured on 2020-02-01 with 2 cores" in figures(tmp_path)
    assert "| frames | 1/s | 800 | 400 | 2.0 |" in figures(tmp_path)


def test_a_tiny_run_gives_no_figures(tmp_path: Path) -> None:
    _kept(tmp_path, "2020-01-01", tiny=True)
    assert figures(tmp_path) == ""


@pytest.mark.parametrize("before", ["", "## Measured\n\nold\n"])
def test_a_readme_without_results_has_no_figures(tmp_path: Path, before: str) -> None:
    readme = f"a\n<!-- figures -->\n{before}<!-- end of figures -->\nb\n"
    assert with_figures(readme, tmp_path, "Measured") == "a\n<!-- figures -->\n<!-- end of figures -->\nb\n"
    _kept(tmp_path, "2020-01-01")
    assert "## Measured" in with_figures(readme, tmp_path, "Measured")
