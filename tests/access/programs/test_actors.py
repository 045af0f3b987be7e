"""Who a token stands for: programs by their scopes, persons by their roles narrowed to them, both under row-level security."""

from __future__ import annotations

import time

import pytest

from panorad.access import gate, programs
from panorad.access.gate.scopes import FHIR, SCOPES, opened, pairs
from panorad.access.programs.tokens import PurposeUnknown, bearer
from panorad.kit.transaction import Transaction
from panorad.management.sharing import Grantee, Scope, give
from panorad.model.actor import SYSTEM, Actor
from panorad.model.party import party
from panorad.model.roles import ROLES, actions_of
from panorad.testing import Site
from tests.access.programs.visits import owner_sql, program, token
from tests.data.imaging.arrivals import instance

PASSWORD = "blue heron reads film"


def actor_of(site: Site, word: str) -> Actor:
    with site.center.begin(SYSTEM) as tx:
        return bearer(tx, word)


def owned(tx: Transaction, login: str, *scopes: str, purpose: str = "treatment") -> str:
    """The word of a new token of a person."""
    return programs.add_token(tx, "own", scopes, 1, purpose=purpose, owner=gate.account_actor(tx, login))[1]


def test_scopes_speak_in_the_words_of_the_table_of_roles() -> None:
    names = [*SCOPES, *(f"system/{name}.{letter}" for name, letters in FHIR.items() for letter in letters), "system/*.cruds"]
    for resource, action in opened(frozenset(names)):
        assert action in actions_of(resource), (resource, action)
    assert pairs("system/*.rs") == {("study", "read"), ("consent", "read"), ("event", "read")}
    assert pairs("system/Patient.cruds") == {("study", "read")}, "what does not exist is not opened"


def test_a_program_sees_its_institution_only_for_scopes_that_tell_of_patients(center: Site) -> None:
    county = center.institution("COUNTY")
    town = center.institution("TOWN", "COUNTY")
    follower, reader = (actor_of(center, token(center, scope, institution="COUNTY")) for scope in ("events.read", "studies.read"))
    assert (follower.kind, follower.sees, follower.parties, follower.audits) == ("program", (), (), (county.institution, town.institution))
    assert county.institution in (reader.sees or ())
    assert (reader.parties, reader.audits) == ((party("institution", county.institution or 0),), ())
    center.put([instance(1, 1, 1)], county)
    assert "study.stored" in {one.kind for one in center.events(follower)}
    with center.center.begin(follower) as tx:
        assert tx.connection.execute("select count(*) from study").fetchone() == (0,)
    with center.center.begin(reader) as tx:
        assert tx.connection.execute("select count(*) from study").fetchone() == (1,)


def test_what_is_granted_to_a_client_is_seen_by_its_tokens_alone(center: Site) -> None:
    county, _ = center.institution("COUNTY"), center.institution("TOWN")
    center.put([instance(1, 1, 1), instance(2, 1, 1)], county)
    with center.center.begin(SYSTEM) as tx:
        secrets = [programs.add_client(tx, name, "TOWN", ["studies.read"]) for name in ("robot", "other")]
    with center.center.begin(county) as tx:
        give(tx, Scope("study", "COUNTY", study="2.25.1"), Grantee("program", "robot"), ["treatment"])
    seen = []
    for name, secret in zip(("robot", "other"), secrets, strict=True):
        form = {"grant_type": "client_credentials", "client_id": name, "client_secret": secret}
        word = program(center).post("/oauth/token", data=form).json()["access_token"]
        answer = program(center, word).get("/dicom-web/studies")
        seen.append([one["0020000D"]["Value"] for one in answer.json()] if answer.status_code == 200 else [])
    assert seen == [[["2.25.1"]], []]


def test_a_token_of_a_person_shows_what_the_person_sees_narrowed_to_its_scopes(center: Site) -> None:
    head = center.institution("COUNTY")
    with center.center.begin(SYSTEM) as tx:
        words = [owned(tx, head.name, scope) for scope in ("studies.read", "studies.write", "events.read")]
    reader, writer, follower = (actor_of(center, word) for word in words)
    assert (reader.sees, reader.parties, reader.roles, reader.account) == (head.sees, head.parties, head.roles, head.account)
    assert (writer.sees, writer.parties, writer.audits) == ((), (), ())
    assert (follower.sees, follower.parties, follower.audits) == ((), (), head.audits)
    assert gate.can(reader, "study", "read")
    assert gate.can(head, "consent", "record")
    for resource, action in (("study", "store"), ("consent", "record"), ("event", "read"), ("grant", "give")):
        assert not gate.can(reader, resource, action), resource
    with pytest.raises(gate.NotAllowed):
        gate.require(reader, "grant", "give")


def test_who_loses_a_role_loses_what_tokens_did_by_it(center: Site) -> None:
    center.institution("COUNTY")
    center.put([instance(1, 1, 1)], center.reader("COUNTY"))
    with center.center.begin(SYSTEM) as tx:
        gate.add_account(tx, "chen", "Chen", PASSWORD, "COUNTY", ("radiologist", "registrar"))
        writer, reader = program(center, owned(tx, "chen", "studies.write")), program(center, owned(tx, "chen", "studies.read"))
    body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + instance(3, 1, 1) + b"\r\n--x--\r\n"
    kind = {"content-type": 'multipart/related; type="application/dicom"; boundary=x', "accept": "application/dicom+json"}
    assert writer.post("/dicom-web/studies", content=body, headers=kind).status_code == 200
    owner_sql(center, "delete from account_role where role = 'radiologist' and account_id = (select id from account where login = 'chen')")
    time.sleep(1.0)
    assert writer.post("/dicom-web/studies", content=body, headers=kind).status_code == 403
    assert reader.get("/dicom-web/studies").status_code == 200
    owner_sql(center, "delete from account_role where account_id = (select id from account where login = 'chen')")
    time.sleep(1.0)
    assert reader.get("/dicom-web/studies").status_code == 403


def test_a_token_stays_with_its_purpose(center: Site) -> None:
    with center.center.begin(SYSTEM) as tx:
        gate.add_account(tx, "chen", "Chen", PASSWORD, "CENTER", ("radiologist", "researcher"))
        word = owned(tx, "chen", "studies.read", purpose="research")
        for purpose in ("emergency", "curiosity", "patient-request"):
            with pytest.raises(PurposeUnknown):
                owned(tx, "chen", "studies.read", purpose=purpose)
        with pytest.raises(PurposeUnknown):
            programs.add_token(tx, "x", ["studies.read"], 1, "CENTER", "emergency")
    actor = actor_of(center, word)
    assert (actor.purpose, bool(actor.sees)) == ("research", True)
    owner_sql(center, "delete from account_role where role = 'researcher'")
    actor = actor_of(center, word)
    assert (actor.purpose, actor.sees, actor.parties) == ("research", (), ()), "it does not turn to another purpose"


def test_a_program_without_scopes_may_nothing() -> None:
    assert not any(gate.can(Actor("program", "x"), *pair) for pair in pairs("system/*.cruds"))
    everything = Actor("person", "x", roles=frozenset(ROLES), scopes=frozenset())
    assert not any(gate.can(everything, *pair) for pair in pairs("system/*.cruds"))


def test_no_token_gives_a_code_of_a_second_factor(center: Site) -> None:
    with center.center.begin(SYSTEM) as tx:
        gate.add_account(tx, "chen", "Chen", PASSWORD, "CENTER", ("department-head",))
        word = owned(tx, "chen", "intake.read", "studies.read")
    assert program(center, word).get("/intake.json").status_code == 200
    assert program(center, word).get("/intake/1/original").status_code == 403
