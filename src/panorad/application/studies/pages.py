"""The contexts of the study pages: everything a template shows, typed, and what the JSON twins say."""

from __future__ import annotations

from dataclasses import dataclass

from panorad.access.web.paging import Paging
from panorad.application.studies.tags import TagRow
from panorad.model.study_list import EventRow, Facet, InstanceRow, SeriesRow, StudyDetail, StudyFilter, StudyRow


@dataclass(frozen=True, slots=True)
class FacetGroup:
    """One facet of the list: the address parameter it sets, its heading, its values, the one chosen."""

    parameter: str
    heading: str
    values: tuple[Facet, ...]
    chosen: str


@dataclass(frozen=True, slots=True)
class StudyListPage:
    """The study list."""

    rows: tuple[StudyRow, ...]
    paging: Paging
    facets: tuple[FacetGroup, ...]
    wanted: StudyFilter
    etag: str

    @property
    def filtered(self) -> bool:
        """Whether anything narrows the list."""
        return bool(self.wanted.text or any(group.chosen for group in self.facets))


@dataclass(frozen=True, slots=True)
class StudyPageContext:
    """One study: its series, a page of the instances of the chosen one, and its latest events."""

    row: StudyRow
    series: tuple[SeriesRow, ...]
    chosen: SeriesRow | None
    instances: tuple[InstanceRow, ...]
    paging: Paging
    events: tuple[EventRow, ...]
    viewer_url: str
    download_url: str
    etag: str


@dataclass(frozen=True, slots=True)
class PreviewContext:
    """The pane beside the list."""

    study: StudyDetail
    pictures: tuple[SeriesRow, ...]
    viewer_url: str


@dataclass(frozen=True, slots=True)
class InstancePage:
    """One instance: its picture and its attributes. `complete` is False when there are more attributes than a page shows."""

    row: StudyRow
    study_uid: str
    series_uid: str
    sop_uid: str
    tags: tuple[TagRow, ...]
    complete: bool
    path: str
    pixels: bool


def viewer_path(study_uid: str) -> str:
    """Where a study opens in the viewer."""
    return f"/viewer/viewer?StudyInstanceUIDs={study_uid}"
