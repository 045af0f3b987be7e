"""The pages of people, on a real center: accounts, roles, and who may do what with them."""

from __future__ import annotations

import pytest

from panorad.access import gate
from panorad.model.actor import SYSTEM
from panorad.testing import Site
from tests.management.visits import PASSWORD, Person

NEW = {"login": "new.one", "name": "New One", "institution": "CENTER", "password": PASSWORD, "password-again": PASSWORD}
ROLE = {"login": "new.one", "institution": "CENTER", "role": "nurse"}


@pytest.fixture
def admin(center: Site) -> Person:
    return Person(center, "admin", "CENTER", "system-administrator")


@pytest.fixture
def officer(center: Site) -> Person:
    return Person(center, "officer", "CENTER", "security-administrator")


def held(site: Site, login: str) -> set[tuple[str, str]]:
    with site.center.begin(SYSTEM) as tx:
        return {(one.institution, one.role) for one in gate.held(tx, login)}


def test_an_account_is_made_given_a_role_and_disabled(center: Site, admin: Person, officer: Person) -> None:
    assert admin.send("/people", NEW).headers["location"] == "/people?done=added"
    assert "It sees nothing until it is given a role" in admin.read("/people?done=added")
    assert held(center, "new.one") == set()
    assert officer.send("/people/roles", ROLE, "/people").headers["location"] == "/people?done=given"
    [row] = officer.json("/people.json?q=NEW")["rows"]  # type: ignore[misc]
    assert (row["name"], row["roles"], row["disabled"]) == ("New One", [["CENTER", "nurse"]], False)
    with center.center.begin(SYSTEM) as tx:
        token = gate.sign_in(tx, "new.one", PASSWORD)[1]
    assert officer.send("/people/disable", {"login": "new.one"}, "/people").status_code == 303
    assert "Disabled" in officer.read("/people?q=new")
    with center.center.begin(SYSTEM) as tx:
        assert gate.session(tx, token) is None
    with center.center.begin(SYSTEM) as tx, pytest.raises(gate.SignInRefused):
        gate.sign_in(tx, "new.one", PASSWORD)
    assert admin.send("/people/enable", {"login": "new.one"}, "/people").status_code == 303
    with center.center.begin(SYSTEM) as tx:
        assert gate.sign_in(tx, "new.one", PASSWORD)
    assert officer.send("/people/roles/take", ROLE, "/people").status_code == 303
    assert held(center, "new.one") == set()
    told = [len(person.events(kind)) for person, kind in ((admin, "account.added"), (officer, "role.given"), (officer, "role.taken"),
            (officer, "account.disabled"), (admin, "account.enabled"))]  # fmt: skip
    assert told == [1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    "change,status,told",
    [
        ({"login": "x"}, 400, "A login has"),
        ({"login": "admin"}, 409, "already an account"),
        ({"password": "short", "password-again": "short"}, 400, "12"),
        ({"password-again": "something else here"}, 400, "note stat"),
        ({"institution": "NOWHERE"}, 404, "NOWHERE"),
    ],
)
def test_an_account_that_cannot_be_made_keeps_what_was_typed(admin: Person, change: dict[str, str], status: int, told: str) -> None:
    answer = admin.send("/people", NEW | change)
    assert answer.status_code == status
    assert told in answer.text
    assert 'value="New One"' in answer.text
    assert PASSWORD not in answer.text


def test_the_first_security_and_audit_administrators_are_appointed_by_the_system_administrator(center: Site, admin: Person) -> None:
    for login in ("first", "second", "third"):
        Person(center, login, "CENTER")
    assert "The center has nobody yet for: Security administrator, Audit administrator." in admin.read("/people")

    def appoint(login: str, role: str) -> int:
        return admin.send("/people/roles", {"login": login, "institution": "CENTER", "role": role}, "/people").status_code

    assert appoint("admin", "security-administrator") == 403
    assert appoint("first", "radiologist") == 403
    assert appoint("first", "security-administrator") == 303
    assert appoint("first", "audit-administrator") == 409
    assert appoint("second", "security-administrator") == 403
    assert appoint("second", "audit-administrator") == 303
    assert appoint("third", "audit-administrator") == 403
    assert admin.send("/people/disable", {"login": "first"}, "/people").status_code == 303
    assert appoint("third", "security-administrator") == 403, "a disabled one is still there"
    assert [held(center, login) for login in ("first", "second", "third")] == [
        {("CENTER", "security-administrator")},
        {("CENTER", "audit-administrator")},
        set(),
    ]
    assert len(admin.events("access.refused")) == 5
    assert "nobody yet" not in admin.read("/people")


def test_nobody_changes_their_own_roles_or_account(center: Site, officer: Person) -> None:
    mine = {"login": "officer", "institution": "CENTER"}
    assert officer.send("/people/roles", mine | {"role": "radiologist"}, "/people").status_code == 403
    assert officer.send("/people/roles/take", mine | {"role": "security-administrator"}, "/people").status_code == 403
    assert officer.send("/people/disable", {"login": "OFFICER"}, "/people").status_code == 403
    assert held(center, "officer") == {("CENTER", "security-administrator")}


def test_an_administrator_reaches_its_institution_and_those_below(center: Site, officer: Person) -> None:
    below = Person(center, "below", "COUNTY", "security-administrator")
    Person(center, "countynurse", "COUNTY", "nurse")
    Person(center, "centernurse", "CENTER", "nurse")
    assert {row["login"] for row in below.json("/people.json")["rows"]} == {"below", "countynurse"}  # type: ignore[attr-defined]
    assert {"officer", "below", "countynurse", "centernurse"} <= {row["login"] for row in officer.json("/people.json")["rows"]}  # type: ignore[attr-defined]
    role = {"login": "countynurse", "role": "clinician"}
    assert below.send("/people/roles", role | {"institution": "CENTER"}, "/people").status_code == 403
    assert below.send("/people/disable", {"login": "centernurse"}, "/people").status_code == 403
    assert below.send("/people/roles", role | {"institution": "COUNTY"}, "/people").status_code == 303
    assert officer.send("/people/roles/take", role | {"institution": "COUNTY"}, "/people").status_code == 303
    assert [one["code"] for one in below.json("/people.json")["institutions"]] == ["COUNTY"]  # type: ignore[attr-defined]


def test_long_lists_go_on_by_login(center: Site, officer: Person) -> None:
    with center.center.owner() as begin, begin(SYSTEM) as tx:
        tx.connection.execute(
            "insert into account (login, name, password_hash, institution_id)"
            " select 'p' || lpad(n::text, 3, '0'), 'P', '', i.id from institution i, generate_series(1, 120) n where i.code = 'CENTER'"
        )
    seen, after = [], ""
    while True:
        page = officer.json(f"/people.json?after={after}")
        seen += [row["login"] for row in page["rows"]]  # type: ignore[attr-defined]
        if not page["more"]:
            break
        after = str(page["more"])
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen)) == 121
    assert "Nothing fits" in officer.read("/people?q=zzz")


PAGES = ("/people.json", "/people/roles.json")
FORMS = ("/people", "/people/roles", "/people/roles/take", "/people/disable", "/people/enable")


@pytest.mark.parametrize(
    "role,pages,forms",
    [
        ("radiologist", (0, 0), (0, 0, 0, 0, 0)),
        ("department-head", (0, 0), (0, 0, 0, 0, 0)),
        ("patient", (0, 0), (0, 0, 0, 0, 0)),
        ("system-administrator", (1, 1), (1, 1, 0, 1, 1)),
        ("security-administrator", (1, 1), (0, 1, 1, 1, 1)),
        ("audit-administrator", (1, 1), (0, 0, 0, 0, 0)),
    ],
)
def test_who_may_come_to_which_page_and_form(center: Site, role: str, pages: tuple[int, ...], forms: tuple[int, ...]) -> None:
    person = Person(center, "somebody", "CENTER", role)
    assert tuple(int(person.get(page).status_code == 200) for page in PAGES) == pages
    assert tuple(int(person.send(path, {}, "/account/password").status_code != 403) for path in FORMS) == forms
    assert len(person.events("access.refused")) == pages.count(0) + forms.count(0)


def test_the_table_of_roles_in_words(center: Site, officer: Person) -> None:
    page = officer.read("/people/roles")
    for text in ("Head of department", "sees no patient", "Roles of accounts", "record and withdraw"):
        assert text in page
    officer.client.headers["accept-language"] = "zh-CN"
    assert "不查看患者资料" in officer.read("/people/roles")
    assert "授予角色" in officer.read("/people")
