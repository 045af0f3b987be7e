"""Answers of the archive: what they hold, how they are paged and counted, and that they are never without an end."""

from __future__ import annotations

import pytest

from panorad.data.imaging import service
from panorad.model.actor import SYSTEM
from panorad.model.query import Level, Query
from panorad.testing import Site

from .arrivals import body, instance


@pytest.fixture
def site(center: Site) -> Site:
    """Two patients; P1 has a study of two series with three and one instances."""
    center.put([instance(1, 1, n, PatientName="Li^Lei", Rows=8, Columns=8) for n in (1, 2, 3)] + [instance(1, 2, 1, Modality="MR")])
    center.put([instance(2, 1, 1, AccessionNumber="A2")])
    return center


@pytest.mark.parametrize("level", Level)
def test_every_answer_carries_what_its_level_must_return(site: Site, level: Level) -> None:
    for row in site.find(level).rows:
        assert set(service.RETURNED[level]) <= set(row)
        assert list(row) == sorted(row)
        assert all(set(element) <= {"vr", "Value"} and element.get("Value", ["x"]) for element in row.values())


def test_counts_of_what_is_below(site: Site) -> None:
    [patient] = site.find(Level.PATIENT, {"00100020": "P1"}).rows
    assert [patient[tag]["Value"] for tag in ("00201200", "00201202", "00201204") if tag in patient] in ([], [[1], [2], [4]])
    [study] = site.find(Level.STUDY, {"00100020": "P1"}).rows
    assert (study["00201206"]["Value"], study["00201208"]["Value"], study["00080061"]["Value"]) == ([2], [4], ["CT", "MR"])
    first, second = site.find(Level.SERIES, {"0020000D": "2.25.1"}).rows
    assert (first["00201209"]["Value"], second["00201209"]["Value"]) == ([3], [1])


def test_series_below_no_study_key_tell_of_their_study(site: Site) -> None:
    assert "00100020" in site.find(Level.SERIES).rows[0]
    assert "00100020" not in site.find(Level.SERIES, {"0020000D": "2.25.1"}).rows[0]


def test_include_adds_one_attribute_or_all(site: Site) -> None:
    [row] = site.find(Level.INSTANCE, {"00080018": "2.25.1.1.2"}, include=frozenset({"00080060", "00100010"})).rows
    assert row["00100010"]["Value"] == [{"Alphabetic": "Li^Lei"}]
    [everything] = site.find(Level.INSTANCE, {"00080018": "2.25.1.1.2"}, include=None).rows
    assert {tag for tag in row if "Value" in row[tag]} <= set(everything)
    assert "00080005" in everything or "00201208" in everything


def test_pages_join_to_the_whole_and_tell_the_total(site: Site) -> None:
    pages = [site.find(Level.INSTANCE, limit=2, offset=offset) for offset in range(0, 8, 2)]
    uids = [row["00080018"]["Value"][0] for page in pages for row in page.rows]
    assert sorted(uids) == sorted(["2.25.1.1.1", "2.25.1.1.2", "2.25.1.1.3", "2.25.1.2.1", "2.25.2.1.1"])
    assert [page.total for page in pages] == [5, 5, 5, 5]
    assert [len(page.rows) for page in pages] == [2, 2, 1, 0]


def test_a_total_is_counted_up_to_its_cap(center: Site) -> None:
    with center.center.owner() as begin, begin(SYSTEM) as tx:
        tx.connection.execute(
            "insert into study (institution_id, issuer, patient_id, study_uid)"
            " select 1, 'X', n::text, '2.25.' || n from generate_series(1, %s) n",
            (service.COUNT_CAP + 50,),
        )
    page = center.find(Level.STUDY, limit=10)
    assert (len(page.rows), page.total, page.exact) == (10, service.COUNT_CAP, False)
    page = center.find(Level.STUDY, limit=10, offset=service.COUNT_CAP + 45)
    assert (len(page.rows), page.exact) == (5, True)
    assert len(center.find(Level.STUDY).rows) == Query(Level.STUDY).limit == 100


def test_an_instance_held_twice_is_given_once_the_first(center: Site) -> None:
    county, town = center.institution("COUNTY"), center.institution("TOWN")
    center.put([instance(PatientComments="first")], county)
    center.put([instance(PatientComments="second")], town)
    assert center.read("2.25.1") == [body(instance(PatientComments="first"))]
    assert center.read("2.25.1", actor=town) == [body(instance(PatientComments="second"))]
    assert center.read("2.25.1", "2.25.1.1", "2.25.1.1.1") == [body(instance(PatientComments="first"))]
    assert center.read("2.25.1", "2.25.9") == center.read("2.25.9") == []
