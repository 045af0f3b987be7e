"""Sessions in a browser: nobody is signed out while reading, and nobody stays signed in by an idle page. Seconds stand for minutes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from panorad.testing.center import free_port
from panorad.testing.encoding import to_bytes
from panorad.testing.images import Study, ct_series, patient
from panorad.testing.phantom import thorax
from tests.browser.conftest import ROOT, Open
from tests.browser.test_looks import LOOKS, look
from tests.browser.test_story import PASSWORD, PATIENCE_S, panorad, wait_for_pixels

IDLE_S, LONGEST_S = 6, 12
ASK_FOR_A_FRAME = """async (study) => {
    const root = `/dicom-web/studies/${study}`;
    const [one] = await (await fetch(`${root}/instances?limit=1`, {headers: {accept: "application/dicom+json"}})).json();
    const [series, instance] = ["0020000E", "00080018"].map((tag) => one[tag].Value[0]);
    return (await fetch(`${root}/series/${series}/instances/${instance}/frames/1`, {cache: "no-store"})).status;
}"""


class Site:
    """A real center in its own processes: `panorad serve` and commands on its home."""

    def __init__(self, folder: Path, **settings: float) -> None:
        self.home, self.url = folder / "home", f"http://127.0.0.1:{free_port()}"
        self.said = folder / "said.txt"
        self.environment = {**os.environ, **{f"PANORAD_{name.upper()}": str(value) for name, value in settings.items()}}
        self.study = ""

    @contextmanager
    def running(self) -> Iterator[Site]:
        command = [sys.executable, "-m", "panorad", "serve", "--home", str(self.home), "--http", self.url[7:], "--dimse", ""]
        with self.said.open("w") as out:
            server = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        try:
            end = time.monotonic() + PATIENCE_S
            while "ready: " not in self.said.read_text():
                assert server.poll() is None, self.said.read_text()
                assert time.monotonic() < end, self.said.read_text()
                time.sleep(0.1)
            yield self
        finally:
            server.terminate()
            server.wait(60)

    def fill(self, folder: Path) -> None:
        """A CT of 24 slices, and the account wanglei, an administrator."""
        files = ct_series(thorax(5, 24, 128, nodules=1), patient(0), Study("20250602", "081500", "CT chest", "ACC-CT"))
        self.study = str(files[0].StudyInstanceUID)
        folder.mkdir()
        for number, dataset in enumerate(files):
            (folder / f"{number}.dcm").write_bytes(to_bytes(dataset))
        panorad(self.home, "import", str(folder))
        command = [
            sys.executable,
            "-m",
            "panorad",
            "user",
            "add",
            "wanglei",
            "--role",
            "department-head",
            "--role",
            "system-administrator",
            "--password-stdin",
            "--home",
            str(self.home),
        ]
        subprocess.run(command, input=PASSWORD, text=True, check=True, capture_output=True)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A center whose sessions are idle after seconds and over after some more."""
    folder = tmp_path_factory.mktemp("hasty")
    with Site(folder, session_idle_s=IDLE_S, session_longest_s=LONGEST_S).running() as site:
        site.fill(folder / "ct")
        yield site


def signed_in(browser: Browser, site: Site, **context: object) -> tuple[BrowserContext, Page]:
    made = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", **context)  # type: ignore[arg-type]
    made.set_default_timeout(30_000)
    page = made.new_page()
    sign_in(page, f"{site.url}/sign-in")
    return made, page


def sign_in(page: Page, address: str = "") -> None:
    if address:
        page.goto(address)
    page.fill("[name=login]", "wanglei")
    page.fill("[name=password]", PASSWORD)
    page.click("button.primary")
    page.wait_for_url(lambda url: "/sign-in" not in url)


def test_reading_goes_on_over_three_lifetimes_without_a_failed_frame(browser: Browser, hasty: Site) -> None:
    context, page = signed_in(browser, hasty)
    wrong: list[str] = []
    beats: list[float] = []

    def answered(response: Response) -> None:
        if response.status >= 400 or "/sign-in" in response.url:
            wrong.append(f"{response.status} {response.url}")
        if "/account/awake" in response.url:
            beats.append(time.monotonic())

    begun = asked = time.monotonic()
    page.on("response", answered)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{hasty.url}/viewer/viewer?StudyInstanceUIDs={hasty.study}", wait_until="commit")
    wait_for_pixels(page)
    page.get_by_text("Confirm and hide").click()
    box = page.locator("canvas").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    while time.monotonic() - begun < 3 * LONGEST_S + 2:
        page.mouse.wheel(0, 120 if int(time.monotonic()) % 8 < 4 else -120)
        page.wait_for_timeout(400)
        if time.monotonic() - asked > IDLE_S + 1:  # between these the wheel alone keeps the session alive
            asked = time.monotonic()
            assert page.evaluate(ASK_FOR_A_FRAME, hasty.study) == 200, f"a frame failed after {asked - begun:.0f} s"
    assert wrong == []
    assert asked - begun > 2 * LONGEST_S + IDLE_S
    assert len(beats) <= (time.monotonic() - begun) / (IDLE_S / 6) + 2, "no more notes than one in a sixth of the idle time"
    assert "/viewer/" in page.url
    expect(page.locator("#panorad-session")).to_contain_text("You signed in many hours ago")

    # pages ask for the password again; the viewer, in its tab, goes on with the session that comes of it
    with context.expect_page() as opened:
        page.locator("#panorad-session a").click()
    other = opened.value
    sign_in(other)
    expect(other.locator("h1")).to_contain_text("You are signed in again")
    page.bring_to_front()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.wait_for_timeout(1500)
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    expect(page.locator("#panorad-session")).to_have_count(0)
    wait_for_pixels(page)
    assert [line for line in wrong if "/sign-in" not in line] == []
    context.close()


def test_an_idle_viewer_is_covered_and_uncovered_by_the_same_person(browser: Browser, hasty: Site) -> None:
    context, page = signed_in(browser, hasty)
    page.goto(f"{hasty.url}/viewer/viewer?StudyInstanceUIDs={hasty.study}", wait_until="commit")
    wait_for_pixels(page)
    bar = page.locator("#panorad-session")
    expect(bar).to_contain_text("You have been signed out", timeout=(IDLE_S + 8) * 1000)
    box, window = bar.bounding_box(), page.viewport_size
    assert box
    assert window
    assert (box["width"], box["height"]) == (window["width"], window["height"]), "no image is left in sight"
    assert context.request.get(f"{hasty.url}/dicom-web/studies").status == 401
    with context.expect_page() as opened:
        bar.locator("a").click()
    sign_in(opened.value)
    page.bring_to_front()
    expect(bar).to_have_count(0, timeout=10_000)
    context.close()


def test_an_idle_page_is_signed_out_although_its_list_asks_for_news(browser: Browser, hasty: Site) -> None:
    context, page = signed_in(browser, hasty)
    expect(page.locator("[data-live]")).to_have_count(1)
    page.wait_for_url(lambda url: "/sign-in" in url, timeout=(IDLE_S + 10) * 1000)
    assert context.request.get(f"{hasty.url}/account/session.json").status == 401
    context.close()


def test_a_page_warns_before_the_end_and_stays_when_told(browser: Browser, hasty: Site) -> None:
    context, page = signed_in(browser, hasty)
    page.goto(f"{hasty.url}/account/password")
    notice = page.locator("#awake")
    expect(notice).to_be_visible(timeout=IDLE_S * 1000)
    page.evaluate("document.querySelector('#awake button').click()")  # by keyboard or screen reader, without a pointer's move
    expect(notice).to_be_hidden()
    expect(notice).to_be_visible(timeout=IDLE_S * 1000)
    assert page.url.endswith("/account/password")
    context.close()


def test_what_was_typed_is_kept_through_a_sign_out(browser: Browser, hasty: Site) -> None:
    context, page = signed_in(browser, hasty)
    page.goto(f"{hasty.url}/account/second-factor")
    page.fill("[name=password]", "not kept, it is a password")
    page.evaluate("""document.querySelector("form.fields").insertAdjacentHTML("beforeend", "<input name=remark>")""")
    page.fill("[name=remark]", "half a sentence")
    curtain = page.locator("#curtain")
    expect(curtain).to_be_visible(timeout=(IDLE_S + 10) * 1000)
    expect(page.locator(".shell")).to_be_hidden()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(curtain).to_be_visible()
    with context.expect_page() as opened:
        curtain.locator("a").click()
    sign_in(opened.value)
    page.bring_to_front()
    expect(curtain).to_be_hidden(timeout=10_000)
    assert page.input_value("[name=remark]") == "half a sentence"
    context.close()


# -- the pages, looked at ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A center with the usual times."""
    folder = tmp_path_factory.mktemp("calm")
    with Site(folder).running() as site:
        site.fill(folder / "ct")
        yield site


@pytest.mark.parametrize("language,theme,width", LOOKS)
def test_every_page_of_it(visit: Open, calm: Site, language: str, theme: str, width: int) -> None:
    def seen(name: str) -> None:
        look(page, name, language, theme, width)

    page = visit(f"{calm.url}/sign-in?ended=1", language, theme, width)
    seen("sign_in_ended")
    other = visit(f"{calm.url}/sign-in", language, theme, width)
    sign_in(other)
    sign_in(page)
    page.goto(f"{calm.url}/intake/1/original")
    seen("second_factor_needed")
    page.fill("[name=password]", PASSWORD)
    page.click("[value=start]")
    seen("second_factor_scan")
    secret = page.text_content(".secret") or ""
    page.fill("[name=code]", "12")
    page.click("[value=accept]")
    seen("second_factor_wrong")
    page.fill("[name=code]", pyotp.TOTP(secret).at(int(time.time()) - 30))
    page.click("[value=accept]")
    seen("second_factor_codes")
    spare = page.locator(".codes code").all_inner_texts()
    assert page.locator(".reading .actions a").get_attribute("href") == "/intake/1/original"
    page.goto(f"{calm.url}/account/second-factor")
    seen("second_factor")
    page.goto(f"{calm.url}/account/sessions")
    seen("sessions")
    page.evaluate("document.getElementById('awake').hidden = false")
    seen("awake")
    page.goto(f"{calm.url}/account/password")
    page.evaluate("document.body.classList.add('ended'); document.getElementById('curtain').showModal()")
    seen("curtain")
    page.goto(f"{calm.url}/account/back")
    seen("back")
    page.goto(f"{calm.url}/sign-in")
    page.fill("[name=login]", "wanglei")
    page.fill("[name=password]", PASSWORD)
    page.click("button.primary")
    page.wait_for_url(re.compile("/sign-in/code"))
    seen("sign_in_code")
    page.fill("[name=code]", spare[0])
    page.click("button.primary")
    page.wait_for_url(f"{calm.url}/")
    other.goto(f"{calm.url}/account/confirm?next=/intake")
    look(other, "confirm", language, theme, width)
    panorad(calm.home, "user", "reset-second-factor", "wanglei")
    page.goto(f"{calm.url}/")
    assert "/sign-in" in page.url
