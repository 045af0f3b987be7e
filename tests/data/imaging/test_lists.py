"""The lists that pages show: filters, facets, orders, and a fixed number of statements."""

from __future__ import annotations

from datetime import date

import pytest

from panorad.model.actor import SYSTEM, Actor
from panorad.model.study_list import ORDERS, StudyFilter, StudyPage
from panorad.testing import Site

from .arrivals import instance

TODAY = date(2024, 5, 10)


@pytest.fixture
def site(center: Site) -> Site:
    """Five studies of two institutions, on four days, of three modalities."""
    county, town = center.institution("COUNTY"), center.institution("TOWN")
    for number, (actor, day, modality, name) in enumerate(
        [
            (county, "20240510", "CT", "Zhang^San"),
            (county, "20240504", "MR", "Li^Si"),
            (town, "20240503", "CT", "Wang^Wu"),
            (town, "20240101", "DX", "An^An"),
            (town, "", "CT", ""),
        ],
        1,
    ):
        center.put([instance(number, 1, 1, StudyDate=day, Modality=modality, PatientName=name)], actor)
    return center


def page(site: Site, actor: Actor = SYSTEM, **wanted: object) -> StudyPage:
    with site.center.begin(actor) as tx:
        return site.center.lists.studies(tx, StudyFilter(TODAY, **wanted))  # type: ignore[arg-type]


def patients(found: StudyPage) -> list[str]:
    return [row.patient_id for row in found.rows]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "P1 P2 P3 P4 P5"),
        ({"modality": "CT"}, "P1 P3 P5"),
        ({"institution": "TOWN"}, "P3 P4 P5"),
        ({"institution": "NOWHERE"}, ""),
        ({"recency": "today"}, "P1"),
        ({"recency": "7"}, "P1 P2"),
        ({"recency": "30"}, "P1 P2 P3"),
        ({"text": "zhang"}, "P1"),
        ({"text": "P4"}, "P4"),
        ({"modality": "CT", "institution": "TOWN", "recency": "30"}, "P3"),
        ({"text": "nobody"}, ""),
    ],
)
def test_filters(site: Site, wanted: dict[str, str], expected: str) -> None:
    found = page(site, **wanted)
    assert sorted(patients(found)) == expected.split()
    assert (found.total, found.exact) == (len(expected.split()), True)


def test_a_facet_counts_what_choosing_it_would_leave(site: Site) -> None:
    found = page(site, modality="CT")
    assert {facet.value: facet.count for facet in found.facets["modality"]} == {"CT": 3, "MR": 1, "DX": 1}
    assert {facet.value: facet.count for facet in found.facets["institution"]} == {"TOWN": 2, "COUNTY": 1}
    assert {facet.value: facet.count for facet in found.facets["date"]} == {"today": 1, "7": 1, "30": 2, "": 3}
    for name, key in (("modality", "modality"), ("institution", "institution"), ("date", "recency")):
        for facet in page(site).facets[name]:
            assert page(site, **{key: facet.value}).total == facet.count


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_turns_round(site: Site, order: str) -> None:
    forwards, backwards = page(site, order=order), page(site, order=f"-{order}")
    keys = {
        "patient": "patient_name",
        "study_date": "study_date",
        "description": "description",
        "institution": "institution_code",
        "received": "last_received",
    }
    up, down = ([getattr(row, keys[order]) for row in found.rows] for found in (forwards, backwards))
    assert [value for value in up if value] == sorted(value for value in up if value)
    assert [value for value in down if value] == sorted((value for value in down if value), reverse=True)


def test_pages_are_a_fixed_number_of_statements(site: Site) -> None:
    asked: list[int] = []
    for limit in (1, 50):
        with site.center.begin(SYSTEM) as tx:
            count = 0
            run = tx.connection

            class Counted:
                def rows(self, statement: str, parameters: object) -> list[tuple[object, ...]]:
                    nonlocal count
                    count += 1
                    return run.rows(statement, parameters)  # type: ignore[no-any-return]  # noqa: B023

            tx.connection = Counted()
            site.center.lists.studies(tx, StudyFilter(TODAY, limit=limit))
            tx.connection = run
            asked.append(count)
    assert asked[0] == asked[1] <= 5


def test_a_study_with_its_series_and_instances(site: Site) -> None:
    site.put([instance(1, 2, n, Modality="SR", SeriesDescription="Report") for n in (2, 1)], site.reader("COUNTY"))
    with site.center.begin(SYSTEM) as tx:
        detail = site.center.lists.study(tx, "2.25.1")
        assert detail is not None
        assert [(row.series_uid, row.modality, row.instances, row.first_sop_uid) for row in detail.series] == [
            ("2.25.1.1", "CT", 1, "2.25.1.1.1"),
            ("2.25.1.2", "SR", 2, "2.25.1.2.1"),
        ]
        rows, total = site.center.lists.instances(tx, "2.25.1", "2.25.1.2", 1, 1)
        assert ([row.sop_uid for row in rows], total) == (["2.25.1.2.2"], 2)
        metadata = site.center.lists.metadata(tx, "2.25.1", "2.25.1.2", "2.25.1.2.1")
        assert metadata is not None
        assert metadata["0008103E"]["Value"] == ["Report"]
        assert site.center.lists.metadata(tx, "2.25.1", "2.25.1.2", "2.25.9") is None
        assert site.center.lists.study(tx, "2.25.999") is None


def test_the_watermark_changes_with_what_the_actor_sees(site: Site) -> None:
    def mark(actor: Actor) -> str:
        with site.center.begin(actor) as tx:
            return site.center.lists.watermark(tx)

    county, town = site.reader("COUNTY"), site.reader("TOWN")
    before = mark(county), mark(town)
    assert (mark(county), mark(town)) == before
    site.put([instance(9)], town)
    assert mark(county) == before[0]
    assert mark(town) != before[1]
