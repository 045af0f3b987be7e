"""Bearer tokens on every route: what they open, how they are refused, that a revocation bites."""

from __future__ import annotations

import re
import time

import pytest

from panorad.access import gate, programs
from panorad.access.gate.scopes import SCOPES, ScopeUnknown, parse, within
from panorad.access.programs import Held, TokenInvalid
from panorad.access.programs.tokens import PurposeUnknown, ScopeTooWide, TokenRefused, TooManyTokens
from panorad.access.web.bearer import needed, permits
from panorad.access.web.session import COOKIE
from panorad.kit.errors import PanoradError
from panorad.model.actor import SYSTEM, Actor
from panorad.testing import Site
from tests.access.programs.visits import owner_sql, person, program, send, token, told
from tests.data.imaging.arrivals import instance

STUDY = "/dicom-web/studies/2.25.1"


def test_a_token_reads_what_its_institution_may_see_and_another_ones_does_not(center: Site) -> None:
    county, _ = center.institution("COUNTY"), center.institution("TOWN")
    center.put([instance(1, 1, 1)], county)
    reader = program(center, token(center, "studies.read", institution="COUNTY"))
    other = program(center, token(center, "studies.read", institution="TOWN"))
    assert [one["0020000D"]["Value"] for one in reader.get("/dicom-web/studies").json()] == [["2.25.1"]]
    assert reader.get(f"{STUDY}/metadata").status_code == 200
    assert reader.get(STUDY).status_code == 200
    assert other.get("/dicom-web/studies").status_code in (200, 204)
    assert "2.25.1" not in other.get("/dicom-web/studies").text
    assert other.get(f"{STUDY}/metadata").status_code == 404
    seen = next(one for one in center.events(kind="query"))
    assert (seen.actor_kind, seen.actor, seen.purpose) == ("program", "test", "treatment")


def test_the_feed_and_storing_need_scopes_of_their_own(center: Site) -> None:
    reader, writer, follower = (program(center, token(center, scope)) for scope in ("studies.read", "studies.write", "events.read"))
    assert follower.get("/api/events").status_code == 200
    body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + instance(1, 1, 1) + b"\r\n--x--\r\n"
    kind = {"content-type": 'multipart/related; type="application/dicom"; boundary=x', "accept": "application/dicom+json"}
    elsewhere = {"sec-fetch-site": "cross-site", "origin": "https://elsewhere.example"}
    assert reader.post("/dicom-web/studies", content=body, headers=kind).status_code == 403
    assert writer.post("/dicom-web/studies", content=body, headers=kind | elsewhere).status_code == 200, "a token needs no same-site check"
    assert reader.get("/dicom-web/studies").json()
    for client, path, scope in ((writer, "/dicom-web/studies", "studies.read"), (reader, "/api/events", "events.read")):
        answer = client.get(path)
        assert answer.status_code == 403
        assert answer.headers["www-authenticate"] == f'Bearer realm="panorad", error="insufficient_scope", scope="{scope}"'
    assert ("token.refused", "refused", {"reason": "scope", "name": "test"}) in told(center, "token.")


@pytest.mark.parametrize("path", ["/dicom-web/studies", f"{STUDY}/series/1/instances/2/frames/1", "/api/events", "/studies.json"])
@pytest.mark.parametrize("given", ["Bearer pnrd_nobody", "Bearer ", "Bearer", "Basic dTpw", "bearer " + "x" * 600, "Negotiate abc"])
def test_what_is_no_token_is_refused_although_a_session_is_at_hand(center: Site, path: str, given: str) -> None:
    client = person(center)
    assert client.get("/studies.json").status_code == 200
    answer = client.get(path, headers={"authorization": given})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="panorad", error="invalid_token"'
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("update token set expires_at = now()", "expired"),
        ("update token set revoked_at = now()", "revoked"),
    ],
)
def test_expired_and_revoked_tokens_are_refused_and_recorded(center: Site, change: str, reason: str) -> None:
    word = token(center, "studies.read")
    owner_sql(center, change)
    assert program(center, word).get("/dicom-web/studies").status_code == 401
    assert told(center, "token.refused") == [("token.refused", "refused", {"reason": reason, "name": "test"})]


def test_a_revocation_bites_within_a_second_on_every_process(center: Site) -> None:
    word = token(center, "studies.read")
    processes = [program(center, word), program(center, word)]
    assert [one.get("/dicom-web/studies").status_code < 300 for one in processes] == [True, True]
    with center.center.begin(SYSTEM) as tx:
        programs.revoke_token(tx, word[:13])
    time.sleep(1.0)
    assert [one.get("/dicom-web/studies").status_code for one in processes] == [401, 401]
    assert [one.get("/studies.json").status_code for one in processes] == [401, 401]


def test_the_first_use_is_an_event_and_no_other(center: Site) -> None:
    word = token(center, "studies.read")
    for _ in range(3):
        program(center, word).get("/dicom-web/studies")
    assert [kind for kind, _, _ in told(center, "token.")] == ["token.added", "token.used"]
    with center.center.begin(SYSTEM) as tx:
        [kept] = programs.tokens(tx)
    assert kept.used_at is not None
    assert kept.prefix == word[:13]


def test_tokens_are_kept_only_as_hashes(center: Site) -> None:
    word = token(center, "studies.read")
    program(center, word).get("/dicom-web/studies")
    with center.center.owner() as begin, begin(SYSTEM) as tx:
        everything = str([list(tx.connection.execute(f"select * from {table}")) for table in ("token", "event")])
    assert word not in everything
    assert word[:13] in everything


def test_a_person_makes_a_token_sees_it_once_and_revokes_it(center: Site) -> None:
    client = person(center)
    page = send(client, "/account/tokens", name="My <script>", days="7", **{"scope studies.read": "on", "scope intake.read": "on"})
    word = re.search(r"pnrd_[\w-]{43}", page.text)
    assert word, page.text
    assert "My &lt;script&gt;" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert word[0] not in client.get("/account/tokens").text
    told_json = client.get("/account/tokens", headers={"accept": "application/json"}).json()
    assert [one["token"]["scopes"] for one in told_json["tokens"]] == [["studies.read"]], "no scope wider than the person"
    reader = program(center, word[0])
    assert reader.get("/studies.json").status_code == 200
    assert reader.get("/account/tokens").status_code == 403, "no token makes tokens"
    number = told_json["tokens"][0]["token"]["id"]
    assert send(client, "/account/tokens/revoke", "/account/tokens", token=str(number)).headers["location"] == "/account/tokens"
    time.sleep(1.0)
    assert reader.get("/studies.json").status_code == 401


def test_nobody_revokes_the_token_of_another_and_a_disabled_account_has_none(center: Site) -> None:
    client, other = person(center), person(center, "li")
    page = send(client, "/account/tokens", name="mine", days="7", **{"scope studies.read": "on"})
    word = re.search(r"pnrd_[\w-]{43}", page.text)
    assert word
    for number in ("1", "x", "9" * 30, "-1"):
        assert send(other, "/account/tokens/revoke", "/account/tokens", token=number).status_code == 404
    assert program(center, word[0]).get("/studies.json").status_code == 200
    owner_sql(center, "update account set disabled = true where login = 'wang'")
    assert program(center, word[0]).get("/studies.json").status_code == 401


def test_the_form_of_the_page_needs_its_token(center: Site) -> None:
    client = person(center)
    assert client.post("/account/tokens", data={"name": "x", "days": "7", "scope studies.read": "on"}).status_code == 403
    assert client.cookies.get(COOKIE)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (("", ["studies.read"], 1), TokenRefused),
        (("x" * 81, ["studies.read"], 1), TokenRefused),
        (("x", [], 1), TokenRefused),
        (("x", ["studies.read"], 0), TokenRefused),
        (("x", ["studies.read"], 367), TokenRefused),
        (("x", ["studies.everything"], 1), ScopeUnknown),
        (("x", ["studies.read"], 1, "NOWHERE"), gate.InstitutionAbsent),
        (("x", ["studies.read"], 1, "CENTER", "curiosity"), PurposeUnknown),
    ],
)
def test_what_no_token_can_be(center: Site, given: tuple[object, ...], error: type[PanoradError]) -> None:
    with pytest.raises(error), center.center.begin(SYSTEM) as tx:
        programs.add_token(tx, *given)  # type: ignore[arg-type]


def test_a_person_has_no_more_than_fifty_and_none_beyond_its_own_rights(center: Site) -> None:
    with center.center.begin(SYSTEM) as tx:
        gate.add_account(tx, "wang", "Wang", "blue heron reads film", "CENTER", ("clinician",))
        owner = gate.session(tx, gate.sign_in(tx, "wang", "blue heron reads film").token)
        assert owner
        with pytest.raises(ScopeTooWide):
            programs.add_token(tx, "x", ["intake.read"], 1, owner=owner)
        for _ in range(50):
            programs.add_token(tx, "x", ["studies.read"], 1, owner=owner)
        with pytest.raises(TooManyTokens):
            programs.add_token(tx, "x", ["studies.read"], 1, owner=owner)


def test_remembered_actors_last_one_second(center: Site) -> None:
    word, now = token(center, "studies.read"), [0.0]
    held = Held(lambda: now[0])
    with center.center.begin(SYSTEM) as tx:
        held.bearer(tx, word)
    now[0] = 0.99
    assert held.remembered(word)
    now[0] = 1.0
    assert held.remembered(word) is None
    with center.center.begin(SYSTEM) as tx:
        programs.revoke_token(tx, word)
    with pytest.raises(TokenInvalid), center.center.begin(SYSTEM) as tx:
        held.bearer(tx, word)
    assert held.remembered(word) is None


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/dicom-web/studies", "studies.read"),
        ("HEAD", "/dicom-web", "studies.read"),
        ("POST", "/dicom-web/studies/1.2", "studies.write"),
        ("POST", "/dicom-web/studies/1.2/series", None),
        ("DELETE", "/dicom-web/studies/1.2", None),
        ("GET", "/wado", "studies.read"),
        ("GET", "/api/events/kinds", "events.read"),
        ("GET", "/studies/1.2.3.json", "studies.read"),
        ("GET", "/account/tokens", None),
        ("POST", "/account/tokens", None),
        ("GET", "/", None),
        ("GET", "/dicom-webs", None),
        ("GET", "/fhir/R4/ImagingStudy", "system/ImagingStudy.s"),
        ("GET", "/fhir/ImagingStudy/12", "system/ImagingStudy.r"),
        ("POST", "/fhir/Consent", "system/Consent.c"),
        ("POST", "/fhir/Consent/_search", "system/Consent.s"),
        ("PUT", "/fhir/Consent/1", "system/Consent.u"),
        ("DELETE", "/fhir/Consent/1", "system/Consent.d"),
        ("GET", "/fhir/metadata", ""),
    ],
)
def test_which_scope_an_address_needs(method: str, path: str, scope: str | None) -> None:
    assert needed(method, path) == scope


@pytest.mark.parametrize(
    ("scope", "needs", "good"),
    [
        ("system/Consent.rs", "system/Consent.r", True),
        ("system/Consent.rs", "system/Consent.c", False),
        ("system/*.cruds", "system/AuditEvent.s", True),
        ("system/Patient.rs", "system/Consent.r", False),
        ("studies.read", "studies.read", True),
        ("studies.read", "studies.write", False),
        ("studies.read", "", True),
    ],
)
def test_a_wider_scope_holds_a_narrower_one(scope: str, needs: str, good: bool) -> None:
    assert permits(Actor("program", "x", scopes=frozenset({scope})), needs) is good


@pytest.mark.parametrize("text", ["system/Observation.rs", "system/Patient.", "system/Patient.sr", "patient/Patient.rs", "*", "a" * 100])
def test_unknown_scopes(text: str) -> None:
    with pytest.raises(ScopeUnknown):
        parse(text)


def test_scopes_are_narrowed_to_what_is_held() -> None:
    assert parse(["", "studies.read,events.read", "", "studies.read"]) == ("events.read", "studies.read")
    assert within(SCOPES, lambda resource, action: action == "read") == ("studies.read", "events.read", "intake.read")
    assert within(["system/*.rs", "system/Consent.c"], lambda resource, action: action == "read") == ("system/*.rs",)
