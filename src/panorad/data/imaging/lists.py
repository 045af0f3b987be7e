"""The lists that pages show: studies with facets, one study with its series, input that was not taken as it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, time
from pathlib import Path
from typing import Any

from panorad.data.imaging import matching, store
from panorad.data.imaging.blobs import Blobs
from panorad.data.imaging.metadata import instance_metadata
from panorad.data.imaging.service import COUNT_CAP
from panorad.kit.transaction import Transaction
from panorad.model.query import Level, Query
from panorad.model.study_list import (
    ConflictRow,
    Facet,
    InstanceRow,
    QuarantineRow,
    SeriesRow,
    StudyDetail,
    StudyFilter,
    StudyPage,
    StudyRow,
)

_ORDERS = {
    "patient": "s.patient_name", "study_date": "s.study_date", "description": "s.description", "institution": "n.code",
    "received": "s.last_received",
}  # fmt: skip
_BY_INSTITUTION = ("-study_date", "-received")
"""Orders that an index of each institution has."""
_DAYS = {"today": 1, "7": 7, "30": 30}


def _da(value: date | None) -> str:
    return f"{value:%Y%m%d}" if value else ""


def _tm(value: time | None) -> str:
    return f"{value:%H%M%S}" if value else ""


def _study(row: Sequence[Any], language: str) -> StudyRow:
    (uid, code, name, name_zh, patient, patient_id, issuer, born, sex, day, at, accession, description, modalities, series, instances,
     first, last, conflicts, _) = row  # fmt: skip
    label = name_zh if language.startswith("zh") and name_zh else name
    return StudyRow(uid, code, label, patient, patient_id, issuer, _da(born), sex, _da(day), _tm(at), accession, description,
                    tuple(modalities), series, instances, first, last, conflicts)  # fmt: skip


def _found(wanted: StudyFilter) -> matching.Conditions:
    found = matching.conditions(Query(Level.STUDY, text=wanted.text))
    if wanted.modality:
        found.add(f"{found.bind(wanted.modality)} = any (s.modalities)")
    if wanted.institution:
        found.add(f"s.institution_id = (select x.id from institution x where x.code = {found.bind(wanted.institution)})")
    if wanted.recency:
        matching.recent(found, "s.study_date", wanted.today, _DAYS[wanted.recency])
    return found


def _ask(tx: Transaction, name: str, found: matching.Conditions, **more: Any) -> list[tuple[Any, ...]]:
    statement = store.Q[name].replace("/*where*/", found.where).replace("/*studies*/", matching.studies(tx, found, most="%(cap)s"))
    return store.page(tx, statement, {**found.parameters, **more})


class Lists:
    """The lists of the archive that pages show."""

    def __init__(self, blobs: Blobs, quarantine: Path) -> None:
        self._blobs = blobs
        self._quarantine = quarantine

    def watermark(self, tx: Transaction) -> str:
        """A short token that changes whenever the list of studies, quarantined input or conflicts that the actor sees has changed."""
        return store.watermark(tx)

    def studies(self, tx: Transaction, wanted: StudyFilter) -> StudyPage:
        """One page of the study list with its facets: a fixed number of statements, whatever the page holds."""
        found = _found(wanted)
        column = _ORDERS[wanted.order.lstrip("-")]
        way = "desc nulls last" if wanted.order.startswith("-") else "asc nulls last"
        order = f"{column} {way}, s.id desc"
        source = matching.studies(tx, found, order) if wanted.order in _BY_INSTITUTION else "study"
        statement = store.Q["list_studies"].replace("/*where*/", found.where).replace("/*order*/", order).replace("/*studies*/", source)
        rows = store.page(tx, statement, {**found.parameters, "limit": wanted.limit, "offset": wanted.offset})
        cap = COUNT_CAP + 1
        total = _ask(tx, "count_studies", found, cap=cap)[0][0]
        modality = _ask(tx, "facet_modality", _found(replace(wanted, modality="")), cap=cap)
        institution = _ask(tx, "facet_institution", _found(replace(wanted, institution="")), cap=cap)
        days = _ask(tx, "facet_date", _found(replace(wanted, recency="")), cap=cap, today=wanted.today)[0]
        zh = wanted.language.startswith("zh")
        facets = {
            "modality": tuple(Facet(value, value, count) for value, count in modality),
            "institution": tuple(Facet(code, name_zh if zh and name_zh else name, count) for code, name, name_zh, count in institution),
            "date": tuple(Facet(value, value, count) for value, count in zip(("today", "7", "30", ""), days, strict=True)),
        }
        return StudyPage(tuple(_study(row, wanted.language) for row in rows), min(total, COUNT_CAP), total <= COUNT_CAP, facets)

    def study(self, tx: Transaction, uid: str, language: str = "en") -> StudyDetail | None:
        """One study with its series; where several institutions hold it, the first received. None when there is none to be seen."""
        found = matching.Conditions()
        found.add(f"s.study_uid = {found.bind(uid)}")
        statement = store.Q["list_studies"]
        for name, fragment in (("where", found.where), ("order", "s.id"), ("studies", "study")):
            statement = statement.replace(f"/*{name}*/", fragment)
        rows = store.page(tx, statement, {**found.parameters, "limit": 1, "offset": 0})
        if not rows:
            return None
        series = [SeriesRow(*row) for row in store.series_of_study(tx, rows[0][-1])]
        return StudyDetail(_study(rows[0], language), tuple(series))

    def instances(self, tx: Transaction, study_uid: str, series_uid: str, limit: int, offset: int) -> tuple[list[InstanceRow], int]:
        """One page of a series' instances in display order, and how many there are."""
        rows, total = store.instances_of_series(tx, study_uid, series_uid, limit, offset)
        return [InstanceRow(*row) for row in rows], total

    def metadata(self, tx: Transaction, study_uid: str, series_uid: str, sop_uid: str) -> Mapping[str, Any] | None:
        """The attributes of one instance in the DICOM JSON model (PS3.18 Annex F); None when there is none to be seen."""
        found = store.find_stored(tx, study_uid, series_uid, sop_uid)
        if not found:
            return None
        with self._blobs.view(found[0].place) as part10:
            return instance_metadata(part10, f"/dicom-web/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}/bulkdata")

    def quarantined(self, tx: Transaction, limit: int, offset: int, text: str = "") -> tuple[list[QuarantineRow], int]:
        """Input kept aside with its reason, newest first, and how much there is; `text` searches source, reason, UID and institution."""
        rows, total = store.quarantined(tx, text, limit, offset)
        return [QuarantineRow(*row) for row in rows], total

    def quarantined_file(self, tx: Transaction, row_id: int) -> Path | None:
        """The file with the bytes of one quarantined input as they came; None when there is none to be seen."""
        key = store.quarantined_key(tx, row_id)
        return self._quarantine / key if key else None

    def conflicts(self, tx: Transaction, limit: int, offset: int, text: str = "") -> tuple[list[ConflictRow], int]:
        """The same UIDs with other content, newest first, and how many; `text` searches UIDs, reason and institution."""
        rows, total = store.conflicts(tx, text, limit, offset)
        return [
            ConflictRow(row_id, at, code, sop, study, f"version {variant + 1}" if variant else f"series {series}", reason)
            for row_id, at, code, sop, study, series, variant, reason in rows
        ], total
