"""The archive's rows: every statement is in `queries.sql`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, cast

from panorad.data.imaging.memory import Memory
from panorad.kit import db
from panorad.kit.sql import Queries
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor
from panorad.model.event import Event
from panorad.model.instance import Description, Fate, Header, Place, Stored

Q = Queries(__file__)
retry = db.retry
_DATE = re.compile(r"\d{8}")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")


@lru_cache(65536)
def sop_key(uid: str) -> int:
    """The short key of a SOP Instance UID in the index: a signed 64-bit number."""
    return int.from_bytes(blake2b(uid.encode(), digest_size=8).digest(), "big", signed=True)


_LONGEST_KEY = 200


def key_text(text: str) -> str:
    """An identifier as the index keys it: one too long for an index entry is cut and told apart by a digest of the whole."""
    return (
        text
        if len(text) <= _LONGEST_KEY
        else f"{text[:_LONGEST_KEY]}~{blake2b(text.encode('utf-8', 'replace'), digest_size=12).hexdigest()}"
    )


def _within(value: int | None, bits: int) -> int | None:
    """A number that fits a signed integer of so many bits, else None."""
    return value if value is not None and -(1 << bits - 1) <= value < 1 << bits - 1 else None


def text_of(attributes: Mapping[str, Any], tag: str) -> str:
    """The first value of an attribute of the DICOM JSON model as text; a person name with its groups joined by `=`."""
    values = attributes.get(tag, {}).get("Value") or [""]
    first = values[0]
    if isinstance(first, Mapping):
        groups = [first.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
        first = "=".join(groups).rstrip("=")
    return "" if first is None else str(first).replace("\0", "")


def _date(text: str) -> str | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])).isoformat()
    except ValueError:
        return None


def _time(text: str) -> str | None:
    if not _TIME.fullmatch(text):
        return None
    hours, minutes, seconds = text[:2], text[2:4] or "00", text[4:] or "00"
    return f"{hours}:{minutes}:{seconds}" if int(hours) < 24 and int(minutes) < 60 and float(seconds) < 60 else None


def _number(text: str) -> int | None:
    try:
        value = int(float(text))
    except (ValueError, OverflowError):
        return None
    return value if -(2**31) <= value < 2**31 else None


def _id_of(tx: Transaction, memory: Memory, table: str, *name: Any) -> int:
    """The id of an object, a SOP class or a transfer syntax by its key or UID, which is added where it is new."""
    if (known := memory.get(table, name[0])) is not None:
        return int(known)
    find, add = (Q[f"find_{table}"], name[:1]), (Q[f"add_{table}"], name)
    found = db.one(tx, *find) or db.one(tx, *add) or db.one(tx, *find)
    if found is None:
        raise AssertionError(name)
    memory.learn(table, name[0], id=found[0])
    return int(found[0])


def ensure_series(tx: Transaction, actor: Actor, issuer: str, header: Header, description: Description) -> tuple[tuple[int, int], bool]:
    """Find or make the study and series rows of an instance. Returns ((study id, series id), whether the study is new)."""
    study, series = description.study, description.series
    study_row = {
        "study_uid": header.study_uid,
        "issuer": key_text(issuer),
        "patient_id": key_text(header.patient_id),
        "study_date": _date(text_of(study, "00080020")),
        "study_time": _time(text_of(study, "00080030")),
        "accession_number": key_text(text_of(study, "00080050")),
        "study_id": text_of(study, "00200010"),
        "description": text_of(study, "00081030"),
        "referring_physician": text_of(study, "00080090"),
        "patient_name": text_of(study, "00100010"),
        "birth_date": _date(text_of(study, "00100030")),
        "sex": text_of(study, "00100040"),
        "attributes": study,
    }
    series_row = {
        "series_uid": header.series_uid, "modality": text_of(series, "00080060"), "number": _number(text_of(series, "00200011")),
        "description": text_of(series, "0008103E"), "body_part": text_of(series, "00180015"),
        "performed_date": _date(text_of(series, "00400244")), "performed_time": _time(text_of(series, "00400245")),
        "station_name": text_of(series, "00081010"), "attributes": series,
    }  # fmt: skip
    names = [key[:200] for key in description.name_keys]
    row = db.one(tx, Q["ensure_series"], (actor.institution, db.as_json(study_row), db.as_json(series_row), names))
    if row is None:
        raise AssertionError("ensure_series returns one row")
    return (row[0], row[1]), row[2]


def add_instances(tx: Transaction, actor: Actor, memory: Memory, ids: tuple[int, int], key: str, landed: Sequence[Any]) -> list[Fate]:
    """Index landed instances of one series and object; what became of each, in order."""
    object_id = _id_of(tx, memory, "object", key, actor.institution)
    classes = {uid: _id_of(tx, memory, "sop_class", uid) for uid in {item.header.sop_class for item in landed}}
    syntaxes = {uid: _id_of(tx, memory, "transfer_syntax", uid) for uid in {item.header.transfer_syntax for item in landed}}
    rows = [
        {"uid": h.sop_uid, "sop_key": sop_key(h.sop_uid), "at": item.at, "length": item.length, "data_at": item.data_at,
         "pixel_at": _within(h.pixel_at, 32), "number": h.number, "frames": h.frames, "rows": h.rows, "columns": h.columns,
         "sop_class": classes[h.sop_class], "syntax": syntaxes[h.transfer_syntax], "bits": _within(h.bits_allocated, 16),
         "samples": _within(h.samples, 16),
         "digest": "\\x" + item.digest.hex()}
        for item in landed
        for h in (item.header,)
    ]  # fmt: skip
    answer = db.rows(tx, Q["add_instances"], (actor.institution, ids[0], ids[1], object_id, db.as_json(rows)))
    return [cast(Fate, fate) for _, fate in sorted(answer)]


def add_quarantined(tx: Transaction, key: str, source: str, kind: str, reason: str, sop_uid: str, size: int) -> None:
    """Tell the operator of bytes kept aside; the same bytes again only renew the row."""
    db.run(tx, Q["add_quarantined"], (tx.actor.institution, source, kind, reason, sop_uid, key, size))


def restore_quarantined(tx: Transaction, key: str, note: Mapping[str, Any], kept_at: float) -> None:
    """List bytes that were kept aside at `kept_at` (seconds since 1970) again, unless they are listed."""
    said = (note["source"], note["kind"], note["reason"], note["sop_uid"])
    db.run(tx, Q["restore_quarantined"], (tx.actor.institution, *said, key, note["bytes"], kept_at))


def clock(tx: Transaction) -> datetime:
    """The database's time."""
    row = db.one(tx, "select clock_timestamp()")
    if row is None:
        raise AssertionError("a clock shows a time")
    return cast(datetime, row[0])


def set_received(tx: Transaction, series: Mapping[tuple[int, str, str, str, str], tuple[int, int]], began: datetime) -> None:
    """Say when series came, and with them their studies; times from `began` on are those of the rebuilding and do not count.

    `series`: institution, issuer, Patient ID, Study and Series Instance UID to the times of the first and the last instance, in seconds
    since 1970.
    """
    names = ("institution", "issuer", "patient", "study", "series", "first", "last")
    rows = [
        dict(zip(names, (institution, key_text(issuer), key_text(patient), study, uid, first, last), strict=True))
        for (institution, issuer, patient, study, uid), (first, last) in series.items()
    ]
    for name in ("set_received", "set_received_of_studies"):
        db.run(tx, Q[name], {"rows": db.as_json(rows), "began": began})


def seal_objects(tx: Transaction, keys: Sequence[str]) -> None:
    """These segments are complete and wholly in the index."""
    db.run(tx, Q["seal_objects"], (list(keys),))


def indexed_offsets(tx: Transaction, key: str) -> set[int]:
    """The offsets of an object's members that the index knows."""
    return {row[0] for row in db.rows(tx, Q["indexed_offsets"], (key,))}


_STORED = (
    "id",
    "sop_uid",
    "series_uid",
    "study_uid",
    "sop_class",
    "transfer_syntax",
    "patient_id",
    "issuer",
    "number",
    "rows",
    "columns",
    "frames",
    "bits_allocated",
    "samples",
    "pixel_at",
    "key",
    "at",
    "length",
    "data_at",
    "digest",
    "institution_id",
    "variant",
)


def _stored(row: Sequence[Any]) -> Stored:
    v = dict(zip(_STORED, row, strict=True))
    header = Header(
        v["study_uid"], v["series_uid"], v["sop_uid"], v["sop_class"], v["transfer_syntax"], v["patient_id"], v["issuer"], v["number"],
        v["rows"], v["columns"], v["frames"], v["bits_allocated"], v["samples"], v["pixel_at"],
    )  # fmt: skip
    return Stored(v["id"], header, Place(v["key"], v["at"], v["length"], v["data_at"]), v["digest"], v["institution_id"], v["variant"])


def find_stored(tx: Transaction, study_uid: str, series_uid: str | None, sop_uid: str | None) -> list[Stored]:
    """The visible instances of a study, series or SOP Instance, in display order, first contents only."""
    name, parameters = "stored_of_study", {"study": study_uid, "series": series_uid}
    if sop_uid is not None:
        name = "stored_of_sop"
        parameters |= {"key": cast(Any, sop_key(sop_uid)), "sop": sop_uid}
    elif series_uid is not None:
        name = "stored_of_series"
    return [_stored(row) for row in db.rows(tx, Q[name], parameters)]


def stored_after(tx: Transaction, after: int, limit: int) -> list[Stored]:
    """Instances of every kind and variant in order of their id, for walking the whole archive."""
    return [_stored(row) for row in db.rows(tx, Q["stored_after"], (after, limit))]


def series_versions(tx: Transaction, study_uid: str) -> list[tuple[Any, ...]]:
    """(series UID, series id, version, settled version, instances) of a study's series in display order."""
    return db.rows(tx, Q["series_versions"], (study_uid,))


def unsettled(tx: Transaction, quiet_s: float, limit: int) -> list[tuple[Any, ...]]:
    """Series that have been quiet for `quiet_s` seconds and whose document is not of their version; locked until the transaction ends."""
    return db.rows(tx, Q["unsettled"], (quiet_s, limit))


def settle(tx: Transaction, series_id: int, version: int) -> None:
    """The document of this version of the series is written."""
    db.run(tx, Q["settle"], (version, series_id))


def statistics(tx: Transaction) -> dict[str, int]:
    """Counts of the whole archive as far as the actor sees it."""
    row = db.one(tx, Q["statistics"])
    names = ("studies", "series", "instances", "bytes", "quarantined", "conflicts", "unsettled")
    return dict(zip(names, map(int, row or [0] * len(names)), strict=True))


def clear_index(tx: Transaction) -> None:
    """Forget the index (not the objects): the first step of rebuilding it. Needs the owner's connection."""
    db.run(tx, Q["clear_index"])


def page(tx: Transaction, statement: str, parameters: Mapping[str, Any], told: Event | None = None) -> list[tuple[Any, ...]]:
    """Rows of a statement that `matching` composed from fragments of `queries.sql`; `told` is the event that tells of it."""
    return db.rows(tx, statement, parameters) if told is None else db.rows_told(tx, statement, parameters, told)


def _searched(tx: Transaction, what: str, text: str, limit: int, offset: int) -> tuple[list[tuple[Any, ...]], int]:
    """One page of a list with a search text, and how many rows match."""
    pattern = "%" + text.strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    parameters = {"pattern": pattern, "limit": limit, "offset": offset}
    total = db.one(tx, Q[f"count_{what}"], parameters)
    return db.rows(tx, Q[f"list_{what}"], parameters), int(total[0]) if total else 0


def conflicts(tx: Transaction, text: str, limit: int, offset: int) -> tuple[list[tuple[Any, ...]], int]:
    """Conflicts, newest first, and how many there are."""
    return _searched(tx, "conflicts", text, limit, offset)


def quarantined(tx: Transaction, text: str, limit: int, offset: int) -> tuple[list[tuple[Any, ...]], int]:
    """Quarantined input, newest first, and how much there is."""
    return _searched(tx, "quarantined", text, limit, offset)


def quarantined_key(tx: Transaction, row_id: int) -> str | None:
    """The key of one quarantined input's bytes."""
    row = db.one(tx, Q["quarantined_key"], (row_id,))
    return str(row[0]) if row else None


def watermark(tx: Transaction) -> str:
    """A token of the newest change that the actor sees."""
    row = db.one(tx, Q["watermark"])
    return "-".join(str(part) for part in row or ())


def series_of_study(tx: Transaction, study_id: int) -> list[tuple[Any, ...]]:
    """(UID, number, modality, description, body part, instances, settled, first SOP Instance UID) of each series of a study row."""
    return db.rows(tx, Q["series_of_study"], (study_id,))


def instances_of_series(tx: Transaction, study_uid: str, series_uid: str, limit: int, offset: int) -> tuple[list[tuple[Any, ...]], int]:
    """(UID, SOP class, number, transfer syntax, rows, columns, frames, bytes) of one page of a series' instances.

    And how many there are.
    """
    total = db.one(tx, Q["count_instances_of_series"], (study_uid, series_uid))
    return db.rows(tx, Q["instances_of_series"], (study_uid, series_uid, limit, offset)), int(total[0]) if total else 0
