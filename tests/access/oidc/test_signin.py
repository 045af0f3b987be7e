"""The whole way over HTTP at a real provider: sign-in, accounts, roles, and both ways of signing out."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest
from starlette.testclient import TestClient

from panorad.access import gate
from panorad.access.gate.service import AccountAbsent
from panorad.access.oidc import service
from panorad.access.oidc.service import IdentityTaken
from panorad.access.web.session import COOKIE
from panorad.model.actor import SYSTEM
from panorad.testing import Databases, Site
from panorad.testing import center as whole_center
from panorad.testing.center import free_port
from tests.access.oidc.real import CLIENT, ROLES, back_from, provider, sign_in
from tests.access.programs.visits import ADDRESS, PASSWORD, owner_sql, program, send, told


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with provider(tmp_path_factory.mktemp("provider")) as started:
        yield started


def settings(issuer: str) -> dict[str, object]:
    return {
        "oidc_issuer": issuer, "oidc_client_id": CLIENT["client_id"], "oidc_client_secret": CLIENT["client_secret"],
        "oidc_name": "City hospitals", "oidc_roles": ROLES, "oidc_institution_claim": "institution",
    }  # fmt: skip


@pytest.fixture
def site(databases: Databases, tmp_path: Path, issuer: str) -> Iterator[Site]:
    with whole_center(databases, tmp_path / "home", **settings(issuer)) as made:
        made.institution("COUNTY")
        made.institution("TOWN")
        yield made


def actor_of(site: Site, client: object) -> gate.Account:
    with site.center.begin(SYSTEM) as tx:
        actor = gate.session(tx, client.cookies[COOKIE])  # type: ignore[attr-defined]
    assert actor
    return actor  # type: ignore[return-value]


def held(site: Site, login: str) -> list[tuple[str, str, str]]:
    with site.center.begin(SYSTEM) as tx:
        return [(one.institution, one.role, one.origin) for one in gate.held(tx, login)]


def test_a_person_signs_in_and_the_account_is_made_once(site: Site) -> None:
    client = program(site)
    page = client.get("/sign-in?next=/studies.json", headers={"accept": "text/html"}).text
    assert "Sign in with City hospitals" in page
    [link] = re.findall(r'href="(/sign-in/provider\?[^"]+)"', page)
    back = sign_in(client, "wang", path=link)
    assert (back.status_code, back.headers["location"]) == (303, "/studies.json")
    assert client.get("/studies.json").status_code == 200
    actor = actor_of(site, client)
    assert (actor.name, actor.institution_code) == ("wang.lei", "COUNTY")  # type: ignore[attr-defined]
    assert sign_in(program(site), "wang").status_code == 303
    [(_, _, first), (_, _, second)] = told(site, "account.signed_in")
    assert first == second
    assert (first["second_factor"], bool(first["provider"])) == (False, True)
    added = [one.detail for one in site.events(kind="account.added") if one.objects["account"] == "wang.lei"]
    assert [bool(detail["provider"]) for detail in added] == [True]
    assert held(site, "wang.lei") == [("COUNTY", "radiologist", "oidc")]


def test_the_institution_may_come_from_a_claim(site: Site) -> None:
    client = program(site)
    sign_in(client, "li")
    assert actor_of(site, client).institution_code == "TOWN"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("login", "said", "kind"), [("guest", "gives you a role", "NoRole"), ("chief", "two administrator roles", "TwoAdministrators")]
)
def test_who_has_no_role_or_two_administrators_is_told(site: Site, login: str, said: str, kind: str) -> None:
    client = program(site)
    client.headers["accept"] = "text/html"
    answer = sign_in(client, login)
    assert answer.status_code == 403
    assert said in answer.text
    assert COOKIE not in client.cookies
    assert told(site, "account.provider", "account.signed") == [("account.provider_refused", "refused", {"reason": kind})]


def test_a_login_that_is_taken_is_not_taken_over(site: Site) -> None:
    with site.center.begin(SYSTEM) as tx:
        gate.add_account(tx, "Wang.Lei", "Somebody else", PASSWORD, "TOWN")
    client = program(site)
    sign_in(client, "wang")
    assert re.fullmatch(r"wang\.lei-[0-9a-f]{6}", actor_of(site, client).name)


def test_an_administrator_may_link_an_account_that_is_there(site: Site, issuer: str) -> None:
    with site.center.begin(SYSTEM) as tx:
        gate.add_account(tx, "old.wang", "Wang", PASSWORD, "COUNTY")
        service.link(tx, "OLD.wang", issuer, "wang")
        with pytest.raises(IdentityTaken):
            service.link(tx, "old.wang", issuer, "wang")
        with pytest.raises(AccountAbsent):
            service.link(tx, "nobody", issuer, "x")
    client = program(site)
    sign_in(client, "wang")
    assert actor_of(site, client).name == "old.wang"
    assert "account.linked" in [kind for kind, _, _ in told(site, "account.")]


def test_an_account_from_the_provider_has_no_password(site: Site) -> None:
    sign_in(program(site), "wang")
    for guess in ("", "None", PASSWORD):
        with pytest.raises(gate.SignInRefused), site.center.begin(SYSTEM) as tx:
            gate.sign_in(tx, "wang.lei", guess)


def test_a_closed_account_does_not_come_in(site: Site) -> None:
    sign_in(program(site), "wang")
    owner_sql(site, "update account set disabled = true")
    answer = sign_in(program(site), "wang")
    assert answer.status_code == 403
    assert told(site, "account.provider_refused")[0][2] == {"reason": "AccountDisabled"}


def test_the_request_is_a_code_flow_with_pkce(site: Site) -> None:
    asked = parse_qs(urlsplit(program(site).get("/sign-in/provider").headers["location"]).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["state"][0]) == len(asked["nonce"][0]) == len(asked["code_challenge"][0]) == 43


def refusals(site: Site) -> list[object]:
    return [detail["reason"] for _, _, detail in told(site, "account.provider_refused")]


def test_state_is_bound_to_the_browser_and_serves_once(site: Site) -> None:
    client, thief = program(site), program(site)
    start = client.get("/sign-in/provider").headers["location"]
    with httpx.Client() as browser:
        back = back_from(start, "wang", browser)
    assert thief.get(back).status_code == 403, "a link cannot sign somebody in"
    wrong = re.sub(r"state=[\w-]+", "state=wrong", back)
    answer = client.get(wrong, headers={"accept": "text/html"})
    assert answer.status_code == 403
    assert "did not come to a good end" in answer.text
    assert client.get(back).status_code == 303
    assert client.get(back).status_code == 403, "replayed"
    assert refusals(site) == ["not a sign-in of this browser that is under way"] * 3


def test_a_code_serves_once_at_the_provider_too(site: Site) -> None:
    client = program(site)
    with httpx.Client() as browser:
        first = back_from(client.get("/sign-in/provider").headers["location"], "wang", browser)
        assert client.get(first).status_code == 303
        second = back_from(client.get("/sign-in/provider").headers["location"], "wang", browser)
    code = parse_qs(urlsplit(first).query)["code"][0]
    assert client.get(re.sub(r"code=[\w-]+", f"code={code}", second)).status_code == 403
    assert refusals(site) == ["the provider did not take the code"]


def test_a_sign_in_that_took_too_long_is_over(site: Site) -> None:
    client = program(site)
    start = client.get("/sign-in/provider").headers["location"]
    owner_sql(site, "update sign_in_flow set created_at = now() - interval '11 minutes'")
    with httpx.Client() as browser:
        assert client.get(back_from(start, "wang", browser)).status_code == 403


def test_who_is_refused_at_the_provider_is_refused_here(site: Site) -> None:
    assert sign_in(program(site), "nobody").status_code == 403
    assert refusals(site) == ["the provider said access_denied"]


def test_no_way_leads_off_the_site(site: Site) -> None:
    answer = sign_in(program(site), "wang", path="/sign-in/provider?next=https://evil.example/")
    assert answer.headers["location"] == "/"


def test_after_signing_out_the_provider_is_a_step_away(site: Site) -> None:
    client = program(site)
    client.headers["accept"] = "text/html"
    sign_in(client, "wang")
    out = send(client, "/sign-out", "/")
    assert out.headers["location"] == "/sign-in?left=1"  # type: ignore[attr-defined]
    assert 'href="/sign-in/provider/leave"' in client.get("/sign-in?left=1").text
    leave = client.get("/sign-in/provider/leave").headers["location"]
    asked = parse_qs(urlsplit(leave).query)
    assert asked == {"client_id": ["panorad"], "post_logout_redirect_uri": [f"{ADDRESS}/sign-in"]}
    assert httpx.get(leave).status_code == 200


def test_keys_may_change_while_the_center_runs(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with whole_center(databases, tmp_path / "home", **settings(f"http://127.0.0.1:{port}")) as site:
        site.institution("COUNTY")
        client = program(site)
        with provider(tmp_path, port):
            assert sign_in(client, "wang").status_code == 303
        with provider(tmp_path, port):
            known = client.app._otherwise.state.web.provider  # type: ignore[attr-defined]
            known._keys = (known._keys[0] - 11, known._keys[1])
            assert sign_in(client, "wang").status_code == 303


def test_a_provider_that_is_away_is_said_to_be(databases: Databases, tmp_path: Path) -> None:
    with whole_center(databases, tmp_path / "home", **settings(f"http://127.0.0.1:{free_port()}")) as site:
        answer = program(site).get("/sign-in/provider", headers={"accept": "text/html"})
        assert answer.status_code == 503
        assert "provider does not answer" in answer.text
        assert program(site).get("/sign-in").status_code == 200, "the password still leads in"


def enrol(client: TestClient) -> None:
    """Set a second factor up for who is signed in."""
    client.headers["accept"] = "text/html"
    page = send(client, "/account/second-factor", act="start", password=PASSWORD).text  # type: ignore[attr-defined]
    shown = re.search(r'<code class="secret">(.*?)</code>', page)
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', page)
    assert shown, page
    assert token
    code = pyotp.TOTP("".join(re.findall(r"<span>([A-Z2-7]{4})</span>", shown[1]))).now()
    assert client.post("/account/second-factor", data={"form_token": token[1], "act": "accept", "code": code}).status_code == 200
    del client.headers["accept"]


def test_the_provider_ends_the_session_when_the_person_signs_out_there(databases: Databases, tmp_path: Path) -> None:
    sent: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with provider(tmp_path, backchannel=f"http://127.0.0.1:{server.server_port}/") as issuer, whole_center(
            databases, tmp_path / "home", **settings(issuer)
        ) as site:
            site.institution("COUNTY")
            with site.center.begin(SYSTEM) as tx:
                gate.add_account(tx, "old.wang", "Wang", PASSWORD, "COUNTY")
                service.link(tx, "old.wang", issuer, "wang")
            client, other = program(site), program(site)
            with httpx.Client() as browser:
                start = client.get("/sign-in/provider").headers["location"]
                assert client.get(back_from(start, "wang", browser)).status_code == 303
                before = client.cookies[COOKIE]
                enrol(client)
                assert client.cookies[COOKIE] != before, "a code gives the session another token"
                assert client.get("/studies.json").status_code == 200
                sign_in(other, "wang")
                page = browser.get(f"{issuer}/session/end")
                fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', page.text))
                browser.post(re.search(r'action="([^"]+)"', page.text)[1], data={**fields, "logout": "yes"})  # type: ignore[index]
            until = time.monotonic() + 10
            while not sent and time.monotonic() < until:
                time.sleep(0.05)
            form = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "cross-site"}
            assert program(site).post("/sign-in/provider/logout", content=sent[0], headers=form).status_code == 200
            time.sleep(1.0)
            assert client.get("/studies.json").status_code == 401
            assert other.get("/studies.json").status_code == 200, "a session of another sign-in goes on"
            assert program(site).post("/sign-in/provider/logout", content=sent[0], headers=form).status_code == 400, "replayed"
            assert told(site, "account.provider_ended") == [("account.provider_ended", "success", {"sessions": 1})]
    finally:
        server.shutdown()
        server.server_close()
