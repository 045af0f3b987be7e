"""The decision of the database against one that is made here, case by case, from what was said: who, which study, which purpose, when.

The oracle knows nothing of SQL, marks or worked-out grants: it walks every grant and consent for every question.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from panorad.access import gate
from panorad.access.gate import actors
from panorad.management.sharing import Grantee, Patient, Scope, give, record_consent, revoke, set_policy, withdraw_consent
from panorad.model.actor import SYSTEM, Actor
from panorad.model.party import party
from panorad.model.purpose import PURPOSES
from panorad.model.query import Level, Match, Query
from panorad.model.study_list import StudyFilter
from panorad.testing import Site
from tests.data.imaging.arrivals import instance

NOW = datetime.now(UTC)
TREE = {"REGION": None, "CITY": "REGION", "COUNTY": "CITY", "TOWN": "COUNTY", "OTHER": "REGION", "ALONE": None}
CODES = tuple(TREE)
ROLES = ("radiologist", "clinician", "nurse", "researcher", "system-administrator", "audit-administrator")
READERS = {"radiologist", "clinician", "nurse", "researcher"}
TREE_PURPOSES = {"treatment", "remote-reading", "consultation", "quality", "education", "research"}
PERIODS = (
    (None, None),
    (None, NOW + timedelta(hours=2)),
    (NOW - timedelta(days=9), NOW - timedelta(hours=2)),
    (NOW + timedelta(hours=2), NOW + timedelta(days=9)),
    (NOW - timedelta(hours=2), NOW + timedelta(hours=2)),
)


def current(period: tuple[datetime | None, datetime | None]) -> bool:
    start, end = period
    return (start is None or start <= NOW) and (end is None or end > NOW)


@dataclass(frozen=True)
class Study:
    uid: str
    institution: str
    patient: str
    series: tuple[str, ...]


@dataclass(frozen=True)
class Person:
    login: str
    institution: str
    role: str


@dataclass
class Grant:
    number: int
    scope: Scope
    grantee: Grantee
    purposes: frozenset[str]
    period: tuple[datetime | None, datetime | None]
    revoked: bool = False


@dataclass
class Consent:
    number: int
    patient: Patient
    decision: str
    purposes: frozenset[str]
    audience: str
    to: str | None
    period: tuple[datetime | None, datetime | None]
    withdrawn: bool = False


@dataclass
class World:
    studies: list[Study] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    policies: dict[tuple[str, str, str], str] = field(default_factory=dict)

    # -- the oracle --------------------------------------------------------------------------------------------------------------------

    def sees(self, person: Person, purpose: str, study: Study, series: str | None = None) -> bool:
        """Whether the person, acting at its institution for a purpose, may see a study, or a series of it."""
        if person.role not in READERS:
            return False
        return self.consented(person, purpose, study) and (
            study.institution == person.institution
            or (purpose in TREE_PURPOSES and self.below(study.institution, person.institution))
            or any(self.reaches(grant, person, purpose, study, series) for grant in self.grants)
        )

    def below(self, low: str, high: str) -> bool:
        above = TREE[low]
        return above is not None and (above == high or self.below(above, high))

    def reaches(self, grant: Grant, person: Person, purpose: str, study: Study, series: str | None) -> bool:
        scope, to = grant.scope, grant.grantee
        if grant.revoked or purpose not in grant.purposes or not current(grant.period) or scope.institution != study.institution:
            return False
        if scope.kind == "patient" and scope.patient != study.patient:
            return False
        if scope.kind in ("study", "series") and scope.study != study.uid:
            return False
        if scope.kind == "series" and series is not None and scope.series != series:
            return False
        match to.kind:
            case "institution":
                return to.name == person.institution
            case "role":
                return to.name == person.institution and to.role == person.role
            case _:
                return to.name == person.login

    def consented(self, person: Person, purpose: str, study: Study) -> bool:
        own = person.institution == study.institution
        said = {
            one.decision
            for one in self.consents
            if not one.withdrawn
            and current(one.period)
            and purpose in one.purposes
            and (one.patient.institution, one.patient.patient) == (study.institution, study.patient)
            and (one.audience == "everyone" or (one.audience == "others" and not own) or one.to == person.institution)
        }
        if "refuse" in said:
            return False
        usual = "consent" if purpose in ("research", "education") else "permit"
        rule = self.policies.get((study.institution, purpose, "own" if own else "others"), usual)
        return rule == "permit" or (rule == "consent" and "permit" in said)


class Maker:
    """Makes a world in a center and in the oracle alike."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self.site, self.chance, self.world = site, chance, World()
        for code, parent in TREE.items():
            site.institution(code, parent)
        with site.center.begin(SYSTEM) as tx:
            for n, code in enumerate(CODES):
                for m in range(2):
                    person = Person(f"p{n}{m}", code, ROLES[(n * 2 + m) % len(ROLES)] if m else "radiologist")
                    gate.add_account(tx, person.login, "", "a password of the tests", code, [person.role])
                    self.world.people.append(person)

    def studies(self, count: int) -> None:
        """Receive studies, as the index writer would."""
        with psycopg.connect(self.site.center.dsn) as connection:
            for _ in range(count):
                n = len(self.world.studies)
                patient, uid = f"P{self.chance.randrange(8)}", f"2.25.{n if self.chance.random() < 0.8 else max(0, n - 3)}"
                free = [code for code in CODES if not any((s.uid, s.institution) == (uid, code) for s in self.world.studies)]
                code = self.chance.choice(free)
                study = Study(uid, code, patient, (f"{uid}.1", f"{uid}.2"))
                for series in study.series:
                    connection.execute(
                        "select ensure_series((select id from institution where code = %s), jsonb_build_object('study_uid', %s::text,"
                        " 'issuer', %s::text, 'patient_id', %s::text, 'study_date', '2026-01-01', 'accession_number', '', 'study_id', '',"
                        " 'description', '', 'referring_physician', '', 'patient_name', 'A^B', 'sex', '', 'attributes', '{}'::jsonb),"
                        " jsonb_build_object('series_uid', %s::text, 'modality', 'CT', 'description', '', 'body_part', '',"
                        " 'station_name', '', 'attributes', '{}'::jsonb), array['ab'])",
                        (code, uid, code, patient, series),
                    )
                self.world.studies.append(study)

    def grant(self) -> None:
        chance, world = self.chance, self.world
        study, person = chance.choice(world.studies), chance.choice(world.people)
        kind = chance.choice(("institution", "patient", "patient", "study", "study", "study", "series", "series"))
        named = {
            "institution": {},
            "patient": {"issuer": study.institution, "patient": study.patient},
            "study": {"study": study.uid},
            "series": {"study": study.uid, "series": chance.choice(study.series)},
        }[kind]
        scope = Scope(kind, study.institution, **named)  # type: ignore[arg-type]
        to = chance.choice(
            (Grantee("institution", person.institution), Grantee("role", person.institution, person.role), Grantee("person", person.login))
        )
        purposes = chance.sample(list(PURPOSES), chance.randint(1, 3))
        start, until = period = chance.choice(PERIODS)
        with self.site.center.begin(SYSTEM) as tx:
            number = give(tx, scope, to, purposes, start=start, until=until)
        # without a start a grant begins when it is made, which is before every question
        world.grants.append(Grant(number, scope, to, frozenset(purposes), period))

    def consent(self) -> None:
        chance, world = self.chance, self.world
        study = chance.choice(world.studies)
        patient = Patient(study.institution, study.institution, study.patient)
        audience = chance.choice(("everyone", "others", "others", "institution"))
        to = chance.choice(CODES) if audience == "institution" else None
        purposes = chance.sample(list(PURPOSES), chance.randint(1, 4))
        decision = chance.choice(("permit", "refuse"))
        start, until = period = chance.choice(PERIODS)
        with self.site.center.begin(SYSTEM) as tx:
            number = record_consent(tx, patient, decision, purposes, audience=audience, to=to, start=start, until=until)
        world.consents.append(Consent(number, patient, decision, frozenset(purposes), audience, to, period))

    def policy(self) -> None:
        chance = self.chance
        code, purpose = chance.choice(CODES), chance.choice(list(PURPOSES))
        audience, rule = chance.choice(("own", "others")), chance.choice(("permit", "consent", "refuse"))
        with self.site.center.begin(SYSTEM) as tx:
            set_policy(tx, code, purpose, audience, rule)
        self.world.policies[code, purpose, audience] = rule

    def end(self) -> None:
        grants = [one for one in self.world.grants if not one.revoked]
        consents = [one for one in self.world.consents if not one.withdrawn]
        with self.site.center.begin(SYSTEM) as tx:
            for grant in self.chance.sample(grants, len(grants) // 4):
                revoke(tx, grant.number)
                grant.revoked = True
            for consent in self.chance.sample(consents, len(consents) // 4):
                withdraw_consent(tx, consent.number)
                consent.withdrawn = True

    def actor(self, person: Person, purpose: str) -> Actor:
        """The actor of a person for any purpose, also one that its role does not have: the rows are asked here, not the role."""
        with self.site.center.begin(SYSTEM) as tx:
            known = replace(gate.account_actor(tx, person.login), purpose=purpose)
            return actors.acting(tx, known, [party("person", known.account or 0)], reads=person.role in READERS)

    def compare(self) -> Iterator[tuple[str, object, object]]:
        """Every question, the oracle's answer and the database's."""
        for person in self.world.people:
            for purpose in PURPOSES:
                with self.site.center.begin(self.actor(person, purpose)) as tx:
                    ask = tx.connection.execute
                    institution = {row[0]: row[1] for row in ask("select id, code from institution")}
                    listed = {(row[0], institution[row[1]]) for row in ask("select study_uid, institution_id from study")}
                    series = {(row[0], institution[row[1]]) for row in ask("select series_uid, institution_id from series")}
                    names = ask("select count(*) from name_key").fetchone()[0]
                    page = self.site.center.archive.find(tx, Query(Level.STUDY, limit=1000))
                for study in self.world.studies:
                    case = f"{person} {purpose} {study}"
                    yield case, self.world.sees(person, purpose, study), (study.uid, study.institution) in listed
                    for one in study.series:
                        yield f"{case} {one}", self.world.sees(person, purpose, study, one), (one, study.institution) in series
                yield f"{person} {purpose} names", len(listed), names
                yield f"{person} {purpose} page", len(listed), len(page.rows)
                yield f"{person} {purpose} uids", {uid for uid, _ in listed}, {row["0020000D"]["Value"][0] for row in page.rows}


@pytest.mark.parametrize("seed", range(3))
def test_the_database_decides_as_the_oracle_does(center: Site, seed: int) -> None:
    maker = Maker(center, random.Random(seed))
    maker.studies(25)
    asked = 0
    for round_ in range(3):
        for verb, times in ((maker.grant, 25), (maker.consent, 10), (maker.policy, 3)):
            for _ in range(times):
                verb()
        maker.studies(5)  # what was said before holds for what comes later
        if round_:
            maker.end()
        wrong = []
        for case, expected, found in maker.compare():
            asked += 1
            if expected != found:
                wrong.append((case, expected, found))
        assert not wrong, (len(wrong), wrong[:5])
    assert asked > 10_000


def test_who_may_see_one_series_is_told_of_no_other(center: Site) -> None:
    files = [instance(1, series, sop, Modality=modality) for series, sop, modality in ((1, 1, "CT"), (1, 2, "CT"), (2, 3, "MR"))]
    center.institution("HOLDER")
    reader = center.institution("READER")
    center.put(files, center.reader("HOLDER"))
    with center.center.begin(center.reader("HOLDER")) as tx:
        give(tx, Scope("series", "HOLDER", study="2.25.1", series="2.25.1.2"), Grantee("institution", "READER"), ["treatment"])
    for level in (Level.STUDY, Level.SERIES, Level.INSTANCE):
        [row] = center.find(level, actor=reader, include=None).rows
        assert "2.25.1.1" not in str(row).replace("2.25.1.2", "")
        assert (row["00080061"]["Value"], row["00201206"]["Value"], row["00201208"]["Value"]) == (["MR"], [1], [1])
    [patient] = center.find(Level.PATIENT, actor=reader, include=None).rows
    assert (patient["00201202"]["Value"], patient["00201204"]["Value"]) == ([1], [1])
    with center.center.begin(reader) as tx:
        page = center.center.lists.studies(tx, StudyFilter(NOW.date()))
        study = center.center.lists.study(tx, "2.25.1")
    assert (page.rows[0].modalities, page.rows[0].series, page.rows[0].instances) == (("MR",), 1, 1)
    assert {facet.value for facet in page.facets["modality"]} == {"MR"}
    assert study is not None
    assert [one.series_uid for one in study.series] == ["2.25.1.2"]


def test_a_list_is_its_decisions_one_by_one(center: Site) -> None:
    maker = Maker(center, random.Random(7))
    maker.studies(30)
    for _ in range(30):
        maker.grant()
        maker.consent()
    for person in maker.world.people:
        with center.center.begin(maker.actor(person, "treatment")) as tx:
            archive = center.center.archive
            listed = {row["0020000D"]["Value"][0] for row in archive.find(tx, Query(Level.STUDY, limit=1000)).rows}
            one_by_one = {
                study.uid
                for study in maker.world.studies
                if archive.find(tx, Query(Level.STUDY, (Match(("0020000D",), (study.uid,)),))).rows
            }
        assert listed == one_by_one
