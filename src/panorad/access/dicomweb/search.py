"""From a QIDO-RS query string to a Query (PS3.18 sections 8.3.4 and 10.6.1.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from panorad.access.dicomweb.deps import Limits
from panorad.access.dicomweb.errors import MalformedQuery
from panorad.data.imaging.dictionary import entry, tag_of
from panorad.model.query import Level, Match, Query

IGNORED = frozenset({"accept", "charset", "_"})
"""Parameters that other code reads or that only defeat caches."""

LISTABLE = frozenset({"UI", "CS", "DA", "TM", "IS", "DS", "AS", "AT", "US", "UL", "SS", "SL"})
"""Value representations without commas in their values: there one parts a list, as a backslash does in all but `FREE`."""

FREE = frozenset({"LT", "ST", "UT", "UR"})
"""Value representations of one value, in which a backslash is text."""

_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
_TRUE = {"true": True, "1": True, "false": False, "0": False, "": False}


@dataclass(frozen=True, slots=True)
class Search:
    """A query, and what the answer should say about parameters that were passed over."""

    query: Query
    warnings: tuple[str, ...] = field(default_factory=tuple)


def parse(parameters: Iterable[tuple[str, str]], level: Level, within: Mapping[str, str], limits: Limits) -> Search:
    """The query meant by a request's parameters at `level`, inside the study or series of the path (`within`: tag to UID).

    Raises MalformedQuery naming the parameter: an unknown attribute, a negative limit, a doubtful boolean. A parameter that is no
    attribute and not of this service is passed over with a warning.
    """
    keys: dict[tuple[str, ...], list[str]] = {(tag,): [uid] for tag, uid in within.items()}
    include: set[str] | None = set()
    single: dict[str, str] = {}
    warnings: list[str] = []
    for name, value in parameters:
        if name == "includefield":
            include = _included(include, value)
        elif name in ("limit", "offset", "fuzzymatching"):
            if name in single:
                raise MalformedQuery(f"{name} is given twice")
            single[name] = value
        elif name[:1].islower() or name == "_" or not name:
            if name not in IGNORED:
                warnings.append(f"The parameter {name[:64]} is not supported and was ignored.")
        else:
            _add(keys, path(name), value)
    limit = _count(single, "limit", limits.default_page)
    if limit > limits.largest_page:
        warnings.append(f"The limit is {limits.largest_page} results at a time.")
        limit = limits.largest_page
    matches = tuple(Match(key, tuple(dict.fromkeys(values))) for key, values in keys.items())
    wanted = None if include is None else frozenset(include.union(key[0] for key in keys))
    fuzzy = _boolean(single.get("fuzzymatching", "false"))
    return Search(Query(level, matches, wanted, fuzzy, limit, _count(single, "offset", 0)), tuple(warnings))


@lru_cache(maxsize=1024)
def path(attribute: str) -> tuple[str, ...]:
    """The tags that an attribute of a query names: keywords or hexadecimal tags, joined by dots to step into sequences."""
    return tuple(_tag(part) for part in attribute.split("."))


def _tag(name: str) -> str:
    if hexadecimal := _TAG.fullmatch(name):
        return (hexadecimal[1] + hexadecimal[2]).upper()
    tag = tag_of(name)
    if tag is None:
        raise MalformedQuery(f"{name[:64]!r} is neither a keyword nor a tag of an attribute")
    return f"{tag:08X}"


@lru_cache(maxsize=1024)
def _vr(tag: str) -> str:
    known = entry(int(tag, 16))
    return known.vr if known else "UN"


def _add(keys: dict[tuple[str, ...], list[str]], key: tuple[str, ...], value: str) -> None:
    vr = _vr(key[-1])
    parts = [value] if vr in FREE else re.split(r"[,\\]" if vr in LISTABLE else r"\\", value)
    keys.setdefault(key, []).extend(part.strip() for part in parts if part.strip())


def _included(include: set[str] | None, value: str) -> set[str] | None:
    names = [name.strip() for name in re.split(r",(?![0-9A-Fa-f]{4}\))", value) if name.strip()]
    if include is None or "all" in names:
        return None
    return include.union(path(name)[0] for name in names)


def _count(single: Mapping[str, str], name: str, default: int) -> int:
    text = single.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise MalformedQuery(f"{name} must be a whole number from 0")
    return int(text)


def _boolean(text: str) -> bool:
    value = _TRUE.get(text.strip().lower())
    if value is None:
        raise MalformedQuery("fuzzymatching must be true or false")
    return value
