"""Second factors, sessions and cookies over the wire, on a real center."""

from __future__ import annotations

import re
import time
from pathlib import Path
from urllib.parse import quote

import httpx
import pyotp
import pytest
from starlette.testclient import TestClient

from panorad.access import gate
from panorad.access.web.origin import behind, browser_of
from panorad.app.web import build, front
from panorad.kit.i18n import translate
from panorad.model.actor import SYSTEM
from panorad.testing import Site

PASSWORD = "correct horse battery"
ORIGINAL = "/intake/1/original"
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


class Browser:
    """A person's browser: fills in the forms of pages as they came."""

    def __init__(self, site: Site, base: str = "http://localhost", **headers: str) -> None:
        self.http = TestClient(
            front(build(site.center)),
            base,
            headers={"accept": "text/html", **headers},
            follow_redirects=False,
            raise_server_exceptions=False,
        )

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers=headers)

    def send(self, path: str, page: str = "", referer: str = "", **fields: str) -> httpx.Response:
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', self.http.get(page or path).text)
        assert token, f"{page or path} has no form"
        return self.http.post(path, data={"form_token": token[1], **fields}, headers={"referer": referer} if referer else {})

    def sign_in(self, login: str = "wang", password: str = PASSWORD, wanted: str = "/") -> httpx.Response:
        return self.send("/sign-in", login=login, password=password, next=wanted)

    def enrol(self, password: str = PASSWORD, **fields: str) -> tuple[str, list[str]]:
        """Set a second factor up; its secret and the recovery codes."""
        page = self.send("/account/second-factor", act="start", password=password, **fields)
        secret = secret_on(page)
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', page.text)
        assert token
        done = self.http.post("/account/second-factor", data={"form_token": token[1], "act": "accept", "code": code(secret, -30)})
        codes = re.findall(r"<li><code>([a-z2-7-]{14})</code></li>", done.text)
        assert len(codes) == 10, done.text
        return secret, codes

    def cookie(self, name: str = "panorad_session") -> str:
        return next((one.value or "" for one in self.http.cookies.jar if one.name == name), "")


def secret_on(page: httpx.Response) -> str:
    """The secret that a page shows, in groups of four."""
    shown = re.search(r'<code class="secret">(.*?)</code>', page.text)
    assert shown, page.text
    secret = "".join(re.findall(r"<span>([A-Z2-7]{4})</span>", shown[1]))
    assert len(secret) == 32
    return secret


def code(secret: str, offset: int = 0) -> str:
    """The code of another step than the one before, so that a test need not wait half a minute: enrolment takes the step before now."""
    return pyotp.TOTP(secret).at(int(time.time()) + offset)


@pytest.fixture
def site(center: Site) -> Site:
    with center.center.begin(SYSTEM) as tx:
        gate.add_account(tx, "wang", "Wang Wei", PASSWORD, "CENTER", ("radiologist", "department-head", "system-administrator"))
        gate.add_account(tx, "li", "Li Si", PASSWORD, "CENTER", ("nurse",))
    return center


@pytest.fixture
def browser(site: Site) -> Browser:
    made = Browser(site)
    assert made.sign_in().status_code == 303
    return made


def sql(site: Site, statement: str) -> None:
    with site.center.owner() as begin, begin(SYSTEM) as tx:
        tx.connection.execute(statement)


def test_enrolled_people_pass_two_doors_and_no_page_opens_between_them(site: Site, browser: Browser) -> None:
    secret, _ = browser.enrol()
    other = Browser(site)
    first = other.sign_in(wanted="/intake?show=conflicts")
    assert (first.status_code, first.headers["location"]) == (303, "/sign-in/code?next=/intake%3Fshow%3Dconflicts")
    assert other.cookie() == ""
    pending = other.cookie("panorad_sign_in")
    assert pending
    for path in (
        "/",
        "/intake",
        "/account/password",
        "/account/second-factor",
        "/account/confirm",
        "/account/sessions",
        "/api/events",
        "/viewer/x",
    ):
        assert other.get(path).headers.get("location", "").startswith("/sign-in"), path
    assert other.get("/dicom-web/studies").status_code == 401
    assert other.get("/account/session.json").status_code == 401
    for name in ("panorad_session", "__Host-panorad_session"):  # the pending token is no session under any name
        assert Browser(site).get("/", cookie=f"{name}={pending}").status_code == 303
    wrong = other.send("/sign-in/code", code="000000" if code(secret) != "000000" else "111111", next="/intake")
    assert wrong.status_code == 403
    assert "This code is not right" in wrong.text
    done = other.send("/sign-in/code", code=code(secret), next="/intake")
    assert (done.status_code, done.headers["location"]) == (303, "/intake")
    assert other.cookie("panorad_sign_in") == ""
    assert other.get("/intake").status_code == 200
    third = Browser(site)
    third.sign_in()
    assert third.send("/sign-in/code", code=code(secret)).status_code == 403, "replayed"


def test_the_code_page_is_nothing_without_a_password_before_it(site: Site) -> None:
    browser = Browser(site)
    assert browser.get("/sign-in/code?next=/intake").headers["location"] == "/sign-in?next=/intake"
    assert browser.send("/sign-in/code", page="/sign-in", code="123456").headers["location"] == "/sign-in?next=/"
    browser.http.cookies.set("panorad_sign_in", "guess")
    assert browser.get("/sign-in/code").status_code == 303


def test_codes_cannot_be_tried_out(site: Site, browser: Browser) -> None:
    secret, _ = browser.enrol()
    other = Browser(site)
    other.sign_in()
    wrong = next(guess for guess in ("000000", "111111", "222222", "333333") if guess not in {code(secret, at) for at in (-30, 0, 30, 60)})
    assert [other.send("/sign-in/code", code=wrong).status_code for _ in range(5)] == [403] * 5
    assert other.send("/sign-in/code", code=code(secret)).status_code == 403
    assert other.sign_in().status_code == 403


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb", "\t//evil.example"]
)
def test_no_way_leads_off_the_site(site: Site, browser: Browser, wanted: str) -> None:
    secret, _ = browser.enrol()
    assert browser.get(f"/account/confirm?next={quote(wanted)}").headers["location"] == "/"
    other = Browser(site)
    assert other.sign_in(wanted=wanted).headers["location"] == "/sign-in/code?next=/"
    assert 'name="next" value="/"' in other.get(f"/sign-in/code?next={quote(wanted)}").text
    assert other.send("/sign-in/code", code=code(secret), next=wanted).headers["location"] == "/"
    sql(site, "update session set second_factor_at = null")
    assert 'name="next" value="/"' in other.get(f"/account/confirm?next={quote(wanted)}").text
    assert other.send("/account/confirm", code=code(secret, 30), next=wanted).headers["location"] == "/"


# -- step-up -------------------------------------------------------------------------------------------------------------------------------


def test_an_administrator_sets_a_second_factor_up_first_then_gives_a_code_when_it_is_old(site: Site, browser: Browser) -> None:
    led = browser.get(ORIGINAL)
    assert (led.status_code, led.headers["location"]) == (303, f"/account/confirm?next={ORIGINAL}")
    to_set_up = browser.get(led.headers["location"]).headers["location"]
    assert to_set_up == f"/account/second-factor?needed=1&next={ORIGINAL}"
    assert "needs a second factor" in browser.get(to_set_up).text
    before = browser.cookie()
    secret, _ = browser.enrol(next=ORIGINAL)
    assert browser.cookie() != before
    assert browser.get(ORIGINAL).status_code == 404, "through to the archive, which has no such input"
    sql(site, "update session set second_factor_at = now() - interval '14 minutes'")
    assert browser.get(ORIGINAL).status_code == 404
    sql(site, "update session set second_factor_at = now() - interval '16 minutes'")
    assert browser.get(ORIGINAL).headers["location"] == f"/account/confirm?next={ORIGINAL}"
    assert "quarter of an hour" in browser.get(f"/account/confirm?next={ORIGINAL}").text
    old = browser.cookie()
    assert browser.send("/account/confirm", code="000", next=ORIGINAL).status_code == 403
    assert browser.cookie() == old
    assert browser.send("/account/confirm", code=code(secret), next=ORIGINAL).headers["location"] == ORIGINAL
    assert browser.cookie() != old
    assert browser.get(ORIGINAL).status_code == 404
    assert Browser(site).get(ORIGINAL, cookie=f"panorad_session={old}").headers["location"].startswith("/sign-in")


def test_a_program_gets_a_plain_answer_to_a_missing_code(site: Site, browser: Browser) -> None:
    answer = browser.get(ORIGINAL, accept="application/json")
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert "second factor" in answer.json()["detail"]


def test_who_is_no_administrator_is_told_so_not_asked_for_a_code(site: Site) -> None:
    browser = Browser(site)
    browser.sign_in("li")
    answer = browser.get(ORIGINAL)
    assert answer.status_code == 403
    assert "None of your roles here may do this" in answer.text


def test_a_form_without_a_fresh_code_leads_back_to_its_page(site: Site, browser: Browser) -> None:
    answer = browser.send("/account/sessions", of="li", number="", referer="http://localhost/account/sessions?of=li")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/confirm?next=/account/sessions%3Fof%3Dli")
    answer = browser.send("/account/sessions", of="li", number="", referer="https://evil.example//evil.example")
    assert answer.headers["location"] == "/account/confirm?next=//evil.example", "the page itself takes no such way"
    browser.enrol()
    assert browser.get("/account/confirm?next=//evil.example").headers["location"] == "/"


# -- the person's own page -------------------------------------------------------------------------------------------------------------


def test_setting_up_needs_the_password_and_a_code_of_the_new_secret(site: Site, browser: Browser) -> None:
    assert browser.send("/account/second-factor", act="start", password="not this one").status_code == 403
    assert browser.send("/account/second-factor", act="accept", code="123456").status_code == 409, "nothing was begun"
    page = browser.send("/account/second-factor", act="start", password=PASSWORD)
    assert 'src="data:image/svg+xml' in page.text
    assert page.headers["cache-control"] == "no-store"
    shown = secret_on(page)
    again = browser.send("/account/second-factor", act="accept", code="000")
    assert again.status_code == 403
    assert secret_on(again) == shown, "the same picture again after a wrong code"
    assert 'class="secret"' not in browser.get("/account/second-factor").text
    assert browser.get("/account/second-factor.json").json()["since"] is None


def test_changing_it_needs_password_and_code(site: Site, browser: Browser) -> None:
    secret, codes = browser.enrol()
    path = "/account/second-factor"
    for act in ("start", "renew", "remove"):
        assert browser.send(path, act=act, password=PASSWORD).status_code == 403, act
        sql(site, "update account set failures = 0, locked_until = null")
        assert browser.send(path, act=act, password="no", code=codes[9]).status_code == 403, act
    assert browser.get(f"{path}.json").json()["recovery_codes"] == 10, "a code beside a wrong password is not used up"
    renewed = browser.send(path, act="renew", password=PASSWORD, code=codes[0])
    assert renewed.status_code == 200
    assert codes[1] not in renewed.text
    fresh = re.findall(r"<li><code>([a-z2-7-]{14})</code></li>", renewed.text)
    page = browser.send(path, act="start", password=PASSWORD, code=fresh[0])
    assert secret_on(page) != secret
    with site.center.begin(SYSTEM) as tx:
        assert gate.sign_in(tx, "wang", PASSWORD).pending, "the old one holds until the new one is confirmed"
    removed = browser.send(path, act="remove", password=PASSWORD, code=code(secret))
    assert removed.headers["location"] == f"{path}?done=removed"
    assert "has been removed" in browser.get(removed.headers["location"]).text
    assert browser.get(ORIGINAL).headers["location"].startswith("/account/confirm"), "what was confirmed with it counts no longer"
    assert not Browser(site).sign_in().headers["location"].startswith("/sign-in/code")


def test_a_new_password_keeps_the_second_factor(site: Site, browser: Browser) -> None:
    browser.enrol()
    done = browser.send("/account/password", old=PASSWORD, new="green paper boats", again="green paper boats")
    assert done.status_code == 303
    assert browser.get("/").status_code == 200
    assert browser.get(ORIGINAL).headers["location"].startswith("/account/confirm")
    assert Browser(site).sign_in(password="green paper boats").headers["location"].startswith("/sign-in/code")


def test_trying_out_old_passwords_on_an_open_session_locks(site: Site, browser: Browser) -> None:
    for _ in range(5):
        assert browser.send("/account/password", old="wrong", new="green paper boats", again="green paper boats").status_code == 403
    assert browser.send("/account/password", old=PASSWORD, new="green paper boats", again="green paper boats").status_code == 403


@pytest.mark.parametrize("path", ["/account/second-factor", "/account/confirm?next=/x", "/account/sessions", "/account/back"])
def test_pages_speak_both_languages(site: Site, browser: Browser, path: str) -> None:
    browser.enrol()
    sql(site, "update session set second_factor_at = null")
    english, chinese = browser.get(path, **{"accept-language": "en"}), browser.get(path, **{"accept-language": "zh"})
    assert english.status_code == chinese.status_code == 200
    heading = re.search(r"<h1>([^<]+)", english.text)
    assert heading
    assert f"<h1>{translate('zh-CN', heading[1].strip())}" in chinese.text


# -- sessions and cookies ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "name", "secure"), [("http://localhost", "panorad_session", False), ("https://localhost", "__Host-panorad_session", True)]
)
def test_cookies_are_for_this_host_and_no_script(site: Site, base: str, name: str, secure: bool) -> None:
    browser = Browser(site, base)
    done = browser.sign_in()
    [cookie] = [one for one in done.headers.get_list("set-cookie") if "session" in one]
    attributes = [part.strip().lower() for part in cookie.split(";")]
    assert cookie.startswith(f"{name}=")
    assert {"httponly", "samesite=lax", "path=/"} <= set(attributes)
    assert ("secure" in attributes) is secure
    assert not any(part.startswith(("domain", "max-age", "expires")) for part in attributes)
    assert browser.get("/").status_code == 200
    assert browser.get("/dicom-web/studies", accept="application/dicom+json").status_code in (200, 204)
    if secure:  # a cookie that a neighbouring host may have planted
        assert Browser(site, base).get("/", cookie=f"panorad_session={browser.cookie(name)}").status_code == 303


def test_a_session_that_somebody_planted_is_not_the_one_after_signing_in(site: Site) -> None:
    planted = Browser(site)
    planted.sign_in("li")
    token = planted.cookie()
    victim = Browser(site)
    victim.http.cookies.set("panorad_session", token, domain="localhost.local", path="/")
    victim.sign_in("wang")
    assert victim.cookie() != token
    assert planted.get("/").status_code == 303, "and it is over"
    made_up = Browser(site)
    made_up.http.cookies.set("panorad_session", "chosen-by-somebody", domain="localhost.local", path="/")
    made_up.sign_in("wang")
    assert Browser(site).get("/", cookie="panorad_session=chosen-by-somebody").status_code == 303


def test_a_stolen_cookie_is_refused_within_a_second_after_signing_out_on_every_process(site: Site) -> None:
    owner, thief = Browser(site), Browser(site)  # each with an application of its own, as worker processes have
    owner.sign_in()
    stolen = {"cookie": f"panorad_session={owner.cookie()}", "accept": "application/dicom+json, text/html"}
    assert thief.get("/dicom-web/studies", **stolen).status_code in (200, 204)
    owner.send("/sign-out", page="/account/password")
    begun = time.monotonic()
    while thief.get("/dicom-web/studies", **stolen).status_code != 401:
        assert time.monotonic() - begun < 1.1
        time.sleep(0.02)
    assert thief.get("/", **stolen).status_code == 303
    assert thief.http.post("/account/awake", headers={**stolen, "accept": "*/*"}).status_code == 401


def test_the_list_of_sessions_ends_one_or_all_others(site: Site, browser: Browser) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
    second, third = Browser(site, **{"user-agent": agent, "x-forwarded-for": "198.51.100.7"}), Browser(site)
    second.sign_in()
    third.sign_in()
    found = browser.get("/account/sessions.json").json()["sessions"]
    assert [one["current"] for one in found].count(True) == 1
    fox = next(one for one in found if one["browser"] == "Firefox, Linux")
    assert fox["source"] != "198.51.100.7", "the test's own address is no known proxy's"
    assert browser.send("/account/sessions", number=str(fox["number"])).headers["location"] == "/account/sessions"
    assert second.get("/").status_code == 303
    assert third.get("/").status_code == 200
    assert browser.send("/account/sessions", number=str(fox["number"])).status_code == 404
    assert browser.send("/account/sessions", number="").status_code == 303
    assert third.get("/").status_code == 303
    assert browser.get("/account/sessions").status_code == 200


def test_administrators_end_the_sessions_of_others_and_nobody_else_does(site: Site, browser: Browser) -> None:
    browser.enrol()
    nurse = Browser(site)
    nurse.sign_in("li")
    assert nurse.get("/account/sessions?of=wang").status_code == 403
    assert nurse.send("/account/sessions", of="wang", number="").status_code == 403
    assert browser.get("/account/sessions?of=nobody").status_code == 404
    assert "li" in browser.get("/account/sessions?of=li").text
    browser.send("/account/sessions", page="/account/sessions?of=li", of="li", number="")
    assert nurse.get("/").status_code == 303
    assert browser.get("/").status_code == 200


def test_administrators_reach_accounts_of_their_institution_and_below_alone(site: Site) -> None:
    site.institution("TOWN", "CENTER")
    with site.center.begin(SYSTEM) as tx:
        gate.add_account(tx, "chen", "Chen Jing", PASSWORD, "TOWN", ("system-administrator",))
        gate.add_account(tx, "zhao", "Zhao Min", PASSWORD, "CENTER", ("audit-administrator",))
    chen, zhao = Browser(site), Browser(site)
    for browser, login in ((chen, "chen"), (zhao, "zhao")):
        browser.sign_in(login)
        browser.enrol()
    assert chen.get("/account/sessions?of=li").status_code == 404, "the center stands above the town"
    assert chen.send("/account/sessions", of="li", number="").status_code == 404
    assert zhao.get("/account/sessions?of=chen").status_code == 200
    assert zhao.send("/account/sessions", of="chen", number="").status_code == 403, "who watches ends nothing"
    assert chen.get("/account/sessions").status_code == 200


def test_pages_learn_how_long_the_session_is_good_without_prolonging_it(site: Site, browser: Browser) -> None:
    sql(site, "update session set seen_at = now() - interval '10 minutes'")
    left = browser.get("/account/session.json", **{"panorad-unattended": "1"}).json()["left_s"]
    assert 1190 < left <= 1200
    assert browser.get("/", **{"panorad-unattended": "1"}).status_code == 200
    assert browser.get("/account/session.json").json()["left_s"] <= left
    assert browser.http.post("/account/awake").json()["left_s"] > 1790
    assert browser.http.post("/account/awake", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert 'data-idle="1800.0"' in browser.get("/").text


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "source"),
    [
        ("203.0.113.9", "", (), "203.0.113.9"),
        ("203.0.113.9", "192.0.2.1", ("127.0.0.1",), "203.0.113.9"),
        ("127.0.0.1", "6.6.6.6, 192.0.2.1", ("127.0.0.1",), "192.0.2.1"),
        ("10.1.2.3", "6.6.6.6, 192.0.2.1, 10.9.9.9", ("10.0.0.0/8",), "192.0.2.1"),
        ("10.1.2.3", "10.4.4.4, 10.9.9.9", ("10.0.0.0/8",), "10.4.4.4"),
        ("127.0.0.1", "<script>", ("127.0.0.1",), "127.0.0.1"),
        ("testclient", "192.0.2.1", ("127.0.0.1",), "testclient"),
    ],
)
def test_the_address_behind_known_proxies(peer: str, forwarded: str, trusted: tuple[str, ...], source: str) -> None:
    assert behind(peer, forwarded, trusted) == source


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {WEBKIT} Version/18.0 Mobile/15E148 Safari/604.1", "Safari, iPhone"),
        (f"Mozilla/5.0 (Linux; Android 15) {WEBKIT} Chrome/141.0 Mobile Safari/537.36 MicroMessenger/8.0", "WeChat, Android"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Chrome/141.0 Safari/537.36", "Chrome, macOS"),
        ("curl/8.5", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_browser_families(agent: str, family: str) -> None:
    assert browser_of(agent) == family


def test_a_breach_list_of_the_operator_is_asked(site: Site, tmp_path: Path) -> None:
    from hashlib import sha1

    from panorad.access.gate.breaches import BreachList

    (tmp_path / "hashes.txt").write_text(sha1(b"green paper boats").hexdigest().upper() + ":3\n")
    site.center.breaches = BreachList(tmp_path / "hashes.txt")
    browser = Browser(site)
    browser.sign_in()
    answer = browser.send("/account/password", old=PASSWORD, new="green paper boats", again="green paper boats")
    assert answer.status_code == 400
    assert "attackers try first" in answer.text
