"""Rule: pages hold no inline script or style, so that the content security policy needs no exception."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import PurePosixPath

from tools.lint.tree import Rule

SUFFIXES = (".html", ".jinja", ".j2", ".svg")
JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
DATA_TYPES = ("application/json", "application/ld+json", "importmap", "speculationrules")


def without_jinja(text: str) -> str:
    """Blank the template language out, keeping lines and columns."""
    return JINJA.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


class Page(HTMLParser):
    """Collects what a strict content security policy would refuse (CSP Level 3 section 6.7)."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.breaches: list[tuple[int, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Judge one element by its name and attributes."""
        given = {name: value or "" for name, value in attrs}
        if tag == "script" and "src" not in given and given.get("type", "") not in DATA_TYPES:
            self.breach("inline <script>; put it in a module under static/")
        if tag == "style":
            self.breach("inline <style>; put it in a style sheet under static/")
        for name, value in given.items():
            if re.fullmatch(r"on[a-z]+", name) or name.startswith("hx-on"):
                self.breach(f"inline handler {name}; listen in a module under static/")
            if name == "style":
                self.breach("style attribute; use a class")
            if name in ("href", "src", "action", "formaction") and value.strip().lower().startswith("javascript:"):
                self.breach(f"script in {name}")

    def breach(self, message: str) -> None:
        """Note a breach at the present line."""
        self.breaches.append((self.getpos()[0], message))


def check_page(path: PurePosixPath, text: str) -> Iterator[tuple[int, str]]:
    """Refuse inline scripts, styles and handlers."""
    page = Page()
    page.feed(without_jinja(text))
    page.close()
    yield from page.breaches


def is_template(path: PurePosixPath) -> bool:
    """Whether the file is a template of the package."""
    return path.parts[:1] == ("src",) and "templates" in path.parts and path.suffix in SUFFIXES


RULES = (Rule("page-inline", is_template, check_page),)
