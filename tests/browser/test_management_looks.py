"""The management pages of a real center in both languages, both themes, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from panorad.app.supervisor import ENVIRONMENT
from panorad.settings import to_json
from panorad.testing import Databases
from panorad.testing import center as whole_center
from tests.browser import managed
from tests.browser.conftest import Open, served
from tests.browser.test_looks import LOOKS, look

PAGES = {
    "head": {"grants": "/sharing", "grants_found": "/sharing?q=none", "consents": "/sharing/consents"},
    "officer": {"policy": "/sharing/policy", "people": "/people", "people_role": "/people?give=reader", "roles": "/people/roles"},
    "admin": {"people_account": "/people", "institutions": "/institutions", "institution": "/institutions?change=COUNTY"},
}
DRAWERS = {"grants", "consents", "people_account", "institutions"}


@pytest.fixture(scope="session")
def managed_center(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real center with institutions, people and what they share."""
    with whole_center(databases, tmp_path_factory.mktemp("managed"), time_zone="Asia/Shanghai") as site:
        managed.fill(site)
        with served("panorad.app.web:application", **{ENVIRONMENT: to_json(site.settings)}) as address:
            yield address


def come_in(visit: Open, address: str, login: str, **how: object) -> Page:
    page = visit(f"{address}/sign-in?next=/account/password", **how)
    page.fill("[name=login]", login)
    page.fill("[name=password]", managed.PASSWORD)
    page.click("button.primary")
    page.wait_for_url(f"{address}/account/password")
    return page


@pytest.mark.parametrize("language,theme,width", LOOKS)
@pytest.mark.parametrize("login", PAGES)
def test_management_pages(visit: Open, managed_center: str, login: str, language: str, theme: str, width: int) -> None:
    page = come_in(visit, managed_center, login, language=language, theme=theme, width=width)
    for name, path in PAGES[login].items():
        page.goto(managed_center + path)
        look(page, name, language, theme, width)
        if name in DRAWERS:
            page.locator(".drawer > summary").first.click()
            look(page, f"{name}_form", language, theme, width)
    page.click("details.menu summary")
    look(page, f"acting_{login}", language, theme, width)
