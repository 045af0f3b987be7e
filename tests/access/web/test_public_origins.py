"""Behind a proxy that ends TLS, addresses that we write are those the client sees."""

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from panorad.access.dicomweb.target import base_url
from panorad.access.web.middleware import SecurityHeaders


async def tells_its_address(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(base_url(Request(scope)))(scope, receive, send)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("images.example.org", "https://images.example.org/dicom-web"),
        ("images.example.org:8443", "https://images.example.org:8443/dicom-web"),
        ("other.example.org", "http://other.example.org/dicom-web"),
    ],
)
def test_addresses_have_the_scheme_of_the_public_origin(host: str, address: str) -> None:
    app = SecurityHeaders(tells_its_address, ("https://images.example.org", "https://images.example.org:8443"))
    answer = TestClient(app).get("/", headers={"host": host})
    assert answer.text == address
    assert ("strict-transport-security" in answer.headers) == address.startswith("https")
