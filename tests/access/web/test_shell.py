"""What surrounds every page: headers, forms that are ours, limits, errors, logs, static files, preferences."""

import gzip
import re
from pathlib import Path

import pytest
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from panorad.access.web.errors import ANSWERS
from panorad.access.web.forms import LIMIT
from panorad.access.web.middleware import POLICY
from panorad.kit.errors import Kind, PanoradError
from tests.access.web.twins import PASSWORD, Region
from tests.access.web.visits import send, visit

SOURCE = Path(__file__).parents[3] / "src" / "panorad"


def test_security_headers_are_on_every_answer(client: TestClient) -> None:
    for path in ("/", "/nope", "/studies.json", "/sign-in"):
        headers = client.get(path).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "strict-transport-security" not in headers


def test_https_is_remembered_by_browsers(made: Region) -> None:
    assert visit(made, "https://testserver").get("/sign-in").headers["strict-transport-security"] == "max-age=31536000"


def test_pages_are_not_kept_by_caches(client: TestClient) -> None:
    assert client.get("/intake").headers["cache-control"] == "no-store"
    assert client.get("/").headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    "headers,status",
    [
        ({}, 303),
        ({"sec-fetch-site": "same-origin", "origin": "http://testserver"}, 303),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
    ],
)
def test_writes_started_by_another_site_are_refused(made: Region, headers: dict[str, str], status: int) -> None:
    client = visit(made)
    client.get("/sign-in")
    client.headers.update(headers)
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', client.get("/sign-in").text)
    assert token
    fields = {"form_token": token[1], "login": "wanglei", "password": PASSWORD}
    assert client.post("/sign-in", data=fields).status_code == status


@pytest.mark.parametrize("token", ["", "0" * 32, "é"])
def test_a_form_without_our_token_is_refused(made: Region, token: str) -> None:
    client = visit(made)
    client.get("/sign-in")
    answer = client.post("/sign-in", data={"form_token": token, "login": "wanglei", "password": PASSWORD})
    assert answer.status_code == 403
    assert made.gate.sessions == {}


def test_a_page_takes_only_forms(client: TestClient) -> None:
    for body in (
        {"json": {"theme": "dark"}},
        {"content": b"\xff\xfe", "headers": {"content-type": "application/x-www-form-urlencoded"}},
    ):
        assert client.post("/preferences", **body).status_code == 403  # type: ignore[arg-type]


def test_a_body_too_long_is_refused_declared_or_not(client: TestClient) -> None:
    assert client.post("/preferences", content=b"x" * (LIMIT + 1)).status_code == 413
    assert client.post("/preferences", content=iter([b"x" * LIMIT, b"x"])).status_code == 413


def test_every_kind_of_error_has_an_answer() -> None:
    assert set(ANSWERS) == set(Kind)


def _failing(made: Region, error: Exception) -> None:
    def fail(request: Request) -> Response:
        raise error

    made.app.add_route("/fail/{patient}", fail)


class Locked(PanoradError):
    """Somebody else is working on this"""

    kind = Kind.CONFLICT


def test_an_error_is_a_page_for_people_and_problem_details_for_programs(made: Region, client: TestClient) -> None:
    _failing(made, Locked("since 10:30"))
    page = client.get("/fail/1")
    assert page.status_code == 409
    assert "Somebody else is working on this: since 10:30" in page.text
    problem = client.get("/fail/1", headers={"accept": "application/json"})
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json() | {"request": ""} == {
        "type": "about:blank",
        "title": "This does not fit what is stored",
        "status": 409,
        "detail": "Somebody else is working on this: since 10:30",
        "kept": "Nothing that was stored has been changed.",
        "advice": "Reload the page to see how it stands now.",
        "request": "",
    }


def test_an_unforeseen_error_tells_nothing_and_can_be_found_in_the_log(made: Region, client: TestClient) -> None:
    _failing(made, RuntimeError("ZHANG^San /srv/secret token-1"))
    with structlog.testing.capture_logs() as lines:
        answer = client.get("/fail/LI^Si?q=LI")
    assert answer.status_code == 500
    for secret in ("ZHANG", "secret", "token-1", "Traceback", "RuntimeError"):
        assert secret not in answer.text
    for secret in ("ZHANG", "secret", "token-1", "LI^Si", "Traceback"):
        assert secret not in str(lines)
    number = answer.headers["x-request-id"]
    assert number in answer.text
    failed = next(line for line in lines if line["event"] == "request failed")
    assert failed["request"] == number
    assert failed["fault"].startswith("RuntimeError at test_shell.py:")


def test_the_log_names_routes_and_no_patient(client: TestClient) -> None:
    with structlog.testing.capture_logs() as lines:
        client.get("/?q=zhang+san")
        client.get("/studies/1.2.826.0.1.3680043.8.498.1001/preview")
    assert [line["route"] for line in lines] == ["/", "/studies/{study}/preview"]
    assert "zhang" not in str(lines)
    assert "3680043" not in str(lines)


def test_an_unknown_address_is_a_friendly_404(client: TestClient) -> None:
    answer = client.get("/no/such/page")
    assert answer.status_code == 404
    assert "No page has this address" in answer.text
    assert client.put("/intake").status_code == 405


def test_static_files_are_cached_for_good_and_packed(client: TestClient) -> None:
    address = re.search(r'href="(/static/[0-9a-f]{12}/web/shell.css)"', client.get("/").text)
    assert address
    answer = client.get(address[1])
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    plain = client.get(address[1], headers={"accept-encoding": "identity"})
    assert plain.content == answer.content == (SOURCE / "access/web/static/shell.css").read_bytes()
    assert client.get(re.sub("[0-9a-f]{12}", "0" * 12, address[1])).headers["cache-control"] == "no-cache"
    assert client.get("/static/0/web/../deps.py").status_code == 404


def test_language_and_theme_are_chosen_kept_and_drawn_by_the_server(client: TestClient) -> None:
    assert '<html lang="en" data-theme="system">' in client.get("/intake").text
    for fields in ({"language": "zh-CN"}, {"theme": "dark"}):
        answer = send(client, "/preferences", {**fields, "next": "/intake"}, page="/intake")
        assert (answer.status_code, answer.headers["location"]) == (303, "/intake")
    page = client.get("/intake").text
    assert '<html lang="zh-CN" data-theme="dark">' in page
    assert "市影像中心" in page
    send(client, "/preferences", {"language": "tlh", "theme": "<script>"}, page="/intake")
    assert '<html lang="zh-CN" data-theme="dark">' in client.get("/intake").text


@pytest.mark.parametrize(
    "header,language",
    [("zh-CN,zh;q=0.9,en;q=0.5", "zh-CN"), ("fr, zh-TW;q=0.8", "zh-CN"), ("de", "en"), ("en;q=0, zh", "zh-CN"), (";q=x,,", "en")],
)
def test_the_browser_proposes_the_language(made: Region, header: str, language: str) -> None:
    assert f'<html lang="{language}"' in visit(made, **{"accept-language": header}).get("/sign-in").text


def test_templates_hold_no_inline_script_style_or_handler() -> None:
    for path in SOURCE.rglob("templates/*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\bsrc=)|hx-on", text), path


def test_scripts_are_small_modules() -> None:
    for path in SOURCE.rglob("static/*.js"):
        if path.name != "htmx.min.js":
            lines = path.read_text(encoding="utf-8").splitlines()
            assert len(lines) <= 100, path
            assert lines[0].startswith("//"), path


def test_packed_files_are_what_they_say(made: Region) -> None:
    for name, asset in made.deps.shell.assets.files.items():  # type: ignore[attr-defined]
        assert asset.packed is None or gzip.decompress(asset.packed) == asset.content, name
