"""Matching by every kind of key (PS3.4 C.2.2.2): a golden table, a brute-force oracle, and what must be refused, warned of or inert."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from panorad.data.imaging.matching import QueryInvalid
from panorad.model.actor import SYSTEM
from panorad.model.query import Level, Match, Query
from panorad.testing import Databases, Site
from panorad.testing import center as whole_center

from .arrivals import instance

NAME, ID, ISSUER, BORN, SEX = "00100010", "00100020", "00100021", "00100030", "00100040"
DATE, TIME, ACCESSION, MODALITIES, REFERRING, STUDY_TEXT, STUDY_UID = (
    "00080020",
    "00080030",
    "00080050",
    "00080061",
    "00080090",
    "00081030",
    "0020000D",
)
MODALITY, SERIES_UID, SERIES_NUMBER, SOP_CLASS, SOP_UID, NUMBER = "00080060", "0020000E", "00200011", "00080016", "00080018", "00200013"


def code(value: str, scheme: str = "SCT") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, f"meaning of {value}"
    return item


STUDIES = {
    1: {
        "PatientName": "Wang^XiaoDong=王^小东",
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientID": "A%1",
        "StudyDate": "20240101",
        "StudyTime": "083000",
        "AccessionNumber": "ACC_1",
        "StudyDescription": "CT Thorax",
        "PatientSex": "M",
        "PatientBirthDate": "19700131",
    },
    2: {
        "PatientName": "Zhang^San=张^三",
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientID": "A_1",
        "StudyDate": "20240229",
        "StudyTime": "1030",
        "AccessionNumber": "ACC%1",
        "StudyDescription": "CT thorax",
        "PatientSex": "F",
        "PatientBirthDate": "19800101",
    },
    3: {
        "PatientName": "SMITH^JOHN^Q^Dr^Jr",
        "PatientID": "AB1",
        "StudyDate": "20240301",
        "StudyTime": "235959.5",
        "AccessionNumber": "ACCX1",
        "StudyDescription": "100% MR",
        "ReferringPhysicianName": "Doe^Jane",
    },
    4: {
        "PatientName": "Smithers^Waylon",
        "PatientID": "a%1",
        "StudyDate": "20231231",
        "StudyTime": "07",
        "Modality": "MR",
        "StudyID": "S4",
        "ProcedureCodeSequence": Sequence([code("P5-0001"), code("P5-0002", "LN")]),
    },
    5: {"PatientName": "Müller^Jörg", "SpecificCharacterSet": "ISO_IR 100", "PatientID": "12345", "Modality": "SR", "StudyDescription": ""},
    6: {"PatientName": "", "PatientID": "", "StudyDate": "", "StudyTime": "", "ProcedureCodeSequence": Sequence([code("P5-0002", "SCT")])},
}


@pytest.fixture(scope="module")
def site(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Six studies; study 4 has a second series of modality CT, and each first series two instances."""
    with whole_center(databases, tmp_path_factory.mktemp("matching") / "home") as made:
        for number, attributes in STUDIES.items():
            made.put([instance(number, 1, n, **attributes) for n in (1, 2)])
        made.put([instance(4, 2, 1, **(STUDIES[4] | {"Modality": "CT"}))])
        yield made


def studies(site: Site, *matches: Match, **query: object) -> set[int]:
    page = site.find(Level.STUDY, matches=matches, **query)
    return {int(row[STUDY_UID]["Value"][0].rsplit(".", 1)[1]) for row in page.rows}


ALL = {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize(
    ("tag", "values", "expected"),
    [
        # universal matching
        (ID, (), ALL),
        (ID, ("",), ALL),
        (ID, ("*",), ALL),
        (DATE, ("",), ALL),
        (DATE, ("-",), ALL),
        # single value matching: case counts, but for person names
        (ID, ("AB1",), {3}),
        (ID, ("ab1",), set()),
        (ID, (" AB1 ",), {3}),
        (ACCESSION, ("ACC_1",), {1}),
        (STUDY_TEXT, ("CT thorax",), {2}),
        (SEX, ("F",), {2}),
        ("00200010", ("S4",), {4}),
        # wildcards; % and _ are letters
        (ID, ("A*",), {1, 2, 3}),
        (ID, ("A?1",), {1, 2, 3}),
        (ID, ("A%1",), {1}),
        (ID, ("A_1",), {2}),
        (ID, ("A%*",), {1}),
        (ID, ("*1",), {1, 2, 3, 4}),
        (ID, ("?%?",), {1, 4}),
        (ACCESSION, ("ACC_*",), {1}),
        (ACCESSION, ("ACC%?",), {2}),
        (STUDY_TEXT, ("100%*",), {3}),
        (STUDY_TEXT, ("*\\*",), set()),
        (ID, ("*****",), ALL),
        (STUDY_TEXT, ("CT*horax",), {1, 2}),
        (STUDY_TEXT, ("?T ?horax",), {1, 2}),
        (ID, ("1234?",), {5}),
        (ID, ("12345?",), set()),
        # person names: without regard to case, in any component group, trailing delimiters do not count
        (NAME, ("smith^john*",), {3}),
        (NAME, ("SMITH*",), {3, 4}),
        (NAME, ("smith",), set()),
        (NAME, ("Smith^John^Q^Dr^Jr",), {3}),
        (NAME, ("smithers^waylon^^",), {4}),
        (NAME, ("*waylon",), {4}),
        (NAME, ("Zhang^San",), {2}),
        (NAME, ("张^三",), {2}),
        (NAME, ("张*",), {2}),
        (NAME, ("Zhang^San=张^三",), {2}),
        (NAME, ("=张^三",), {2}),
        (NAME, ("=张*",), {2}),
        (NAME, ("=Zhang*",), set()),
        (NAME, ("=*",), ALL),
        (NAME, ("==*",), ALL),
        (NAME, ("王*",), {1}),
        (NAME, ("*小*",), {1}),
        (NAME, ("m?ller*",), {5}),
        (NAME, ("MÜLLER^JÖRG",), {5}),
        (NAME, ("Wang^*dong",), {1}),
        (REFERRING, ("doe^jane",), {3}),
        (REFERRING, ("DOE*",), {3}),
        (NAME, ("*^*^Q*",), {3}),
        # dates and ranges
        (DATE, ("20240101",), {1}),
        (DATE, ("2024.01.01",), {1}),
        (DATE, ("20240101-20240229",), {1, 2}),
        (DATE, ("20240229-",), {2, 3}),
        (DATE, ("-20231231",), {4}),
        (DATE, ("-20240101",), {1, 4}),
        (DATE, ("20240230-20240228",), None),
        (DATE, ("20250101-20240101",), set()),
        (BORN, ("19700131",), {1}),
        (BORN, ("19700101-19801231",), {1, 2}),
        # times; one of partial precision stands for the whole hour, minute or second
        (TIME, ("0830",), {1}),
        (TIME, ("083000",), {1}),
        (TIME, ("08",), {1}),
        (TIME, ("1030",), {2}),
        (TIME, ("103000",), {2}),
        (TIME, ("10",), {2}),
        (TIME, ("235959.5",), {3}),
        (TIME, ("235959",), {3}),
        (TIME, ("0700-0830",), {1, 4}),
        (TIME, ("0800-1030",), {1, 2}),
        (TIME, ("1031-",), {3}),
        (TIME, ("-0759",), {4}),
        (TIME, ("-08",), {1, 4}),
        (TIME, ("08:30:00",), {1}),
        # UID lists
        (STUDY_UID, ("2.25.1",), {1}),
        (STUDY_UID, ("2.25.1\\2.25.3",), {1, 3}),
        (STUDY_UID, ("2.25.1,2.25.3",), {1, 3}),
        (STUDY_UID, ("2.25.1", "2.25.3"), {1, 3}),
        (STUDY_UID, ("2.25.*",), set()),
        (STUDY_UID, ("2.25",), set()),
        # several values, numbers, multi-valued attributes
        (ID, ("AB1", "12345"), {3, 5}),
        ("00201206", ("2",), {4}),
        ("00201208", ("3",), {4}),
        (MODALITIES, ("CT",), {1, 2, 3, 4, 6}),
        (MODALITIES, ("MR",), {4}),
        (MODALITIES, ("M*",), {4}),
        (MODALITIES, ("MR", "SR"), {4, 5}),
        (MODALITIES, ("C",), set()),
        (ISSUER, ("CENTER",), ALL),
    ],
)
def test_golden_table(site: Site, tag: str, values: tuple[str, ...], expected: set[int] | None) -> None:
    if expected is None:
        with pytest.raises(QueryInvalid):
            studies(site, Match((tag,), values))
    else:
        assert studies(site, Match((tag,), values)) == expected


@pytest.mark.parametrize(
    ("level", "matches", "count"),
    [
        (Level.PATIENT, [((ID,), "A*")], 3),
        (Level.SERIES, [((MODALITY,), "CT")], 5),
        (Level.SERIES, [((MODALITY,), "CT"), ((STUDY_UID,), "2.25.4")], 1),
        (Level.SERIES, [((SERIES_NUMBER,), "2")], 1),
        (Level.SERIES, [((SERIES_UID,), "2.25.4.1\\2.25.4.2")], 2),
        (Level.INSTANCE, [((SOP_UID,), "2.25.4.2.1")], 1),
        (Level.INSTANCE, [((NUMBER,), "2")], 6),
        (Level.INSTANCE, [((SOP_CLASS,), "1.2.840.10008.5.1.4.1.1.2")], 13),
        (Level.INSTANCE, [((SOP_CLASS,), "1.2.840.10008.5.1.4.1.1.4")], 0),
        (Level.INSTANCE, [((NAME,), "smith*"), ((DATE,), "2024-")], 2),
        (Level.STUDY, [(("00081032", "00080100"), "P5-0001")], 1),
        (Level.STUDY, [(("00081032", "00080100"), "P5-*")], 2),
        (Level.STUDY, [(("00081032", "00080100"), "P5-0002"), (("00081032", "00080102"), "SCT")], 1),
        (Level.STUDY, [(("00081032", "00080100"), "P5-0001"), (("00081032", "00080102"), "LN")], 0),
    ],
)
def test_levels_and_sequences(site: Site, level: Level, matches: list[tuple[tuple[str, ...], str]], count: int) -> None:
    if any(value == "2024-" for _, value in matches):
        matches = [(path, "20240101-" if value == "2024-" else value) for path, value in matches]
    assert site.find(level, matches=[Match(path, (value,)) for path, value in matches]).total == count


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("zhang san", {2}),
        ("san zhang", {2}),
        ("zs", {2}),
        ("张三", {2}),
        ("wang xiao", {1}),
        ("wxd", {1}),
        ("xiaodong", {1}),
        ("muller", {5}),
        ("mueller", {5}),
        ("smi", {3, 4}),
        ("smith joh", {3}),
        ("nobody", set()),
        ("Zhang^S", {2}),
        ("Zhang^San=张^三", {2}),
    ],
)
def test_fuzzy_names_and_the_search_box(site: Site, name: str, expected: set[int]) -> None:
    assert studies(site, Match((NAME,), (name,)), fuzzy=True) == expected
    if "^" not in name:
        assert studies(site, text=name) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12345", {5}),
        ("1234", {5}),
        ("A%", {1}),
        ("A_", {2}),
        ("ACC", {1, 2, 3}),
        ("ACC%", {2}),
        ("2.25.3", {3}),
        ("2.25.4.2", {4}),
        ("2.25.4.2.1", {4}),
        ("2.25.9.9", set()),
        ("  AB1 ", {3}),
        ("", ALL),
        ("'", set()),
        ("\0", ALL),
        ("\ud800", set()),
    ],
)
def test_the_search_box_finds_identifiers(site: Site, text: str, expected: set[int]) -> None:
    assert studies(site, text=text) == expected


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (DATE, "yesterday"),
        (DATE, "20240230"),
        (DATE, "20240101-20240102-20240103"),
        (DATE, "２０２４０１０１"),
        (TIME, "25"),
        (TIME, "1"),
        (TIME, "1060"),
        ("00201206", "many"),
        ("00201208", "1*"),
        (BORN, "1970*"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_key(site: Site, tag: str, value: str) -> None:
    with pytest.raises(QueryInvalid, match=tag):
        site.find(Level.STUDY, {tag: value})


@pytest.mark.parametrize(
    "text", ["' or true --", "'; drop table study; --", "%(p0)s", "%s", "{}", "\\", "\\'", "%", "_", "\0", "\ud800", "$1", "a\nb"]
)
def test_statements_in_values_are_only_values(site: Site, text: str) -> None:
    for tag in (ID, NAME, STUDY_TEXT, STUDY_UID, MODALITIES, "00081080"):
        assert site.find(Level.STUDY, {tag: f"qq{text}"}).total == 0
        assert site.find(Level.STUDY, {tag: f"qq{text}*"}).total == 0
    assert site.find(Level.STUDY, {}, text=f"qq{text}").total == 0
    assert site.find(Level.STUDY, matches=[Match(("00081032", "00080100"), (text,))]).total == 0
    assert site.find().total == 6


def test_keys_that_cannot_be_matched_leave_a_warning(site: Site) -> None:
    page = site.find(Level.STUDY, {MODALITY: "CT", "00189999": "x", "00280010": "512"})
    assert page.total == 6
    assert len(page.warnings) == 3
    assert all(any(tag in warning for warning in page.warnings) for tag in (MODALITY, "00189999", "00280010"))


# -- the oracle ------------------------------------------------------------------------------------------------------------------------


class Oracle:
    """Matching by plain Python over the attributes as they were sent."""

    KEYWORDS = {
        NAME: "PatientName",
        ID: "PatientID",
        DATE: "StudyDate",
        TIME: "StudyTime",
        ACCESSION: "AccessionNumber",
        STUDY_TEXT: "StudyDescription",
        SEX: "PatientSex",
        STUDY_UID: "StudyInstanceUID",
        MODALITIES: "Modality",
    }

    def matches(self, sent: dict[str, str], tag: str, value: str) -> bool:
        have = sent.get(self.KEYWORDS[tag], "")
        if value in ("", "*"):
            return True
        if tag == NAME:
            return any(self.wild(group.casefold(), value.casefold()) for group in [have, *have.split("=")])
        if tag == DATE:
            low, _, high = value.partition("-")
            return bool(have) and (have == value if "-" not in value else (not low or low <= have) and (not high or have <= high))
        if tag == TIME:
            low, _, high = value.partition("-") if "-" in value else (value, "", value)
            at = have.ljust(6, "0")
            return bool(have) and (not low or at >= low.ljust(6, "0")) and (not high or at <= high + "235959"[len(high) :])
        if tag == STUDY_UID:
            return have in value.split("\\")
        return self.wild(have, value)

    @staticmethod
    def wild(have: str, pattern: str) -> bool:
        expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
        return re.fullmatch(expression, have, re.DOTALL) is not None


def random_study(chance: random.Random, number: int) -> dict[str, str]:
    def some(*values: str) -> str:
        return chance.choice(values)

    family, given = some("Li", "Lin", "LI", "O%Brien", "Wang", "Smith", "smith", "van Dyck"), some("Wei", "An", "anna", "", "A_n")
    return {
        "PatientName": f"{family}^{given}".rstrip("^"),
        "PatientID": some("A", "B", "AB", "A_", "A%", "") + str(chance.randrange(30)),
        "StudyDate": some("", f"2024{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}"),
        "StudyTime": some("", f"{chance.randrange(24):02}{chance.randrange(60):02}{chance.randrange(60):02}", f"{chance.randrange(24):02}"),
        "AccessionNumber": some("", "X", "Y%", "Y_") + str(chance.randrange(50)),
        "StudyDescription": some("", "CT Thorax", "CT%", "Head_Neck", "head"),
        "PatientSex": some("M", "F", "O", ""),
        "Modality": some("CT", "MR", "DX"),
        "StudyInstanceUID": f"2.25.{number}",
    }


def random_key(chance: random.Random, sent: list[dict[str, str]]) -> tuple[str, str]:
    tag = chance.choice(list(Oracle.KEYWORDS))
    value = chance.choice(sent).get(Oracle.KEYWORDS[tag], "")
    turn = chance.random()
    if tag == DATE and turn < 0.7:
        low, high = sorted(("20240101" if chance.random() < 0.3 else value or "20240601", f"2024{chance.randrange(1, 13):02}15"))
        return tag, chance.choice([f"{low}-{high}", f"{low}-", f"-{high}"])
    if tag == TIME and turn < 0.7:
        low, high = sorted((f"{chance.randrange(24):02}", f"{chance.randrange(24):02}{chance.randrange(60):02}"))
        return tag, chance.choice([f"{low}-{high}", f"{low}-", f"-{high}", low])
    if tag == STUDY_UID:
        return tag, "\\".join(chance.choice(sent)["StudyInstanceUID"] for _ in range(3))
    if tag in (DATE, TIME):
        return tag, value
    if turn < 0.3:
        return tag, value
    cut = chance.randrange(len(value) + 1)
    return tag, chance.choice(
        [value[:cut] + "*", "*" + value[cut:], value[:cut] + "?" + value[cut + 1 :], f"*{value[cut : cut + 2]}*", value.swapcase()]
    )


def test_the_index_finds_what_brute_force_finds(databases: Databases, tmp_path: Path) -> None:
    """500 random queries of one to three keys over 200 random studies."""
    chance, oracle = random.Random(20240501), Oracle()
    sent = [random_study(chance, number) for number in range(1, 201)]
    with whole_center(databases, tmp_path / "home") as site:
        site.put(
            instance(number, 1, 1, **{**attributes, "SeriesInstanceUID": f"2.25.{number}.1"}) for number, attributes in enumerate(sent, 1)
        )
        found_any = 0
        with site.center.begin(SYSTEM) as tx:
            for _ in range(500):
                keys = dict(random_key(chance, sent) for _ in range(chance.choice([1, 1, 2, 3])))
                matches = tuple(Match((tag,), (value,)) for tag, value in keys.items())
                page = site.center.archive.find(tx, Query(Level.STUDY, matches, limit=300))
                found = {row[STUDY_UID]["Value"][0] for row in page.rows}
                expected = {one["StudyInstanceUID"] for one in sent if all(oracle.matches(one, tag, value) for tag, value in keys.items())}
                assert found == expected, keys
                assert (page.total, page.exact) == (len(expected), True)
                found_any += bool(expected)
        assert found_any > 300
