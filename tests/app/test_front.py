"""What is answered in front of the framework stands behind the same guards."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from panorad.app.web import build, front
from panorad.testing import Site
from panorad.testing import center as whole_center
from panorad.testing.center import Databases
from tests.data.imaging.arrivals import instance

HEADERS = {"content-type": 'multipart/related; type="application/dicom"; boundary=XX'}
BODY = b"\r\n--XX\r\nContent-Type: application/dicom\r\n\r\n" + instance(1, 1, 1) + b"\r\n--XX--\r\n"
FOREIGN = [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://elsewhere.example"}, {"origin": "null"}]


def studies(site: Site) -> int:
    return site.find().total


@pytest.mark.parametrize("foreign", FOREIGN, ids=str)
def test_a_store_request_that_another_site_started_is_refused(databases: Databases, foreign: dict[str, str]) -> None:
    with whole_center(databases, open=True) as site:
        client = TestClient(front(build(site.center)), base_url="http://localhost")
        assert client.post("/dicom-web/studies", content=BODY, headers=HEADERS | foreign).status_code == 403
        assert studies(site) == 0
        assert client.post("/dicom-web/studies", content=BODY, headers=HEADERS | {"origin": "http://localhost"}).status_code == 200
        assert studies(site) == 1


@pytest.mark.parametrize("cookie", ["", "panorad_session=nonsense"])
def test_nobody_stores_without_sign_in(center: Site, cookie: str) -> None:
    client = TestClient(front(build(center.center)), base_url="http://localhost")
    answer = client.post("/dicom-web/studies", content=BODY, headers=HEADERS | ({"cookie": cookie} if cookie else {}))
    assert answer.status_code == 401
    assert studies(center) == 0
    assert answer.headers["x-request-id"]
    assert "content-security-policy" in answer.headers
