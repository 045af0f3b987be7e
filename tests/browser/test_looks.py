"""Every page in both languages, both themes, wide and narrow: nothing overflows, nothing is inaccessible, and a picture of it is kept."""

from __future__ import annotations

from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Page

from tests.browser.conftest import SHOTS, Open

STUDY = "1.2.826.0.1.3680043.8.498.1002"
PAGES = {
    "studies": "/",
    "found": "/?q=zs&modality=CT",
    "nothing_found": "/?q=nobody",
    "study": f"/studies/{STUDY}",
    "attributes": f"/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.1",
    "kept_aside": "/intake",
    "conflicts": "/intake?show=conflicts",
    "password": "/account/password",
    "not_found": "/nowhere",
}
DOORS = {"sign_in": "/sign-in", "welcome": "/welcome?token=first"}
LOOKS = [("en", "light", 1440), ("zh-CN", "dark", 1440), ("zh-CN", "light", 360), ("en", "dark", 360)]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
"""axe-core (MPL-2.0) as the wheel carries it; nothing of it is in this repository."""

QUIET = """!document.querySelector(".htmx-request")
    && [...document.images].every((one) => one.complete || one.getBoundingClientRect().top > innerHeight)"""


def settled(page: Page) -> None:
    """Wait until requests have ended and every picture in sight is there."""
    for _turn in range(200):
        page.wait_for_timeout(100)
        if page.evaluate(QUIET):
            return
    raise AssertionError("the page does not come to rest")


def serious(page: Page) -> list[str]:
    """Serious and critical violations, as axe names them. Its script comes in by the debugger, so the page's policy stays as it is."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def look(page: Page, name: str, language: str, theme: str, width: int) -> None:
    """Check one page as it stands, and keep its picture."""
    settled(page)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.{language}.{theme}.{width}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than the window"
    assert serious(page) == [], name


@pytest.mark.parametrize("language,theme,width", LOOKS)
def test_pages(signed_in: Open, closed_center: str, language: str, theme: str, width: int) -> None:
    page = signed_in("/", language=language, theme=theme, width=width)
    for name, path in PAGES.items():
        page.goto(closed_center + path)
        look(page, name, language, theme, width)
    page.goto(closed_center)
    page.click("details.menu summary")
    look(page, "menu", language, theme, width)


@pytest.mark.parametrize("language,theme,width", LOOKS)
def test_doors_and_empty_pages(visit: Open, closed_center: str, empty_center: str, language: str, theme: str, width: int) -> None:
    for center, pages in ((closed_center, DOORS), (empty_center, {"no_studies": "/", "nothing_aside": "/intake"})):
        page = visit(f"{center}/sign-in", language, theme, width)
        for name, path in pages.items():
            page.goto(center + path)
            look(page, name, language, theme, width)


def test_the_device_decides_where_nothing_is_chosen(visit: Open, closed_center: str) -> None:
    page = visit(f"{closed_center}/sign-in", theme="system")
    seen = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        seen.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert seen == ["rgb(246, 247, 249)", "rgb(13, 15, 18)"]
