"""Settings: defaults, the file, the environment, the command line, in that order; what is wrong is named."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from panorad.settings import SettingInvalid, Settings, address, from_json, load, to_json


def test_each_source_outranks_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "panorad.toml").write_text(
        'http = "127.0.0.1:1"\nae_title = "FILE"\nopen = true\npublic_origins = ["https://a", "https://b"]\n'
    )
    environment = {
        "PANORAD_AE_TITLE": "ENV",
        "PANORAD_DIMSE_WORKERS": "7",
        "PANORAD_PUBLIC_ORIGINS": "https://c, https://d",
        "UNRELATED": "x",
    }
    loaded = load(tmp_path, {})
    assert (loaded.http, loaded.ae_title, loaded.open, loaded.public_origins) == ("127.0.0.1:1", "FILE", True, ("https://a", "https://b"))
    loaded = load(tmp_path, environment, http="127.0.0.1:2", dimse=None)
    assert (loaded.http, loaded.ae_title, loaded.dimse_workers, loaded.dimse) == ("127.0.0.1:2", "ENV", 7, Settings().dimse)
    assert loaded.public_origins == ("https://c", "https://d")


def test_the_home_comes_from_the_argument_or_the_environment(tmp_path: Path) -> None:
    assert load(tmp_path, {"PANORAD_HOME": "/elsewhere"}).home == tmp_path
    assert load(None, {"PANORAD_HOME": str(tmp_path)}).home == tmp_path
    assert load(None, {}).home == Path("panorad-home").absolute()


@pytest.mark.parametrize(
    ("word", "value"),
    [("1", True), ("true", True), ("Yes", True), ("on", True), ("0", False), ("False", False), ("no", False), ("off", False)],
)
def test_words_for_yes_and_no(tmp_path: Path, word: str, value: bool) -> None:
    assert load(tmp_path, {"PANORAD_OPEN": word}).open is value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense = 1", "nonsense, which is not a setting"),
        ("http = ", "panorad.toml"),
        ('open = "perhaps"', "open"),
        ('web_workers = "many"', "web_workers"),
        ("settle_after_s = []", "settle_after_s"),
        ("associations = 'x'", "associations"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "panorad.toml").write_text(text)
    with pytest.raises(SettingInvalid, match=told):
        load(tmp_path, {})


def test_what_is_wrong_in_the_environment_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="web_workers = 'x' is not a int"):
        load(tmp_path, {"PANORAD_WEB_WORKERS": "x"})


def test_a_child_gets_what_is_in_force(tmp_path: Path) -> None:
    given = load(tmp_path, {}, http="0.0.0.0:1", open=True, public_origins=("https://a",))
    assert from_json(to_json(given)) == given


def test_every_setting_has_a_sentence() -> None:
    for one in fields(Settings):
        assert one.metadata["sentence"].endswith("."), one.name


@pytest.mark.parametrize(
    ("text", "found"), [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:80", ("::1", 80)), (":80", ("0.0.0.0", 80)), ("host:0", ("host", 0))]
)
def test_addresses(text: str, found: tuple[str, int]) -> None:
    assert address(text) == found


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x", "host:65536", "host:-1", "80"])
def test_no_addresses(text: str) -> None:
    with pytest.raises(SettingInvalid, match="HOST:PORT"):
        address(text)
