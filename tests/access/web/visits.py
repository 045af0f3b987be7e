"""Walks through the pages as a visitor does: forms carry the token that their page carried."""

from __future__ import annotations

import re

from httpx import Response
from starlette.testclient import TestClient

from tests.access.web.twins import PASSWORD, Region

HTML = {"accept": "text/html"}


def visit(region: Region, base_url: str = "http://testserver", **headers: str) -> TestClient:
    """A visitor with a browser; errors of the server become answers, as they do for real."""
    return TestClient(region.app, base_url, headers={**HTML, **headers}, follow_redirects=False, raise_server_exceptions=False)


def send(client: TestClient, path: str, fields: dict[str, str], page: str = "") -> Response:
    """Fill in the form of a page (the same path unless named) and send it."""
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', client.get(page or path).text)
    assert token, f"{page or path} has no form"
    return client.post(path, data={"form_token": token[1], **fields})


def signed_in(region: Region, **more: str) -> TestClient:
    """The administrator, signed in."""
    client = visit(region, **more)
    assert send(client, "/sign-in", {"login": "wanglei", "password": PASSWORD}).status_code == 303
    return client
