"""One visit to a real center with sign-in: from its one-time link to pixels in the viewer, and out again."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Response, expect

from panorad.testing.center import free_port
from panorad.testing.encoding import to_bytes
from panorad.testing.images import Study, chest_radiograph, ct_series, patient, ultrasound_cine
from panorad.testing.malformed import malformed
from panorad.testing.phantom import thorax

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "seven quiet herons wade"
PATIENCE_S = 90


def panorad(home: Path, *words: str) -> None:
    """Run a command on the center in `home`; it must succeed."""
    done = subprocess.run([sys.executable, "-m", "panorad", *words, "--home", str(home)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def write_files(folder: Path) -> tuple[Path, Path]:
    """Files of two institutions: a CT and a cine; a radiograph, the same one changed, and a file that is none. Returns their folders."""
    scan = thorax(5, 8, 128, nodules=1)
    zhang, anna = patient(0), patient(7)
    ct = ct_series(scan, zhang, Study("20250602", "081500", "CT chest", "ACC-CT"))
    cine = ultrasound_cine(zhang, Study("20250603", "090100", "Echocardiography", "ACC-US"), frames=4, rows=120, columns=160, colour="RGB")
    film = chest_radiograph(scan, anna, Study("20250604", "094000", "Chest PA", "ACC-DX"), modality="DX", size=256)
    first, second = folder / "first", folder / "second"
    for place, datasets in ((first, [*ct, cine]), (second, [film])):
        place.mkdir()
        for number, dataset in enumerate(datasets):
            (place / f"{number}.dcm").write_bytes(to_bytes(dataset))
    film.StudyDescription = "Chest PA, other"
    (second / "other.dcm").write_bytes(to_bytes(film))
    (second / "bad.dcm").write_bytes(dict(malformed())["no-study.dcm"])
    return first, second


@pytest.fixture(scope="module")
def real_center(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address of a filled center and its one-time link."""
    folder = tmp_path_factory.mktemp("story")
    home, said, address = folder / "home", folder / "said.txt", f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "panorad", "serve", "--home", str(home), "--http", address, "--dimse", f"127.0.0.1:{free_port()}"]
    with said.open("w") as out:
        server = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE_S
        while "ready: " not in said.read_text():
            assert server.poll() is None, said.read_text()
            assert time.monotonic() < end, said.read_text()
            time.sleep(0.1)
        link = re.search(r"open (http://\S+)", said.read_text())
        assert link, said.read_text()
        panorad(home, "institution", "add", "COUNTY", "--name", "County Hospital", "--name-zh", "县人民医院", "--parent", "CENTER")
        first, second = write_files(folder)
        panorad(home, "import", str(first))
        # two runs: the second version of an instance must come after the first
        panorad(home, "import", str(second / "0.dcm"), "--institution", "COUNTY")
        subprocess.run(
            [sys.executable, "-m", "panorad", "import", str(second / "other.dcm"), str(second / "bad.dcm"),
             "--institution", "COUNTY", "--home", str(home)], capture_output=True, check=False,
        )  # fmt: skip
        yield f"http://{address}", link[1]
    finally:
        server.terminate()
        server.wait(60)


def wait_for_pixels(page: Page) -> None:
    """Wait until the middle of the viewport holds an image: many grey values, widely spread."""
    end = time.monotonic() + PATIENCE_S
    spread = 0.0
    while time.monotonic() < end:
        box = page.locator("canvas").first.bounding_box() if page.locator("canvas").count() else None
        if box:
            shot = Image.open(io.BytesIO(page.screenshot())).convert("L")
            x, y, width, height = box["x"], box["y"], box["width"], box["height"]
            middle = shot.crop((int(x + width / 4), int(y + height / 4), int(x + width * 3 / 4), int(y + height * 3 / 4)))
            pixels = np.asarray(middle)
            spread = float(pixels.std())
            if spread > 15 and len(np.unique(pixels)) > 60:
                return
        page.wait_for_timeout(500)
    raise AssertionError(f"no image in the viewport (standard deviation {spread:.1f})")


def test_from_the_one_time_link_to_pixels_and_out(browser: Browser, real_center: tuple[str, str]) -> None:
    site, link = real_center
    wrong: list[str] = []
    context = browser.new_context(viewport={"width": 1440, "height": 860}, locale="en-GB")
    context.set_default_timeout(20_000)
    page = context.new_page()

    def answered(response: Response) -> None:
        if response.status >= 400:
            wrong.append(f"{response.status} {response.url}")

    page.on("response", answered)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)

    page.goto(link)
    for name, value in (("name", "Wang Lei"), ("login", "wanglei"), ("password", PASSWORD), ("again", PASSWORD)):
        page.fill(f"[name={name}]", value)
    page.click("button.primary")
    page.wait_for_url(lambda url: "/welcome" not in url)
    context.clear_cookies()
    page.goto(f"{site}/sign-in")
    page.fill("[name=login]", "wanglei")
    page.fill("[name=password]", PASSWORD)
    page.click("button.primary")
    page.wait_for_url(f"{site}/")

    rows = page.locator("tr[data-uid]")
    expect(rows).to_have_count(3)
    for words, count in (("zs", 2), ("张三", 2), ("ACC-DX", 1)):
        page.goto(f"{site}/")
        page.keyboard.press("/")
        page.keyboard.type(words)
        expect(page.locator(".bar b")).to_contain_text(words)
        expect(rows).to_have_count(count)
    page.goto(f"{site}/")
    first, second = (str(rows.nth(at).get_attribute("data-uid")) for at in (0, 1))
    for key, uid in (("j", second), ("k", first)):
        page.keyboard.press(key)
        expect(page.locator("tr.chosen")).to_have_attribute("data-uid", uid)
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.click("th a:has-text('Patient')")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Patient")
    page.click(".facets a:has-text('CT')")
    expect(rows).to_have_count(1)
    expect(page.locator("tr.chosen")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/studies/*")
    study = page.url
    expect(page.locator("h1")).to_contain_text("张三")
    expect(page.locator(".series-card")).to_have_count(1)
    expect(page.locator(".events li").first).to_be_visible()
    page.locator("a[href*='/instances/']").first.click()
    page.fill("#tags-search", "0010,0010")
    expect(page.locator("#tags tbody tr:visible")).to_contain_text("Zhang")
    page.goto(study)

    page.keyboard.press("o")
    page.wait_for_url("**/viewer/**", wait_until="commit")
    wait_for_pixels(page)

    page.goto(f"{site}/intake?show=conflicts")
    expect(page.locator("main")).to_contain_text("Conflicts 1")
    page.goto(f"{site}/intake")
    expect(page.locator("main")).to_contain_text("(0020,000D) is missing")
    page.click("details.menu summary")
    page.click("button:has-text('简体中文')")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.click("details.menu summary")
    page.click("button:has-text('深色')")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    kept = context.cookies()
    page.click("details.menu summary")
    page.click("button:has-text('退出登录')")
    page.wait_for_url("**/sign-in")
    assert wrong == []
    context.add_cookies(kept)
    assert context.request.get(f"{site}/dicom-web/studies").status == 401
    page.goto(site)
    assert page.url.startswith(f"{site}/sign-in")
    context.close()
