"""What the archive answers: queries in the DICOM JSON model, instances with their places, the lists that pages show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from panorad.data.imaging import matching, store
from panorad.data.imaging.attributes import level_of
from panorad.data.imaging.blobs import Blobs
from panorad.data.imaging.metadata import instance_metadata
from panorad.kit.transaction import Transaction
from panorad.model.event import Event
from panorad.model.instance import Place, Stored
from panorad.model.query import Level, Page, Query

COUNT_CAP = 10_000
"""Totals are counted up to here; beyond, the page says that there are more."""

_NAMES = {Level.PATIENT: "patients", Level.STUDY: "studies", Level.SERIES: "series", Level.INSTANCE: "instances"}
_VRS = {
    "00080016": "UI", "00080018": "UI", "00080056": "CS", "00080060": "CS", "00080061": "CS", "00083002": "UI", "00100020": "LO",
    "00100021": "LO", "0020000D": "UI", "0020000E": "UI", "00200013": "IS", "00201200": "IS", "00201202": "IS", "00201204": "IS",
    "00201206": "IS", "00201208": "IS", "00201209": "IS", "00280002": "US", "00280008": "IS", "00280010": "US", "00280011": "US",
    "00280100": "US", "00080020": "DA", "00080030": "TM", "00080050": "SH", "00080090": "PN", "00100010": "PN", "00100030": "DA",
    "00100040": "CS", "00200010": "SH", "0008103E": "LO", "00200011": "IS", "00400244": "DA", "00400245": "TM", "00400275": "SQ",
    "00081030": "LO", "00180015": "CS",
}  # fmt: skip

_PATIENT_RETURN = ("00100010", "00100020", "00100021", "00100030", "00100040")
_STUDY_RETURN = (
    "00080020",
    "00080030",
    "00080050",
    "00080056",
    "00080061",
    "00080090",
    *_PATIENT_RETURN,
    "0020000D",
    "00200010",
    "00201206",
    "00201208",
)
_SERIES_RETURN = ("00080060", "0008103E", "0020000E", "00200011", "00201209", "00400244", "00400245", "00400275")
_INSTANCE_RETURN = ("00080016", "00080018", "00080056", "00083002", "00200013", "00280008", "00280010", "00280011", "00280100")
RETURNED: Mapping[Level, tuple[str, ...]] = {
    Level.PATIENT: _PATIENT_RETURN, Level.STUDY: _STUDY_RETURN, Level.SERIES: _SERIES_RETURN, Level.INSTANCE: _INSTANCE_RETURN,
}  # fmt: skip
"""The attributes every answer of a level carries (PS3.18 Tables 10.6.3-3 to 10.6.3-5).

Issuer of Patient ID and the offered syntax added.
"""


@dataclass(frozen=True, slots=True)
class SeriesVersion:
    """A series row and how far it has settled: the document of a settled series never changes while `version` stays."""

    series_uid: str
    id: int
    version: int
    settled: bool
    instances: int


def _element(tag: str, *values: Any) -> dict[str, Any]:
    present = [value for value in values if value not in (None, "")]
    return {"vr": _VRS[tag], "Value": present} if present else {"vr": _VRS[tag]}


def _study_values(row: Sequence[Any]) -> dict[str, Any]:
    attributes, issuer, patient_id, study_uid, modalities, series, instances = row
    return {
        **attributes, "00100020": _element("00100020", patient_id), "00100021": _element("00100021", issuer),
        "0020000D": _element("0020000D", study_uid), "00080061": _element("00080061", *modalities),
        "00201206": _element("00201206", series), "00201208": _element("00201208", instances), "00080056": _element("00080056", "ONLINE"),
    }  # fmt: skip


def _patient_values(row: Sequence[Any]) -> dict[str, Any]:
    attributes, issuer, patient_id, studies, series, instances = row
    return {
        **attributes,
        "00100020": _element("00100020", patient_id),
        "00100021": _element("00100021", issuer),
        "00201200": _element("00201200", studies),
        "00201202": _element("00201202", int(series)),
        "00201204": _element("00201204", int(instances)),
    }


def _series_values(row: Sequence[Any]) -> dict[str, Any]:
    attributes, uid, instances = row[7:10]
    return {**_study_values(row[:7]), **attributes, "0020000E": _element("0020000E", uid), "00201209": _element("00201209", instances)}


def _instance_values(row: Sequence[Any]) -> dict[str, Any]:
    uid, sop_class, syntax, number, frames, rows, columns, bits, samples = row[10:19]
    return {
        **_series_values(row[:10]), "00080018": _element("00080018", uid), "00080016": _element("00080016", sop_class),
        "00083002": _element("00083002", syntax), "00200013": _element("00200013", number), "00280008": _element("00280008", frames),
        "00280010": _element("00280010", rows), "00280011": _element("00280011", columns), "00280100": _element("00280100", bits),
        "00280002": _element("00280002", samples),
    }  # fmt: skip


_VALUES: Mapping[Level, Callable[[Sequence[Any]], dict[str, Any]]] = {
    Level.PATIENT: _patient_values, Level.STUDY: _study_values, Level.SERIES: _series_values, Level.INSTANCE: _instance_values,
}  # fmt: skip


def _wanted(query: Query) -> frozenset[str] | None:
    """The attributes to return: those of the level, of the levels above that the query leaves open, the keys and what was included."""
    if query.include is None:
        return None
    keys = {match.path[0] for match in query.matches}
    wanted = set(RETURNED[query.level]) | keys | query.include | {"0020000D"}
    fixed = {match.path[0] for match in query.matches if match.values}
    if query.level >= Level.SERIES:
        wanted.add("0020000E")
        if "0020000D" not in fixed:
            wanted |= set(_STUDY_RETURN)
    if query.level is Level.INSTANCE and "0020000E" not in fixed:
        wanted |= set(_SERIES_RETURN)
    if query.level is Level.PATIENT:
        wanted.discard("0020000D")
    return frozenset(wanted)


class Archive:
    """The image archive as the layers above see it."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def find(self, tx: Transaction, query: Query, told: Event | None = None) -> Page:
        """One page of what matches, in the DICOM JSON model. Raises QueryInvalid. Never more than `query.limit` rows.

        `told` is the event that tells of the search; it is written with the number of `matches` on the page.
        """
        found = matching.conditions(query)
        name = _NAMES[query.level]
        statement = store.Q[f"find_{name}"].replace("/*where*/", found.where).replace("/*studies*/", matching.studies(tx, found))
        rows = store.page(tx, statement, {**found.parameters, "limit": query.limit, "offset": query.offset}, told)
        total, exact = query.offset + len(rows), True
        if len(rows) == query.limit or (query.offset and not rows):
            studies = matching.studies(tx, found, most="%(cap)s")
            statement = store.Q[f"count_{name}"].replace("/*where*/", found.where).replace("/*studies*/", studies)
            total = store.page(tx, statement, {**found.parameters, "cap": COUNT_CAP + 1})[0][0]
            exact = total <= COUNT_CAP
            total = max(min(total, COUNT_CAP), query.offset + len(rows) if rows else 0)
        wanted = _wanted(query)
        make = _VALUES[query.level]
        answers = tuple(self._row(query, make(row), row, wanted) for row in rows)
        return Page(answers, total, exact, tuple(found.warnings))

    def _row(self, query: Query, values: dict[str, Any], row: Sequence[Any], wanted: frozenset[str] | None) -> dict[str, Any]:
        if query.level is Level.INSTANCE:
            missing = None if wanted is None else {tag for tag in wanted if tag not in values and level_of(int(tag, 16)) is None}
            if missing is None or missing:
                values = {**self._metadata(Place(*row[19:23])), **values}
        if wanted is None:
            return {tag: values[tag] for tag in sorted(values)}
        return {tag: values.get(tag) or {"vr": _VRS.get(tag, "UN")} for tag in sorted(wanted) if tag in values or tag in _VRS}

    def _metadata(self, place: Place) -> dict[str, Any]:
        with self._blobs.view(place) as part10:
            return {tag: value for tag, value in instance_metadata(part10, "").items() if "BulkDataURI" not in value}

    def stored(self, tx: Transaction, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None) -> list[Stored]:
        """The visible instances of a study, series or SOP Instance UID in display order.

        One for each SOP Instance UID of a series, the first received.

        Where several institutions hold the same instance, the copy that came first is given.
        """
        found = store.find_stored(tx, study_uid, series_uid, sop_uid)
        seen: dict[tuple[str, str], Stored] = {}
        for stored in found:
            key = (stored.header.series_uid, stored.header.sop_uid)
            if key not in seen or stored.id < seen[key].id:
                seen[key] = stored
        return [stored for stored in found if seen[stored.header.series_uid, stored.header.sop_uid] is stored]

    def series_versions(self, tx: Transaction, study_uid: str) -> list[SeriesVersion]:
        """The series of a study with their versions, in display order."""
        return [
            SeriesVersion(uid, row_id, version, version == settled, n)
            for uid, row_id, version, settled, n in store.series_versions(tx, study_uid)
        ]

    def statistics(self, tx: Transaction) -> dict[str, int]:
        """Counts of studies, series, instances, bytes, quarantined, conflicts and unsettled series, as far as the actor sees them."""
        return store.statistics(tx)
