"""The languages of the interface: gettext catalogues, compiled from their .po source when no fresh .mo lies beside it."""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = {"en": "English", "zh-CN": "简体中文"}
"""Language tag (BCP 47) to the language's own name; English is the language of the message ids."""

LOCALE = Path(__file__).resolve().parent.parent / "locale"
DOMAIN = "panorad"


def source(language: str) -> Path:
    """The .po file of a language."""
    return LOCALE / language.replace("-", "_") / "LC_MESSAGES" / f"{DOMAIN}.po"


def compiled(language: str) -> bytes:
    """The .mo form of a language's .po file."""
    with source(language).open("rb") as po:
        catalog = read_po(po, locale=language.replace("-", "_"))
    out = io.BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def compile_catalogues() -> list[Path]:
    """Write every .mo beside its .po, as a build does; return what was written."""
    written = []
    for language in LANGUAGES:
        if source(language).exists():
            target = source(language).with_suffix(".mo")
            target.write_bytes(compiled(language))
            written.append(target)
    return written


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The translations of a language; English, and a language without a catalogue, answer every text with itself."""
    po = source(language)
    if language not in LANGUAGES or not po.exists():
        return gettext.NullTranslations()
    mo = po.with_suffix(".mo")
    fresh = mo.exists() and mo.stat().st_mtime >= po.stat().st_mtime
    return gettext.GNUTranslations(io.BytesIO(mo.read_bytes() if fresh else compiled(language)))


def translate(language: str, text: str) -> str:
    """A text in a language, itself where the catalogue has no translation."""
    return catalogue(language).gettext(text) if text else ""


def choose(accept_language: str, default: str = "en") -> str:
    """The language to use for an Accept-Language header (RFC 9110 section 12.5.4): the best ranked one that we speak."""
    ranked = sorted(_ranges(accept_language), key=lambda pair: -pair[1])
    for tag, quality in ranked:
        if quality > 0 and (language := _spoken(tag)):
            return language
    return default


def _ranges(header: str) -> Iterable[tuple[str, float]]:
    for part in header.split(",")[:20]:
        tag, _, parameter = part.strip().partition(";")
        try:
            quality = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            quality = 0.0
        if tag:
            yield tag.strip().lower(), quality


def _spoken(tag: str) -> str | None:
    primary = tag.partition("-")[0]
    return next((language for language in LANGUAGES if language.lower() == tag or language.partition("-")[0] == primary), None)
