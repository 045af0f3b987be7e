"""The lane in front of the framework: the same answers as behind it, and everything it does not know goes on."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from panorad.access.web.direct import Direct
from panorad.access.web.middleware import LoopbackHosts


def place(name: str) -> tuple[str, str, Callable[[Request], Response]]:
    return "GET", f"/{name}/{{key}}", lambda request: PlainTextResponse(f"{name} {request.path_params['key']} {request.app.title}")


def headed(inner: ASGIApp) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"around": True}
        await inner(scope, receive, send)

    return app


class Titled(Starlette):
    title = "behind"


def client() -> TestClient:
    behind = Titled(routes=[Route("/{rest:path}", lambda request: PlainTextResponse("behind"), methods=["GET", "POST", "HEAD"])])
    return TestClient(Direct(behind, [place("a"), place("b"), ("POST", "/c", sized)], headed, behind))


async def sized(request: Request) -> Response:
    return PlainTextResponse(f"{len(await request.body())} bytes")


def test_places_are_answered_in_front_with_their_parameters_and_the_application() -> None:
    assert client().get("/a/7").text == "a 7 behind"
    assert client().get("/b/x%20y").text == "b x y behind"


def test_an_endpoint_may_read_the_body() -> None:
    assert client().post("/c", content=b"12345").text == "5 bytes"
    assert client().get("/c").text == "behind"


def test_whatever_is_no_place_or_not_read_goes_on() -> None:
    for answer in (client().get("/a"), client().get("/a/1/2"), client().post("/a/7"), client().get("/c/1")):
        assert answer.text == "behind"
    assert client().head("/a/7").status_code == 200


def test_a_center_without_sign_in_answers_only_to_this_machine() -> None:
    behind = Titled(routes=[Route("/", lambda request: PlainTextResponse("behind"))])
    client = TestClient(LoopbackHosts(behind, ("https://reader.example",)))
    for host in ("127.0.0.1:8080", "localhost", "[::1]:8080", "reader.example"):
        assert client.get("/", headers={"host": host}).text == "behind"
    for host in ("rebound.example:8080", "127.0.0.1.example", ""):
        assert client.get("/", headers={"host": host}).status_code == 421
