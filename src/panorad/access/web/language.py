"""Which language and theme a visitor sees: their cookie, else what the browser asks for, else the center's own."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from panorad.kit import i18n

LANGUAGE_COOKIE = "panorad_language"
THEME_COOKIE = "panorad_theme"
THEMES = ("system", "light", "dark")
"""`system` follows the device."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """How pages look to one visitor."""

    language: str
    theme: str


def preferences(request: Request, default: str = "en") -> Preferences:
    """The language and theme of this request."""
    language = request.cookies.get(LANGUAGE_COOKIE, "")
    if language not in i18n.LANGUAGES:
        language = i18n.choose(request.headers.get("accept-language", ""), default)
    theme = request.cookies.get(THEME_COOKIE, "")
    return Preferences(language, theme if theme in THEMES else "system")
