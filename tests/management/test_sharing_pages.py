"""The pages for grants, consents and policy, on a real center."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from panorad.management import sharing
from panorad.model.actor import SYSTEM
from panorad.testing import Site
from tests.data.imaging.arrivals import instance
from tests.management.visits import Person

TODAY = datetime.now(UTC).date()
STUDY = {"scope": "study", "study": "2.25.1", "to": "institution", "to-institution": "TOWN", "purpose-treatment": "on"}
SAID = {"patient": "P1", "issuer": "CENTER", "decision": "refuse", "audience": "everyone", "by": "patient", "purpose-treatment": "on"}


@pytest.fixture
def head(center: Site) -> Person:
    """The head of department at CENTER; TOWN is another member of the region."""
    center.institution("TOWN")
    return Person(center, "head", "CENTER", "department-head")


def test_a_grant_is_given_listed_and_revoked(center: Site, head: Person) -> None:
    center.put([instance(1, PatientID="P1")], center.reader("CENTER"))
    town = center.reader("TOWN")
    assert "No grants" in head.read("/sharing")
    assert center.find(actor=town).total == 0
    answer = head.send("/sharing", STUDY | {"until": str(TODAY + timedelta(7)), "reason": "second opinion"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sharing?done=given")
    page = head.read("/sharing?done=given&q=2.25.1")
    for text in ("The grant is in force.", "2.25.1", "TOWN", "Treatment", "Given by hand", "second opinion", "Revoke now"):
        assert text in page
    assert center.find(actor=center.reader("TOWN")).total == 1
    [row] = head.json("/sharing.json")["rows"]  # type: ignore[misc]
    assert (row["state"], row["ours"], row["grant"]["reason"]) == ("current", True, "second opinion")
    assert head.send(f"/sharing/grants/{row['grant']['id']}/revoke", {}, "/sharing").status_code == 303
    assert center.find(actor=center.reader("TOWN")).total == 0
    assert head.json("/sharing.json")["rows"] == []
    assert "revoked by head" in head.read("/sharing?show=all")
    assert [len(head.events(kind)) for kind in ("grant.given", "grant.revoked")] == [1, 1]


@pytest.mark.parametrize(
    "change,told",
    [
        ({"purpose-treatment": None}, "Choose at least one purpose"),
        ({"study": ""}, "which patient"),
        ({"study": "not a uid"}, "digits and dots"),
        ({"scope": "patient", "patient": " "}, "which patient"),
        ({"to": "person"}, "Say to whom"),
        ({"to": "person", "to-person": "nobody.here"}, "nobody.here"),
        ({"to": "role"}, "Say to whom"),
        ({"until": "tomorrow"}, "year-month-day"),
        ({"until": str(TODAY - timedelta(2))}, "last day"),
        ({"from": str(TODAY + timedelta(9)), "until": str(TODAY + timedelta(3))}, "last day"),
    ],
    ids=str,
)
def test_a_grant_that_cannot_be_given_keeps_what_was_typed(head: Person, change: dict[str, str | None], told: str) -> None:
    fields = {name: text for name, text in {**STUDY, "reason": "kept <reason>", **change}.items() if text is not None}
    answer = head.send("/sharing", fields)
    assert answer.status_code == 400
    assert told in answer.text
    assert 'value="kept &lt;reason&gt;"' in answer.text
    assert head.json("/sharing.json?show=all")["rows"] == []


@pytest.mark.parametrize(
    "scope,to,shown",
    [
        ({"scope": "institution"}, {"to": "role", "to-institution": "TOWN", "to-role": "radiologist"}, "Everything the institution holds"),
        ({"scope": "patient", "patient": "P1", "issuer": "CENTER"}, {"to": "person", "to-person": "head"}, "P1 · CENTER"),
        ({"scope": "series", "study": "2.25.1", "series": "2.25.1.1"}, {"to": "device", "to-device": "WS1"}, "2.25.1.1"),
    ],
)
def test_every_scope_and_grantee(center: Site, head: Person, scope: dict[str, str], to: dict[str, str], shown: str) -> None:
    from panorad.access import gate

    with center.center.begin(SYSTEM) as tx:
        gate.add_node(tx, "WS1", "TOWN")
    assert head.send("/sharing", {**scope, **to, "purpose-quality": "on"}).status_code == 303
    page = head.read("/sharing")
    assert shown in page
    assert "Quality control" in page


def test_a_grantee_sees_the_grant_and_cannot_revoke_it(center: Site, head: Person) -> None:
    assert head.send("/sharing", STUDY).status_code == 303
    town = Person(center, "townhead", "TOWN", "department-head")
    [row] = town.json("/sharing.json")["rows"]  # type: ignore[misc]
    assert (row["ours"], row["grant"]["institution"]) == (False, "CENTER")
    assert "Revoke now" not in town.read("/sharing")
    assert town.send(f"/sharing/grants/{row['grant']['id']}/revoke", {}, "/sharing").status_code == 404
    assert head.json("/sharing.json")["rows"][0]["state"] == "current"  # type: ignore[index]
    assert town.send(f"/sharing/grants/{1 << 70}/revoke", {}, "/sharing").status_code == 404


def test_long_lists_go_on_by_number(center: Site, head: Person) -> None:
    with center.center.begin(SYSTEM) as tx:
        for number in range(1, 121):
            sharing.give(tx, sharing.Scope("study", "CENTER", study=f"2.25.{number}"), sharing.Grantee("institution", "TOWN"), ["quality"])
    seen, before = [], ""
    while True:
        page = head.json(f"/sharing.json?before={before}")
        seen += [row["grant"]["study"] for row in page["rows"]]  # type: ignore[attr-defined]
        if page["older"] is None:
            break
        before = str(page["older"])
    assert seen == [f"2.25.{number}" for number in range(120, 0, -1)]
    assert "Older" in head.read("/sharing")
    assert head.get("/sharing?before=x&q=" + "9" * 500).status_code == 200


def test_a_refusal_is_recorded_bites_and_is_withdrawn(center: Site, head: Person) -> None:
    center.put([instance(1, PatientID="P1")], center.reader("CENTER"))
    assert "No consents" in head.read("/sharing/consents")
    proxy = {"by": "proxy", "proxy": "Anna Doe", "relationship": "mother", "note": "signed form 17"}
    assert head.send("/sharing/consents", SAID | proxy).status_code == 303
    assert center.find(actor=center.reader("CENTER")).total == 0
    page = head.read("/sharing/consents?q=P1&done=recorded")
    for text in ("has been recorded", "Refused", "Anna Doe (mother)", "signed form 17", "Withdraw now"):
        assert text in page
    assert "Nothing is recorded of this patient" in head.read("/sharing/consents?q=P2")
    [row] = head.json("/sharing/consents.json")["rows"]  # type: ignore[misc]
    assert head.send(f"/sharing/consents/{row['consent']['id']}/withdraw", {}, "/sharing/consents").status_code == 303
    assert center.find(actor=center.reader("CENTER")).total == 1
    assert head.json("/sharing/consents.json")["rows"] == []
    assert "Withdrawn" in head.read("/sharing/consents?show=all")
    assert [len(head.events(kind)) for kind in ("consent.recorded", "consent.withdrawn")] == [1, 1]


@pytest.mark.parametrize(
    "change,told",
    [
        ({"patient": ""}, "Say which patient"),
        ({"decision": "perhaps"}, "cannot be recorded"),
        ({"audience": "nobody"}, "cannot be recorded"),
        ({"by": "proxy", "proxy": "Anna Doe"}, "Say who speaks"),
        ({"audience": "institution", "to-institution": "NOWHERE"}, "NOWHERE"),
    ],
)
def test_a_consent_that_cannot_be_recorded_keeps_what_was_typed(head: Person, change: dict[str, str], told: str) -> None:
    answer = head.send("/sharing/consents", SAID | {"note": "kept"} | change)
    assert answer.status_code == 400
    assert told in answer.text
    assert 'value="kept"' in answer.text


def test_the_policy_is_changed_by_who_may(center: Site, head: Person) -> None:
    officer = Person(center, "officer", "CENTER", "security-administrator")
    auditor = Person(center, "auditor", "CENTER", "audit-administrator")
    assert officer.send("/sharing/policy", {"others-quality": "refuse"}).status_code == 303
    rules = auditor.json("/sharing/policy.json")["rules"]
    assert rules["quality"] == {"own": "permit", "others": "refuse"}  # type: ignore[index]
    assert rules["research"] == {"own": "consent", "others": "consent"}  # type: ignore[index]
    assert "<select" not in auditor.read("/sharing/policy")
    assert officer.send("/sharing/policy", {"others-quality": "perhaps"}).status_code == 400
    assert len(officer.events("policy.set")) == 1
    assert auditor.send("/sharing/policy", {"others-quality": "permit"}, "/account/password").status_code == 403
    assert auditor.json("/sharing/policy.json")["rules"]["quality"]["others"] == "refuse"  # type: ignore[index]


FORMS = ("/sharing", "/sharing/grants/1/revoke", "/sharing/consents", "/sharing/consents/1/withdraw", "/sharing/policy")
PAGES = ("/sharing.json", "/sharing/consents.json", "/sharing/policy.json")


@pytest.mark.parametrize(
    "role,pages,forms",
    [
        ("radiologist", (1, 1, 0), (1, 0, 0, 0, 0)),
        ("technologist", (0, 0, 0), (0, 0, 0, 0, 0)),
        ("registrar", (0, 1, 0), (0, 0, 1, 1, 0)),
        ("department-head", (1, 1, 0), (1, 1, 1, 1, 0)),
        ("patient", (0, 0, 0), (0, 0, 0, 0, 0)),
        ("system-administrator", (0, 0, 0), (0, 0, 0, 0, 0)),
        ("security-administrator", (1, 0, 1), (0, 1, 0, 0, 1)),
        ("audit-administrator", (1, 1, 1), (0, 0, 0, 0, 0)),
    ],
)
def test_who_may_come_to_which_page_and_form(center: Site, role: str, pages: tuple[int, ...], forms: tuple[int, ...]) -> None:
    person = Person(center, "somebody", "CENTER", role)
    assert tuple(int(person.get(page).status_code == 200) for page in PAGES) == pages
    assert tuple(int(person.send(path, {}, "/account/password").status_code != 403) for path in FORMS) == forms
    assert len(person.events("access.refused")) == pages.count(0) + forms.count(0)
    assert ('href="/sharing"' in person.read("/account/password")) == any(pages)


def test_who_may_not_see_grants_is_led_to_consents(center: Site) -> None:
    answer = Person(center, "registrar", "CENTER", "registrar").get("/sharing")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sharing/consents")


def test_in_chinese(center: Site, head: Person) -> None:
    head.client.headers["accept-language"] = "zh-CN"
    assert head.send("/sharing", STUDY).status_code == 303
    for path, texts in {
        "/sharing": ("授权", "诊疗", "撤销"),
        "/sharing/consents": ("患者", "登记"),
    }.items():
        page = head.read(path)
        assert all(text in page for text in texts), path
