"""The data dictionary (PS3.6), from pydicom's tables.

The tables are read from pydicom's own files without importing the package, which brings numpy and its pixel handlers along: some 45 MB
and half a second in each process, most of which never need them.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast


class Entry(NamedTuple):
    """One attribute of the dictionary; `vr` may name alternatives such as `US or SS`."""

    vr: str
    vm: str
    name: str
    retired: str
    keyword: str


class Uid(NamedTuple):
    """One registered UID of PS3.6 Annex A: its name, its kind (`SOP Class`, `Transfer Syntax`...)."""

    name: str
    kind: str
    info: str
    retired: str
    keyword: str


def _table(module: str, name: str) -> Mapping[Any, Any]:
    package = importlib.util.find_spec("pydicom")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("pydicom")
    spec = importlib.util.spec_from_file_location(f"panorad_{module}", Path(package.origin).with_name(f"{module}.py"))
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"pydicom.{module}")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return cast("Mapping[Any, Any]", getattr(loaded, name))


@lru_cache(1)
def _attributes() -> Mapping[int, tuple[str, str, str, str, str]]:
    return _table("_dicom_dict", "DicomDictionary")


@lru_cache(1)
def _repeating() -> list[tuple[re.Pattern[str], tuple[str, str, str, str, str]]]:
    table = _table("_dicom_dict", "RepeatersDictionary")
    return [(re.compile(mask.replace("x", "[0-9A-F]"), re.IGNORECASE), entry) for mask, entry in table.items()]


@lru_cache(1)
def _tags() -> Mapping[str, int]:
    return {entry[4]: tag for tag, entry in _attributes().items() if entry[4]}


@lru_cache(4096)
def entry(tag: int) -> Entry | None:
    """The dictionary's entry of a tag, also of repeating groups; None when it has none (private tags, for example)."""
    if (found := _attributes().get(tag)) is not None:
        return Entry(*found)
    if (tag >> 16) % 2 == 0:
        text = f"{tag:08X}"
        for mask, repeated in _repeating():
            if mask.fullmatch(text):
                return Entry(*repeated)
    return None


def tag_of(keyword: str) -> int | None:
    """The tag of a keyword such as PatientName."""
    return _tags().get(keyword)


@lru_cache(1)
def uids() -> Mapping[str, Uid]:
    """Every registered UID."""
    return {uid: Uid(*found[:5]) for uid, found in _table("_uid_dict", "UID_dictionary").items()}
