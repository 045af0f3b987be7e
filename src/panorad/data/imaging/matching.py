"""From the keys of a query to conditions on the index (PS3.4 C.2.2.2).

Single value, list, wildcard, range, universal and sequence matching.

Conditions are fragments over the aliases s (study), e (series), i (instance), c (SOP class) and t (transfer syntax). Under row-level
security only comparisons that cannot leak are answered from an index, so every prefix is also given as a pair of bounds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, time, timedelta
from typing import Any, NamedTuple

from panorad.data.imaging import store
from panorad.data.imaging.attributes import LEVELS, level_of
from panorad.data.imaging.store import sop_key
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.person_name import query_keys
from panorad.model.query import Level, Match, Query

_LAST = "\U0010ffff"
_WILDCARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT", "AS"})


class QueryInvalid(PanoradError):
    """The query cannot be understood"""

    kind = Kind.INVALID


class Column(NamedTuple):
    """Where an indexed attribute lies: its level, its value representation and its column."""

    level: Level
    vr: str
    sql: str


COLUMNS: dict[str, Column] = {
    "00100010": Column(Level.PATIENT, "PN", "s.patient_name"),
    "00100020": Column(Level.PATIENT, "LO", "s.patient_id"),
    "00100021": Column(Level.PATIENT, "LO", "s.issuer"),
    "00100030": Column(Level.PATIENT, "DA", "s.birth_date"),
    "00100040": Column(Level.PATIENT, "CS", "s.sex"),
    "00080020": Column(Level.STUDY, "DA", "s.study_date"),
    "00080030": Column(Level.STUDY, "TM", "s.study_time"),
    "00080050": Column(Level.STUDY, "SH", "s.accession_number"),
    "00080061": Column(Level.STUDY, "CS[]", "s.modalities"),
    "00080090": Column(Level.STUDY, "PN", "s.referring_physician"),
    "00081030": Column(Level.STUDY, "LO", "s.description"),
    "0020000D": Column(Level.STUDY, "UI", "s.study_uid"),
    "00200010": Column(Level.STUDY, "SH", "s.study_id"),
    "00201206": Column(Level.STUDY, "IS", "s.series_count"),
    "00201208": Column(Level.STUDY, "IS", "s.instance_count"),
    "00080060": Column(Level.SERIES, "CS", "e.modality"),
    "0008103E": Column(Level.SERIES, "LO", "e.description"),
    "00180015": Column(Level.SERIES, "CS", "e.body_part"),
    "00081010": Column(Level.SERIES, "SH", "e.station_name"),
    "0020000E": Column(Level.SERIES, "UI", "e.series_uid"),
    "00200011": Column(Level.SERIES, "IS", "e.number"),
    "00201209": Column(Level.SERIES, "IS", "e.instance_count"),
    "00400244": Column(Level.SERIES, "DA", "e.performed_date"),
    "00400245": Column(Level.SERIES, "TM", "e.performed_time"),
    "00080016": Column(Level.INSTANCE, "UI", "c.uid"),
    "00080018": Column(Level.INSTANCE, "UI", "i.sop_uid"),
    "00083002": Column(Level.INSTANCE, "UI", "t.uid"),
    "00200013": Column(Level.INSTANCE, "IS", "i.number"),
    "00280002": Column(Level.INSTANCE, "US", "i.samples"),
    "00280008": Column(Level.INSTANCE, "IS", "i.frames"),
    "00280010": Column(Level.INSTANCE, "US", "i.rows"),
    "00280011": Column(Level.INSTANCE, "US", "i.columns"),
    "00280100": Column(Level.INSTANCE, "US", "i.bits_allocated"),
}
"""Attributes with a column of their own; the other attributes of the patient, study and series levels are matched in their JSON."""


_SELECTIVE = frozenset({"s.patient_id", "s.accession_number", "s.study_uid", "s.patient_name", "e.series_uid", "i.sop_uid"})


class Conditions:
    """Conditions joined by AND, with their parameters. `selective`: an index finds the few studies that they leave."""

    def __init__(self) -> None:
        self.fragments: list[str] = []
        self.selective = False
        self.parameters: dict[str, Any] = {}
        self.warnings: list[str] = []

    def bind(self, value: Any) -> str:
        """A placeholder for a value."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"%({name})s"

    def add(self, fragment: str) -> None:
        """One more condition."""
        self.fragments.append(fragment)

    @property
    def where(self) -> str:
        """The conditions as one fragment."""
        return " and ".join(self.fragments) or "true"


def studies(tx: Transaction, found: Conditions, order: str = "", most: str = "%(limit)s::bigint + %(offset)s::bigint") -> str:
    """Where a statement over studies reads them: the table, or what the actor may see of it, newest first by `order`.

    `order` is one that an index of each institution has, Study Date when empty; `most` is how many the statement needs.
    """
    if tx.actor.sees is None or found.selective:
        return "study"
    received = order.startswith("s.last_received")
    fragments = {
        "where": found.where,
        "order": order or "s.study_date desc nulls last, s.id desc",
        "reach": order if received else "r.study_date desc nulls last, r.study_id desc",
        "most": most,
    }
    text = store.Q["within_reach"]
    for name, fragment in fragments.items():
        text = text.replace(f"/*{name}*/", fragment)
    return text


def conditions(query: Query) -> Conditions:
    """All conditions of a query. Raises QueryInvalid with the key that cannot be read; keys that cannot be matched leave a warning."""
    found = Conditions()
    sequences: dict[str, list[Match]] = {}
    found.selective = bool(query.text.strip())
    for match in query.matches:
        values = tuple(v for v in match.values if v not in ("", "*")) if len(match.values) <= 1 else match.values
        if not values:
            continue
        if len(match.path) > 1:
            sequences.setdefault(match.path[0], []).append(Match(match.path, values))
            continue
        column = COLUMNS.get(match.path[0])
        if column is None:
            _json_condition(found, query, [Match(match.path, values)], sequence=False)
        elif column.level > query.level:
            found.warnings.append(f"{match.path[0]} belongs to a level below the one that is asked for and was not matched")
        else:
            found.add(_column_condition(found, match.path[0], column, values, query.fuzzy))
            found.selective = found.selective or (column.sql in _SELECTIVE and not any(value[:1] in "*?" for value in values))
    for matches in sequences.values():
        _json_condition(found, query, matches, sequence=True)
    if query.text.strip():
        found.add(search_condition(found, query.text.strip()))
    return found


def search_condition(found: Conditions, text: str) -> str:
    """The search box: the start of a name (in any script, pinyin, initials), patient ID, accession number or UID."""
    parts = [_ids("patient_id", found, text), _ids("accession_number", found, text)]
    if re.fullmatch(r"[0-9.]{6,64}", text):
        parts += [_ids("study_uid", found, text), _ids("series_uid", found, text), _ids("sop_key", found, sop_key(text))]
    if names := _named(found, text):
        parts.append(f"({names})")
    return _one_of(" union all ".join(parts))


def _ids(by: str, found: Conditions, value: str | int) -> str:
    """The statement that gives the ids of the studies whose key begins with a text, or is a number."""
    statement = store.Q[f"ids_by_{by}"].replace("/*low*/", found.bind(value))
    return statement.replace("/*high*/", found.bind(f"{value}{_LAST}")) if "/*high*/" in statement else statement


def _one_of(ids: str) -> str:
    """The study is one of those that a subquery gives: asked once, then read by id, however many studies there are."""
    return f"s.id = any (array({ids}))"


def _starts(column: str, found: Conditions, text: str) -> str:
    return f"({column} >= {found.bind(text)} and {column} < {found.bind(text + _LAST)})"


def _named(found: Conditions, text: str) -> str:
    """The ids of the studies of whose patient's name keys every word of the text begins one."""
    return " intersect ".join(_ids("name_key", found, key) for key in query_keys(text))


def _name_condition(found: Conditions, text: str) -> str:
    names = _named(found, text)
    return _one_of(names) if names else ""


# -- by column -------------------------------------------------------------------------------------------------------------------------


def _column_condition(found: Conditions, tag: str, column: Column, values: Sequence[str], fuzzy: bool) -> str:
    if column.vr == "UI":
        uids = [uid.strip() for value in values for uid in value.replace(",", "\\").split("\\") if uid.strip()]
        fragment = f"{column.sql} = any ({found.bind(uids)})"
        if column.sql == "i.sop_uid":
            fragment += f" and i.sop_key = any ({found.bind([sop_key(uid) for uid in uids])}::bigint[])"
        return fragment
    if column.vr == "PN" and fuzzy and column.sql == "s.patient_name":
        names = [_name_condition(found, value.replace("^", " ").replace("=", " ").replace("*", " ")) for value in values]
        return _any(name or "false" for name in names)
    one = _BY_VR.get(column.vr, _text)
    return _any(one(found, tag, column.sql, value) for value in values)


def _any(fragments: Iterable[str]) -> str:
    return f"({' or '.join(fragments)})"


def like(pattern: str) -> str:
    """A DICOM wildcard pattern (`*`, `?`) as one of LIKE."""
    return pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%").replace("?", "_")


def _wild(value: str) -> bool:
    return "*" in value or "?" in value


def _text(found: Conditions, tag: str, column: str, value: str) -> str:
    value = value.strip()
    if not _wild(value):
        return f"{column} = {found.bind(value)}"
    literal = re.split(r"[*?]", value, maxsplit=1)[0]
    bounds = f"{_starts(column, found, literal)} and " if literal else ""
    return f"({bounds}{column} like {found.bind(like(value))})"


def _person_name(found: Conditions, tag: str, column: str, value: str) -> str:
    """Person names match without regard to case, in any one of their component groups (PS3.4 C.2.2.2.1)."""
    value = value.strip().rstrip("^=")
    folded = f'{column} collate "default"'  # the column's own collation knows the case of ASCII letters only
    if value.startswith("="):  # the alphabetic group is left open, as PS3.5 section 6.2.1.2 writes a key of another group
        wanted = [(place, like(group)) for place, group in enumerate(value.split("="), 1) if group]
        given = [f"rtrim(split_part({folded}, '=', {place}), '^ ')" for place, _ in wanted]
        return " and ".join(f"{part} ilike {found.bind(group)}" for part, (_, group) in zip(given, wanted, strict=True)) or "true"
    pattern = found.bind(like(value))
    each = f"unnest(array[{folded}] || string_to_array({folded}, '=')) g"
    groups = f"exists (select from {each} where rtrim(g, '^ ') ilike {pattern} or g ilike {pattern})"
    if column == "s.patient_name":
        literal = re.split(r"[*?=]", value, maxsplit=1)[0]
        words = literal.split("^")[:3]  # family, given and middle names stand joined in the keys
        if len(first := "".join(words)) > 1 and first.isascii() and first.isalpha() and (names := _name_condition(found, first)):
            return f"({names} and {groups})"
    return groups


def _array(found: Conditions, tag: str, column: str, value: str) -> str:
    if _wild(value):
        return f"exists (select from unnest({column}) m where m like {found.bind(like(value))})"
    return f"{found.bind(value.strip())} = any ({column})"


def _number(found: Conditions, tag: str, column: str, value: str) -> str:
    try:
        return f"{column} = {found.bind(int(value))}"
    except ValueError as error:
        raise QueryInvalid(f"{tag} takes a whole number, not {value!r}") from error


def parse_date(tag: str, text: str) -> date:
    """A DA value, with or without the dots of old ACR-NEMA. Raises QueryInvalid."""
    digits = text.replace(".", "")
    try:
        if not re.fullmatch(r"[0-9]{8}", digits):
            raise ValueError(text)
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError as error:
        raise QueryInvalid(f"{tag} takes dates as YYYYMMDD and ranges of them, not {text!r}") from error


def parse_time(tag: str, text: str, last: bool) -> time:
    """A TM value; one of less than full precision stands for its first or `last` moment. Raises QueryInvalid."""
    digits = text.replace(":", "")
    match = re.fullmatch(r"([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:\.([0-9]{1,6}))?)?)?", digits)
    try:
        if match is None:
            raise ValueError(text)
        hour, minute, second, fraction = match.groups()
        micro = fraction.ljust(6, "9" if last else "0") if fraction else ("999999" if last else "0")
        rest = "59" if last else "0"
        return time(int(hour), int(minute or rest), min(int(second or rest), 59), int(micro))
    except ValueError as error:
        raise QueryInvalid(f"{tag} takes times as HHMMSS.FFFFFF and ranges of them, not {text!r}") from error


def _range(tag: str, value: str) -> tuple[str, str]:
    first, dash, second = value.strip().partition("-")
    if not dash:
        return first.strip(), first.strip()
    if "-" in second:
        raise QueryInvalid(f"{tag} takes one range A-B, not {value!r}")
    return first.strip(), second.strip()


def _bounds(found: Conditions, column: str, low: Any, high: Any) -> str:
    parts = ([f"{column} >= {found.bind(low)}"] if low is not None else []) + (
        [f"{column} <= {found.bind(high)}"] if high is not None else []
    )
    return f"({' and '.join(parts)})" if parts else "true"


def _date(found: Conditions, tag: str, column: str, value: str) -> str:
    low, high = _range(tag, value)
    return _bounds(found, column, parse_date(tag, low) if low else None, parse_date(tag, high) if high else None)


def _time(found: Conditions, tag: str, column: str, value: str) -> str:
    low, high = _range(tag, value)
    return _bounds(found, column, parse_time(tag, low, False) if low else None, parse_time(tag, high, True) if high else None)


_BY_VR: dict[str, Callable[[Conditions, str, str, str], str]] = {
    "PN": _person_name,
    "DA": _date,
    "TM": _time,
    "CS[]": _array,
    "IS": _number,
    "US": _number,
}


# -- in the JSON of attributes -----------------------------------------------------------------------------------------------------------


def _json_condition(found: Conditions, query: Query, matches: Sequence[Match], sequence: bool) -> None:
    """Match in the JSON of attributes: one attribute, or all keys of a sequence within one of its items."""
    tag = matches[0].path[0]
    level = level_of(int(tag, 16))
    if level is None or level is Level.INSTANCE or level > query.level:
        found.warnings.append(f"{tag} is not kept in the index of this level and was not matched")
        return
    source = "e.attributes" if level is Level.SERIES else "s.attributes"
    if not sequence:
        found.add(_any(_json_match(found, source, match) for match in matches))
        return
    item = f"item{len(found.parameters)}"
    tagged = found.bind(tag)
    parts = " and ".join(_within(found, item, Match(match.path[1:], match.values)) for match in matches)
    found.add(f"exists (select from jsonb_array_elements(coalesce({source} -> {tagged} -> 'Value', '[]')) {item} where {parts})")


def _within(found: Conditions, item: str, match: Match) -> str:
    """A condition on one item of a sequence."""
    if len(match.path) == 1:
        return _json_match(found, item, match)
    deeper = f"{item}_{len(found.parameters)}"
    tagged = found.bind(match.path[0])
    inner = _within(found, deeper, Match(match.path[1:], match.values))
    return f"exists (select from jsonb_array_elements(coalesce({item} -> {tagged} -> 'Value', '[]')) {deeper} where {inner})"


def _json_match(found: Conditions, item: str, match: Match) -> str:
    tag = match.path[0]
    attribute = next((level[int(tag, 16)] for level in LEVELS.values() if int(tag, 16) in level), None)
    vr = attribute.vr if attribute else ""
    tagged = found.bind(tag)
    tests = []
    for value in match.values:
        if vr in ("DA", "TM", "DT") and "-" in value:
            low, high = _range(tag, value)
            tests.append(_bounds(found, "v.x", low or None, high + "999999" if high else None))
        elif vr == "UI":
            tests.append(f"v.x = any ({found.bind(value.split(chr(92)))})")
        elif vr == "PN":
            tests.append(f"v.x ilike {found.bind(like(value))}")
        elif _wild(value) and (vr in _WILDCARD_VRS or not vr):
            tests.append(f"v.x like {found.bind(like(value))}")
        else:
            tests.append(f"v.x = {found.bind(value)}")
    values = f"jsonb_array_elements(coalesce({item} -> {tagged} -> 'Value', '[]')) w"
    texts = "select case when jsonb_typeof(w) = 'object' then coalesce(w ->> 'Alphabetic', w ->> 'Ideographic') else w #>> '{}' end"
    return f"exists (select from ({texts} from {values}) v(x) where {_any(tests)})"


def recent(found: Conditions, column: str, today: date, days: int) -> None:
    """Add: the date lies within the last `days` days, today included."""
    found.add(_bounds(found, column, today - timedelta(days=days - 1), today))
