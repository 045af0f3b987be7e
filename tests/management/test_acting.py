"""Acting for an institution and a purpose, chosen in the menu."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from panorad.access import gate
from panorad.app.web import build
from panorad.management.sharing import policies
from panorad.model.actor import SYSTEM
from panorad.testing import Databases, Site
from panorad.testing import center as whole_center
from tests.data.imaging.arrivals import instance
from tests.management.visits import Person


@pytest.fixture
def person(center: Site) -> Person:
    """A radiologist of CENTER who is a nurse in TOWN; OTHER is where they are nothing."""
    center.institution("TOWN")
    center.institution("OTHER")
    person = Person(center, "both", "CENTER", "radiologist")
    with center.center.begin(SYSTEM) as tx:
        gate.give_role(tx, "both", "TOWN", "nurse")
    return person


def act(person: Person, **fields: str) -> int:
    return person.send("/account/acting", fields, "/").status_code


def titles(person: Person) -> int:
    return int(person.json("/studies.json")["paging"]["total"])  # type: ignore[index]


def test_what_is_seen_follows_the_institution(center: Site, person: Person) -> None:
    center.put([instance(1)], center.reader("TOWN"))
    page = person.read("/")
    assert '<option value="TOWN">Town</option>' in page
    assert "OTHER" not in page
    assert titles(person) == 0
    assert act(person, institution="TOWN") == 303
    assert titles(person) == 1
    assert 'href="/sharing"' in person.read("/"), "a nurse reads consents"
    assert act(person, institution="CENTER") == 303
    assert titles(person) == 0
    assert len(person.events("account.acting")) == 2


def test_what_is_seen_follows_the_purpose(center: Site, person: Person) -> None:
    assert "Purpose: <b>Treatment</b>" in person.read("/")
    assert act(person, purpose="education", next="/?q=x") == 303
    assert "Purpose: <b>Education</b>" in person.read("/")
    assert act(person, institution="TOWN") == 303
    assert "Purpose: <b>Treatment</b>" in person.read("/"), "the purpose does not come along"


@pytest.mark.parametrize(
    "fields,status",
    [
        ({"institution": "OTHER"}, 403),
        ({"institution": "NOWHERE"}, 404),
        ({"purpose": "research"}, 403),
        ({"purpose": "operation"}, 403),
        ({"institution": "TOWN", "purpose": "education"}, 403),
    ],
)
def test_what_is_not_held_is_refused(person: Person, fields: dict[str, str], status: int) -> None:
    assert act(person, **fields) == status
    assert "Purpose: <b>Treatment</b>" in person.read("/")
    assert person.events("account.acting") == []
    assert len(person.events("access.refused")) == (status == 403)


def test_a_role_that_is_taken_away_ends_acting_there(center: Site, person: Person) -> None:
    center.put([instance(1)], center.reader("TOWN"))
    assert act(person, institution="TOWN") == 303
    with center.center.begin(SYSTEM) as tx:
        gate.take_role(tx, "both", "TOWN", "nurse")
    assert titles(person) == 0


def test_an_administrator_acts_for_institutions_below(center: Site) -> None:
    officer = Person(center, "officer", "CENTER", "security-administrator")
    Person(center, "somebody", "COUNTY")
    assert officer.get("/").headers["location"] == "/sharing", "who reads no study begins elsewhere"
    assert officer.send("/account/acting", {"institution": "COUNTY"}, "/people").status_code == 303
    assert officer.send("/sharing/policy", {"others-quality": "refuse"}).status_code == 303
    with center.center.begin(SYSTEM) as tx:
        assert (policies(tx, "COUNTY")["quality", "others"], policies(tx, "CENTER")["quality", "others"]) == ("refuse", "permit")


def test_nobody_acts_without_a_session(center: Site) -> None:
    officer = Person(center, "officer", "CENTER", "security-administrator")
    token = officer.client.cookies.get("panorad_session")
    officer.send("/sign-out", {}, "/account/password")
    with center.center.begin(SYSTEM) as tx, pytest.raises(gate.SessionOver):
        gate.act_for(tx, token or "", "CENTER")


def test_an_open_center_has_all_pages_for_its_machine(databases: Databases) -> None:
    with whole_center(databases, open=True) as site:
        client = TestClient(build(site.center), "http://localhost", headers={"accept": "text/html"})
        for path in ("/", "/sharing", "/sharing/consents", "/people", "/people/roles", "/institutions"):
            page = client.get(path)
            assert page.status_code == 200, path
            assert "Acting for" not in page.text
