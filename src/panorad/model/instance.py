"""A SOP Instance as the archive knows it: its header, its place in storage, and what became of a received one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Header:
    """What the index needs of one instance, read from the bytes of its data set without decoding pixels.

    `pixel_at` is the offset, in bytes from the start of the data set as sent, of the value of Pixel Data (7FE0,0010), Float Pixel
    Data or Double Float Pixel Data: the first pixel byte when native, the first item (Basic Offset Table) when encapsulated.
    It is None when there are no pixels or when the data set is deflated. `pixel_length` is the value's length, None if undefined.
    """

    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str
    transfer_syntax: str
    patient_id: str = ""
    issuer: str = ""
    number: int | None = None
    rows: int | None = None
    columns: int | None = None
    frames: int | None = None
    bits_allocated: int | None = None
    samples: int | None = None
    pixel_at: int | None = None
    pixel_length: int | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """The attributes of the patient, study and series levels of one data set, in the DICOM JSON model (PS3.18 Annex F), decoded to Unicode.

    `study` holds the patient and study modules, `series` the series, equipment and frame of reference modules.
    `name_keys` are the folded keys under which the patient's name is found (see `panorad.model.person_name.keys`).
    `warnings` say what could not be read as declared, in words for an operator.
    """

    study: Mapping[str, Any]
    series: Mapping[str, Any]
    name_keys: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instance lies: `length` bytes of a Part 10 file at `offset` of the object `key`.

    Its data set begins `data_at` bytes into it.
    """

    key: str
    offset: int
    length: int
    data_at: int


@dataclass(frozen=True, slots=True)
class Stored:
    """One indexed instance with its place and the facts that serve its pixels without opening it."""

    id: int
    header: Header
    place: Place
    digest: bytes
    institution: int
    variant: int = 0


Fate = Literal["stored", "duplicate", "conflict"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one received instance. `conflict`: kept and flagged, since the same UIDs were already here with other content."""

    sop_class: str
    sop_uid: str
    study_uid: str
    series_uid: str
    fate: Fate
