"""The pages of institutions and nodes, on a real center."""

from __future__ import annotations

import pytest

from panorad.access import gate
from panorad.model.actor import SYSTEM
from panorad.testing import Site
from tests.management.visits import Person

COUNTY = {"code": "COUNTY", "name": "County hospital", "name-zh": "县人民医院", "issuer": "", "parent": "CENTER"}
NODE = {"ae-title": "CT1", "institution": "CENTER", "host": "10.20.1.31", "port": "11112", "description": "CT"}


@pytest.fixture
def admin(center: Site) -> Person:
    return Person(center, "admin", "CENTER", "system-administrator")


def tree(person: Person) -> list[tuple[str, int]]:
    return [(one["institution"]["code"], one["depth"]) for one in person.json("/institutions.json")["branches"]]  # type: ignore[attr-defined]


def test_the_tree_grows_and_changes(center: Site, admin: Person) -> None:
    assert admin.send("/institutions", COUNTY).headers["location"] == "/institutions?done=added"
    for code, parent in (("TOWN", "COUNTY"), ("ALPHA", "CENTER")):
        assert admin.send("/institutions", COUNTY | {"code": code, "parent": parent}).status_code == 303
    assert tree(admin) == [("CENTER", 0), ("ALPHA", 1), ("COUNTY", 1), ("TOWN", 2)]
    page = admin.read("/institutions?done=added&change=COUNTY")
    for text in ("County hospital", "县人民医院", "Change COUNTY", "The institution has been added."):
        assert text in page
    moved = {"name": "County", "name-zh": "", "parent": "ALPHA"}
    assert admin.send("/institutions/COUNTY", moved, "/institutions").status_code == 303
    assert tree(admin) == [("CENTER", 0), ("ALPHA", 1), ("COUNTY", 2), ("TOWN", 3)]
    bitten = admin.send("/institutions/ALPHA", {"name": "Alpha", "parent": "TOWN"}, "/institutions")
    assert bitten.status_code == 400
    assert "TOWN stands below ALPHA" in bitten.text
    assert tree(admin) == [("CENTER", 0), ("ALPHA", 1), ("COUNTY", 2), ("TOWN", 3)]
    assert admin.send("/institutions/CENTER", {"name": "Center", "parent": ""}, "/institutions").status_code == 303
    assert [len(admin.events(kind)) for kind in ("institution.added", "institution.changed")] == [3, 2]


@pytest.mark.parametrize(
    "change,status",
    [({"code": "small"}, 400), ({"code": "CENTER"}, 409), ({"name": " "}, 400), ({"parent": "NOWHERE"}, 404), ({"parent": ""}, 404)],
)
def test_an_institution_that_cannot_be_added_keeps_what_was_typed(admin: Person, change: dict[str, str], status: int) -> None:
    answer = admin.send("/institutions", COUNTY | {"issuer": "KEPT"} | change)
    assert answer.status_code == status
    assert 'value="KEPT"' in answer.text
    assert tree(admin) == [("CENTER", 0)]


def test_a_node_is_registered_and_changed(center: Site, admin: Person) -> None:
    assert admin.send("/institutions/nodes", NODE, "/institutions").status_code == 303
    assert "10.20.1.31:11112" in admin.read("/institutions?node=CT1")
    assert admin.send("/institutions/nodes", NODE | {"host": "", "port": ""}, "/institutions").status_code == 303
    assert "not sent to" in admin.read("/institutions")
    assert [len(admin.events(kind)) for kind in ("node.added", "node.changed")] == [1, 1]


@pytest.mark.parametrize(
    "name,text", [("ae-title", " "), ("ae-title", "a" * 17), ("port", "0"), ("port", "70000"), ("port", "9" * 50), ("host", "")]
)
def test_a_node_that_cannot_be_registered(admin: Person, name: str, text: str) -> None:
    answer = admin.send("/institutions/nodes", NODE | {"description": "kept", name: text}, "/institutions")
    assert answer.status_code == 400
    assert 'value="kept"' in answer.text


def test_an_administrator_below_reaches_neither_upwards_nor_sideways(center: Site, admin: Person) -> None:
    below = Person(center, "below", "COUNTY", "system-administrator")
    assert admin.send("/institutions/nodes", NODE, "/institutions").status_code == 303
    assert below.send("/institutions", COUNTY | {"code": "NEW"}).status_code == 403
    assert below.send("/institutions/CENTER", {"name": "Mine", "parent": ""}, "/institutions").status_code == 403
    assert below.send("/institutions/COUNTY", {"name": "Mine", "parent": ""}, "/institutions").status_code == 404
    assert below.send("/institutions/nodes", NODE | {"institution": "COUNTY"}, "/institutions").status_code == 403
    assert below.send("/institutions", COUNTY | {"code": "NEW", "parent": "COUNTY"}).status_code == 303
    assert tree(below) == [("CENTER", 0), ("COUNTY", 1), ("NEW", 2)]
    with center.center.begin(SYSTEM) as tx:
        assert gate.node(tx, "CT1").institution == "CENTER"  # type: ignore[union-attr]
    assert len(below.events("access.refused")) == 3


@pytest.mark.parametrize(
    "role,page,forms",
    [("radiologist", 403, 403), ("department-head", 403, 403), ("security-administrator", 200, 403), ("audit-administrator", 403, 403)],
)
def test_who_may(center: Site, role: str, page: int, forms: int) -> None:
    person = Person(center, "somebody", "CENTER", role)
    assert person.get("/institutions").status_code == page
    for path in ("/institutions", "/institutions/nodes", "/institutions/CENTER"):
        assert person.send(path, COUNTY | NODE, "/account/password").status_code == forms
    assert len(person.events("access.refused")) == 3 + (page == 403)
