"""The Chinese catalogue is complete, and so are the words that pages look up by value."""

import re
from importlib import import_module
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from panorad.access.gate import acting, breaches, jose, known, open_sessions, passwords, proof, roles, scopes, second_factor
from panorad.access.gate import service as gate
from panorad.access.oidc import fetch, mapping, provider, service
from panorad.access.programs import clients, tokens
from panorad.access.web import errors, session, signin
from panorad.application.studies import web as studies
from panorad.application.viewer import web as viewer
from panorad.kit import errors as kit
from panorad.kit import i18n, vault
from panorad.kit.errors import PanoradError
from panorad.management.institutions import web as institutions
from panorad.management.intake import web as intake
from panorad.management.sharing import reading
from panorad.model.event import KINDS

SOURCE = Path(i18n.__file__).parents[1]
METHODS = [("**/templates/**.html", "jinja2"), ("**.py", "python")]
SHARING = [import_module(f"panorad.management.sharing.{name}") for name in ("grants", "consents")]
SHOWN = (
    kit, vault, gate, known, roles, proof, second_factor, open_sessions, breaches, errors, passwords, session, signin, studies, viewer,
    intake, jose, scopes, tokens, clients, fetch, mapping, provider, service, reading, acting, institutions, *SHARING,
)  # fmt: skip
"""Modules whose errors reach people on pages."""


def _extracted() -> set[str]:
    found = set()
    for _file, _line, message, _comments, _context in extract_from_dir(
        SOURCE, METHODS, {"**/templates/**.html": {"trimmed": "true"}}
    ):
        found.add(message[0] if isinstance(message, tuple) else message)
    return found


def _sentences() -> set[str]:
    kinds = [one for module in SHOWN for one in vars(module).values() if isinstance(one, type) and issubclass(one, PanoradError)]
    return {(one.__doc__ or "").strip().splitlines()[0].rstrip(".") for one in kinds if one is not PanoradError}


@pytest.fixture(scope="module")
def chinese() -> dict[str, str]:
    with i18n.source("zh-CN").open("rb") as po:
        catalogue = read_po(po, locale="zh_CN")
    assert not [message.id for message in catalogue if message.fuzzy and message.id]
    single = {(one.id if isinstance(one.id, str) else one.id[0]): one.string for one in catalogue if one.id}
    return {key: value if isinstance(value, str) else value[0] for key, value in single.items()}


def test_every_text_is_translated(chinese: dict[str, str]) -> None:
    texts = _extracted()
    assert len(texts) > 100, "the extraction found too little to prove anything"
    wanted = texts | set(KINDS.values()) | _sentences()
    assert sorted(text for text in wanted if not chinese.get(text)) == []


def test_translations_keep_their_placeholders(chinese: dict[str, str]) -> None:
    for text, translated in chinese.items():
        assert sorted(re.findall(r"%\(\w+\)s", text)) == sorted(re.findall(r"%\(\w+\)s", translated)), text


def test_a_language_is_read_from_its_source_when_nothing_is_compiled() -> None:
    assert i18n.translate("zh-CN", "Sign in") == "登录"
    assert i18n.translate("en", "Sign in") == "Sign in"
    assert i18n.translate("zh-CN", "no such text") == "no such text"
    assert BytesIO(i18n.compiled("zh-CN")).read(4) == b"\xde\x12\x04\x95"
