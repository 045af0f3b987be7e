"""What the pages list: studies with facets, a study's series, instances and events, and input that was not taken as it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

ORDERS = ("patient", "study_date", "description", "institution", "received")
"""Columns a list of studies can be ordered by; a leading minus turns the order round."""

Recency = Literal["", "today", "7", "30"]
"""Study Date within today, the last 7 or 30 days; empty for all."""


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """One page of the study list: what the search box and the facets ask.

    `text` is name, pinyin, initials, Patient ID, Accession Number or UID. `institution` is an institution's code. `today` is the
    date at the site, against which `recency` counts (Study Date, inclusive). `language` is that of the names of institutions.
    """

    today: date
    text: str = ""
    modality: str = ""
    institution: str = ""
    recency: Recency = ""
    order: str = "-received"
    limit: int = 50
    offset: int = 0
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Facet:
    """One value of a facet with how many studies it would leave, the other facets kept as they are."""

    value: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One study as a list shows it. Names are in DICOM form (PS3.5 section 6.2.1.1, groups joined by =), dates are DA and TM."""

    study_uid: str
    institution_code: str
    institution_name: str
    patient_name: str
    patient_id: str
    issuer: str
    birth_date: str
    sex: str
    study_date: str
    study_time: str
    accession: str
    description: str
    modalities: tuple[str, ...]
    series: int
    instances: int
    first_received: datetime
    last_received: datetime
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class StudyPage:
    """One page of studies. `total` counts all matches up to a cap; `exact` tells whether the cap was not reached.

    `facets` has the keys modality, institution and date (values of `Recency`).
    """

    rows: tuple[StudyRow, ...]
    total: int
    exact: bool = True
    facets: Mapping[str, tuple[Facet, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One series of a study. `settled`: quiet long enough for its metadata document to be made."""

    series_uid: str
    number: int | None
    modality: str
    description: str
    body_part: str
    instances: int
    settled: bool
    first_sop_uid: str


@dataclass(frozen=True, slots=True)
class StudyDetail:
    """One study with its series, ordered by Series Number."""

    row: StudyRow
    series: tuple[SeriesRow, ...]


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One instance of a series; `bytes` is the length of its Part 10 file, `frames` None when it holds no pixels."""

    sop_uid: str
    sop_class: str
    number: int | None
    transfer_syntax: str
    rows: int | None
    columns: int | None
    frames: int | None
    bytes: int


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of the process archive as a page shows it; `kind` is a key of `panorad.model.event.KINDS`."""

    at: datetime
    kind: str
    actor_name: str
    actor_kind: str
    institution: str
    outcome: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """Input kept aside because it could not be taken: `kind` is the sort of fault, `reason` its sentence, `source` the sender."""

    id: int
    at: datetime
    institution_code: str
    source: str
    sop_uid: str
    kind: str
    reason: str
    bytes: int
    key: str


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """The same UIDs as a stored instance with other content: kept beside it as `kept_as`, and flagged."""

    id: int
    at: datetime
    institution_code: str
    sop_uid: str
    study_uid: str
    kept_as: str
    reason: str
