"""A query on the archive as C-FIND (PS3.4 C.2.2) and QIDO-RS (PS3.18 section 8.3.4) both mean it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """The four levels of the patient root information model (PS3.4 C.6.1.1)."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    INSTANCE = 3


@dataclass(frozen=True, slots=True)
class Match:
    """One matching key: the path of tags (eight upper-case hex digits each.

    More than one steps into sequences) and its values as the requester wrote them.

    An empty `values` is universal matching. Wildcards `*` and `?`, date, time and date-time ranges (`A-B`, `A-`, `-B`) and lists of
    UIDs are still in their textual form; the archive reads them by the attribute's VR (PS3.4 C.2.2.2).
    """

    path: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: keys to match, attributes to return, and one page of the answer.

    `include` is None for "all". `text` is the search box: name, pinyin, initials, patient ID, accession number or UID.
    `order` is a column name of the study list with an optional leading minus. `limit` is never unbounded.
    """

    level: Level
    matches: tuple[Match, ...] = ()
    include: frozenset[str] | None = frozenset()
    fuzzy: bool = False
    limit: int = 100
    offset: int = 0
    text: str = ""
    order: str = ""


NAMED: Mapping[str, str] = {"00100020": "patient", "0020000D": "study", "0020000E": "series"}
"""The keys that name one patient, study or series, and what an event calls it."""


def named(query: Query) -> dict[str, str]:
    """The patient, study and series that a query asks for by its one full identifier, as an event names its objects."""
    return {
        NAMED[match.path[0]]: match.values[0]
        for match in query.matches
        if len(match.path) == 1 and match.path[0] in NAMED and len(match.values) == 1 and not set(match.values[0]) & set("*?")
    }


@dataclass(frozen=True, slots=True)
class Page:
    """One page of answers in the DICOM JSON model. `total` counts all matches up to a cap.

    `exact` tells whether the cap was not reached.
    """

    rows: tuple[Mapping[str, Any], ...]
    total: int
    exact: bool = True
    warnings: tuple[str, ...] = field(default_factory=tuple)
