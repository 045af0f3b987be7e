"""DICOM Audit Messages: valid against the schema of PS3.15 A.5.1, every kind mapped or excused, and byte for byte what they were."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from pydicom.sr._concepts_dict import concepts

from panorad.data.process import audit
from panorad.data.process.audit import MEANINGS, SILENT, Code
from panorad.data.process.dicom_audit import access_point, message
from panorad.model.event import KINDS
from panorad.model.purpose import OPERATION, PURPOSES
from tests.data.process.traces import AT, OF_KIND, SOURCE, trace

HERE = Path(__file__).parent
SCHEMA = etree.RelaxNG(etree.parse(HERE / "audit_message.rng"))
GOLDEN = HERE / "audit_messages.xml"


def parsed(kind: str, **changes: object) -> etree._Element:
    text = message(trace(kind, **changes), SOURCE)
    assert text is not None
    root = etree.fromstring(text)
    SCHEMA.assertValid(root)
    return root


def test_every_kind_of_event_is_mapped_or_excused_and_no_other() -> None:
    assert set(MEANINGS) | set(SILENT) == set(KINDS)
    assert not set(MEANINGS) & set(SILENT)
    assert set(OF_KIND) == set(MEANINGS)
    assert all(reason for reason in SILENT.values())


def test_the_codes_are_those_of_ps3_16() -> None:
    known = {value: meaning for names in concepts["DCM"].values() for value, (meaning, _) in names.items()}
    used = [meaning.event for meaning in MEANINGS.values()] + [one.type for one in MEANINGS.values() if one.type]
    used += [code for code in vars(audit).values() if isinstance(code, Code) and code.scheme == "DCM"]
    for code in used:
        assert known[code.value] == code.meaning


@pytest.mark.parametrize("kind", MEANINGS)
def test_messages_are_valid_and_say_who_what_when_from_where_for_whom_why_and_how_it_went(kind: str) -> None:
    actor_kind, actor, outcome, objects, _ = OF_KIND[kind]
    root = parsed(kind)
    event = root.find("EventIdentification")
    assert event is not None
    assert event.get("EventOutcomeIndicator") == {"success": "0", "refused": "4", "failure": "8"}[outcome]
    assert datetime.fromisoformat(event.get("EventDateTime", "")) == AT
    assert event.find("EventID").get("csd-code") == MEANINGS[kind].event.value
    assert event.findall("EventTypeCode")[-1].get("csd-code") == kind
    [requestor] = [one for one in root.findall("ActiveParticipant") if one.get("UserIsRequestor") == "true"]
    assert requestor.get("UserID") == (objects["account"] if MEANINGS[kind].flow == "person" else actor)
    assert (requestor.get("NetworkAccessPointID"), requestor.get("NetworkAccessPointTypeCode")) == ("10.0.0.7", "2")
    assert requestor.get("AlternativeUserID") == (f"AETITLES={actor}" if actor_kind == "node" else None)
    told = {one.find("ParticipantObjectIDTypeCode").get("csd-code"): one for one in root.findall("ParticipantObjectIdentification")}
    behalf = told["on-behalf-of"]
    assert behalf.get("ParticipantObjectID") == "COUNTY"
    assert b64decode(behalf.find("ParticipantObjectDetail").get("value", "")) == b"treatment"
    if "study" in objects:
        assert told["110180"].get("ParticipantObjectID") == "1.2.3"
        assert told["2"].get("ParticipantObjectID") == "P-1^^^COUNTY"


def test_the_destination_of_a_move_is_neither_who_asked_nor_we() -> None:
    roles = {
        one.get("UserID"): [role.get("csd-code") for role in one.findall("RoleIDCode")]
        for one in parsed("instances.sent").findall("ActiveParticipant")
    }
    assert roles == {"WS1": [], "WS2": ["110152"], "PANORAD": ["110153"]}


def test_a_query_is_in_it_without_the_values_that_could_be_names() -> None:
    root = parsed("query")
    [query] = root.iter("ParticipantObjectQuery")
    assert b64decode(query.text or "") == b'{"level":"STUDY","keys":["00100020"],"patient":"P-1"}'


def test_a_change_of_rights_names_what_was_changed() -> None:
    def about(kind: str) -> list[tuple[str | None, str | None]]:
        found = parsed(kind).findall("ParticipantObjectIdentification")[:-1]
        return [(one.find("ParticipantObjectIDTypeCode").get("csd-code"), one.get("ParticipantObjectID")) for one in found]

    assert about("role.given") == [("11", "reader"), ("role", "radiologist"), ("institution", "TOWN")]
    assert about("grant.given") == [("110180", "1.2.3"), ("2", "P-1^^^COUNTY"), ("grant", "7"), ("grantee", "institution TOWN")]
    assert about("consent.recorded") == [("2", "P-1"), ("consent", "9")]
    assert about("node.bound") == [("110182", "CT1")]


def test_every_purpose_of_use_has_its_code() -> None:
    assert {purpose: audit.purpose_code(purpose).value for purpose in PURPOSES} == {name: one.code for name, one in PURPOSES.items()}
    assert audit.purpose_code(OPERATION).value == "HOPERAT"


def test_the_messages_are_what_they_were() -> None:
    text = "".join(f"{message(trace(kind), SOURCE)}\n" for kind in MEANINGS)
    assert text == GOLDEN.read_text("utf-8")


def test_silent_kinds_and_kinds_of_another_release_have_no_message() -> None:
    assert message(replace(trace("query"), kind="study.stored"), SOURCE) is None
    assert message(replace(trace("query"), kind="from.elsewhere"), SOURCE) is None


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_makes_a_valid_message(actor: str, reason: str) -> None:
    parsed("access.refused", actor=actor, source=actor, institution_name=reason, detail={"reason": reason})
    parsed("query", actor=actor, actor_kind="node", objects={"patient": reason})


@pytest.mark.parametrize(
    "where, point",
    [
        ("10.0.0.7", ("10.0.0.7", "2")),
        ("dimse CT1@fd00::1", ("fd00::1", "2")),
        ("ct1.example.org", ("ct1.example.org", "1")),
        ("", None),
        ("not a place", None),
    ],
)
def test_the_network_access_point(where: str, point: tuple[str, str] | None) -> None:
    assert tuple(access_point(where).values()) == (point or ())
