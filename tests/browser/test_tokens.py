"""The page of one's own tokens and the sign-in page with a provider, on a real center: looks, and a token made and revoked by hand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from panorad.testing.center import serving
from tests.browser.conftest import Open
from tests.browser.test_looks import LOOKS, look

PASSWORD = "blue heron reads film"
PROVIDER = """
oidc_issuer = "https://id.example.org"
oidc_client_id = "panorad"
oidc_client_secret = "x"
oidc_name = "City hospitals"
"""


@pytest.fixture(scope="module")
def real_center(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("tokens") / "home"
    home.mkdir()
    (home / "panorad.toml").write_text(PROVIDER)
    with serving(home, open_center=False) as running:
        command = [sys.executable, "-m", "panorad", "user", "add", "wang", "--role", "clinician", "--password-stdin", "--home", str(home)]
        subprocess.run(command, input=PASSWORD, text=True, check=True, capture_output=True)
        yield running.url


@pytest.mark.parametrize("language,theme,width", LOOKS)
def test_tokens(visit: Open, real_center: str, language: str, theme: str, width: int) -> None:
    page = visit(f"{real_center}/sign-in?left=1", language, theme, width)
    look(page, "sign_in_provider", language, theme, width)
    page.fill("[name=login]", "wang")
    page.fill("[name=password]", PASSWORD)
    page.click("form[action='/sign-in'] button")
    page.goto(f"{real_center}/account/tokens")
    page.fill("[name=name]", "night export " * 5)
    page.check("[name='scope studies.read']")
    page.click("form[action='/account/tokens'] button")
    assert page.inner_text(".secret").startswith("pnrd_")
    look(page, "tokens", language, theme, width)
    page.locator("form[action='/account/tokens/revoke'] button").first.click()
    page.wait_for_load_state()
    assert page.locator(".secret").count() == 0
    assert page.locator("form[action='/account/tokens/revoke']").count() == 0
