"""A browser, the pages on twins behind a real server, and the choice of language, theme and width for a visit."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "test-results" / "pages"
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
HEIGHTS = {1440: 900, 360: 740}

Open = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@contextmanager
def served(factory: str, **variables: str) -> Iterator[str]:
    """A real web server for what a factory makes, with more variables in its environment; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "granian",
        "--interface",
        "asgi",
        "--factory",
        "--port",
        str(port),
        "--no-log",
    ]
    environment = {**os.environ, **variables, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    server = subprocess.Popen([*command, factory], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, "the server ended"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="session")
def closed_center() -> Iterator[str]:
    """A center with sign-in and 120 studies."""
    with served("tests.browser.demo:closed") as address:
        yield address


@pytest.fixture(scope="session")
def empty_center() -> Iterator[str]:
    """An open center that has received nothing."""
    with served("tests.browser.demo:empty") as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium; the test is skipped where there is none, and fails where CI is set."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no system Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Open a page: `visit(address, language="zh-CN", theme="dark", width=360)`. Errors of scripts or of the policy fail the test."""
    opened, wrong = [], []

    def open_page(address: str, language: str = "en", theme: str = "light", width: int = 1440) -> Page:
        context = browser.new_context(viewport={"width": width, "height": HEIGHTS[width]})
        context.set_default_timeout(30_000)
        site = "/".join(address.split("/")[:3])
        context.add_cookies(
            [
                {"name": f"panorad_{name}", "value": value, "url": site}
                for name, value in (("language", language), ("theme", theme))
            ]
        )
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
        opened.append(context)
        page.goto(address)
        return page

    yield open_page
    for context in opened:
        context.close()
    assert wrong == []


@pytest.fixture
def signed_in(visit: Open, closed_center: str) -> Open:
    """The same, signed in first: `signed_in("/intake", theme="dark")`."""
    from tests.access.web.twins import PASSWORD

    def open_page(path: str, **how: object) -> Page:
        page = visit(f"{closed_center}/sign-in", **how)
        page.fill("[name=login]", "wanglei")
        page.fill("[name=password]", PASSWORD)
        page.click("button.primary")
        page.wait_for_url(f"{closed_center}/")
        if path != "/":
            page.goto(closed_center + path)
        return page

    return open_page
