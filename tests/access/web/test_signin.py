"""Signing in and out, the first administrator, and changing a password."""

import pytest
from starlette.testclient import TestClient

from panorad.access.gate import passwords
from panorad.access.web.session import COOKIE
from tests.access.web.twins import PASSWORD, Region
from tests.access.web.visits import send, visit


def test_a_visitor_is_taken_to_sign_in_and_back(made: Region) -> None:
    client = visit(made)
    first = client.get("/studies/1.2.3?series=4")
    assert (first.status_code, first.headers["location"]) == (303, "/sign-in?next=/studies/1.2.3%3Fseries%3D4")
    assert 'value="/studies/1.2.3?series=4"' in client.get(first.headers["location"]).text
    done = send(client, "/sign-in", {"login": "wanglei", "password": PASSWORD, "next": "/studies/1.2.3?series=4"})
    assert (done.status_code, done.headers["location"]) == (303, "/studies/1.2.3?series=4")
    cookie = next(value for value in done.headers.get_list("set-cookie") if value.startswith(COOKIE))
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()
    assert "secure" not in cookie.lower()
    assert client.get("/").status_code == 200


def test_a_program_is_told_that_it_must_sign_in(made: Region) -> None:
    answer = visit(made).get("/studies.json", headers={"accept": "*/*"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "Please sign in to see this"


def test_cookies_are_secure_over_https(made: Region) -> None:
    done = send(visit(made, "https://testserver"), "/sign-in", {"login": "wanglei", "password": PASSWORD})
    assert all("secure" in value.lower() for value in done.headers.get_list("set-cookie"))


@pytest.mark.parametrize("login,password", [("wanglei", "wrong wrong wrong"), ("nobody", PASSWORD), ("", "")])
def test_a_refusal_says_one_thing_and_sets_no_session(made: Region, login: str, password: str) -> None:
    answer = send(visit(made), "/sign-in", {"login": login, "password": password})
    assert answer.status_code == 403
    assert "The sign-in name or the password is wrong" in answer.text
    assert password not in answer.text or not password
    assert COOKIE not in str(answer.headers)


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb"])
def test_no_way_leads_off_the_site(made: Region, wanted: str) -> None:
    done = send(visit(made), "/sign-in", {"login": "wanglei", "password": PASSWORD, "next": wanted})
    assert done.headers["location"] == "/"


def test_signing_out_ends_the_session_at_the_center_too(made: Region, client: TestClient) -> None:
    assert send(client, "/sign-out", {}, page="/").headers["location"] == "/sign-in"
    assert made.gate.sessions == {}
    assert client.get("/").status_code == 303


def test_the_first_administrator_comes_by_a_link_that_works_once(made: Region) -> None:
    made.gate.welcome = "first"
    client = visit(made)
    assert client.get("/welcome?token=guess").status_code == 404
    fields = {
        "token": "first",
        "login": "admin.one",
        "name": "Chen Yu",
        "password": "seven otters swim",
        "again": "seven otters swim",
    }
    done = send(client, "/welcome", fields, page="/welcome?token=first")
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert client.get("/").status_code == 200
    assert "system-administrator" in made.gate.accounts["admin.one"][0].roles
    assert client.get("/welcome?token=first").status_code == 404


def test_a_bad_choice_keeps_the_link_and_what_was_typed(made: Region) -> None:
    made.gate.welcome = "first"
    client = visit(made)
    fields = {"token": "first", "login": "admin.one", "name": "Chen <Yu>", "password": "short", "again": "short"}
    answer = send(client, "/welcome", fields, page="/welcome?token=first")
    assert answer.status_code == 400
    assert "at least 12 characters" in answer.text
    assert 'value="Chen &lt;Yu&gt;"' in answer.text
    assert 'value="short"' not in answer.text
    assert made.gate.welcome == "first"


def test_changing_the_password_ends_other_sessions_and_keeps_this_one(made: Region, client: TestClient) -> None:
    other = visit(made)
    send(other, "/sign-in", {"login": "wanglei", "password": PASSWORD})
    fields = {"old": PASSWORD, "new": "green paper boats", "again": "green paper boats"}
    assert send(client, "/account/password", fields).status_code == 303
    assert "has been changed" in client.get("/account/password?done=1").text
    assert other.get("/").status_code == 303
    assert made.gate.accounts["wanglei"][1] == "green paper boats"


def test_a_wrong_present_password_changes_nothing(made: Region, client: TestClient) -> None:
    answer = send(
        client, "/account/password", {"old": "not this one at all", "new": "green paper boats", "again": "green paper boats"}
    )
    assert answer.status_code == 403
    assert made.gate.accounts["wanglei"][1] == PASSWORD


@pytest.mark.parametrize(
    "password,login,refused",
    [
        ("elevenchars", "", passwords.PasswordTooShort),
        ("x" * 257, "", passwords.PasswordTooLong),
        ("aaaaaaaaaaaa", "", passwords.PasswordKnown),
        ("Password!2026!", "", passwords.PasswordKnown),
        ("p@ssw0rd1234", "", passwords.PasswordKnown),
        ("123456789012", "", passwords.PasswordKnown),
        ("woaini-52013145", "", passwords.PasswordKnown),
        ("wanglei-2026", "wanglei", passwords.PasswordKnown),
        ("blue heron reads film", "wanglei", None),
        ("云岭卫生院的三棵银杏树很高", "", None),
    ],
)
def test_passwords(password: str, login: str, refused: type[Exception] | None) -> None:
    if refused is None:
        passwords.check(password, login)
    else:
        with pytest.raises(refused):
            passwords.check(password, login)
