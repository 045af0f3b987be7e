"""The DICOM File Format (PS3.10 section 7): where the data set begins, in which transfer syntax, and what group 0002 says."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from panorad.data.imaging.elements import (
    DEFLATED,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    LONG_VRS,
    UNDEFINED,
    VRS,
    Buffer,
    Coding,
    DatasetInvalid,
)

IMPLEMENTATION_CLASS_UID = "2.25.157133725699488441102017760994983783984"
IMPLEMENTATION_VERSION_NAME = "PANORAD_01"

_SYNTAX_OF: Mapping[str, str] = {
    EXPLICIT_LE.name: "1.2.840.10008.1.2.1",
    IMPLICIT_LE.name: "1.2.840.10008.1.2",
    EXPLICIT_BE.name: "1.2.840.10008.1.2.2",
}

_META: Mapping[int, str] = {
    0x0000: "UL",  # FileMetaInformationGroupLength
    0x0001: "OB",  # FileMetaInformationVersion
    0x0002: "UI",  # MediaStorageSOPClassUID
    0x0003: "UI",  # MediaStorageSOPInstanceUID
    0x0010: "UI",  # TransferSyntaxUID
    0x0012: "UI",  # ImplementationClassUID
    0x0013: "SH",  # ImplementationVersionName
    0x0016: "AE",  # SourceApplicationEntityTitle
    0x0017: "AE",  # SendingApplicationEntityTitle
    0x0018: "AE",  # ReceivingApplicationEntityTitle
    0x0026: "UR",  # SourcePresentationAddress
    0x0027: "UR",  # SendingPresentationAddress
    0x0028: "UR",  # ReceivingPresentationAddress
    0x0100: "UI",  # PrivateInformationCreatorUID
    0x0102: "OB",  # PrivateInformation
}
"""File Meta Information (PS3.10 Table 7.1-1): element of group 0002, and its VR."""

_TRANSFER_SYNTAX = "00020010"
_LONG = frozenset(vr.encode() for vr in LONG_VRS)
_FIRST_GROUPS = frozenset({0x0004, 0x0008})


class Part10(NamedTuple):
    """The parts of a file: the data set begins `data_at` bytes into it; `meta` holds group 0002 by tag ("00020010").

    Binary values of `meta` are in hexadecimal digits. `transfer_syntax` is what the file says, or what the data set looks like
    when it does not.
    """

    data_at: int
    transfer_syntax: str
    meta: dict[str, str]


def split(data: Buffer) -> Part10:
    """Splits a file; tolerates a missing preamble, a missing or wrong group length, and a bare data set without any file meta.

    Raises `DatasetInvalid` when the bytes are no DICOM at all or end inside the file meta information.
    """
    start = next((at + 4 for at in (128, 0) if bytes(data[at : at + 4]) == b"DICM"), None)
    if start is None and not (bytes(data[:2]) == b"\x02\x00" and bytes(data[4:6]) in VRS):
        coding = _look(data, 0)
        if coding is None:
            raise DatasetInvalid("neither the mark DICM nor the first element of a data set is there")
        return Part10(0, _SYNTAX_OF[coding.name], {})
    at, meta = _meta(data, start or 0)
    syntax = meta.get(_TRANSFER_SYNTAX, "")
    if not syntax:
        coding = _look(data, at)
        if coding is None:
            raise DatasetInvalid("the file meta information names no transfer syntax, and the data set shows none")
        syntax = _SYNTAX_OF[coding.name]
    return Part10(at, syntax, meta)


def _look(data: Buffer, at: int) -> Coding | None:
    """The coding in which the bytes at `at` are a plausible first element of a data set."""
    first = bytes(data[at : at + 12])
    if len(first) < 8:
        return None
    little, big = struct.unpack("<HHI", first[:8]), struct.unpack(">HHI", first[:8])
    explicit = first[4:6] in VRS
    if big[0] in _FIRST_GROUPS and explicit:
        return EXPLICIT_BE
    if little[0] not in _FIRST_GROUPS:
        return None
    if explicit:
        return EXPLICIT_LE
    return IMPLICIT_LE if little[2] <= len(data) - at - 8 and little[2] < 1 << 20 else None


def _meta(data: Buffer, at: int) -> tuple[int, dict[str, str]]:
    """Reads group 0002 from `at`: (offset behind it, values). The group length ends it if right, else the next group does."""
    meta: dict[str, str] = {}
    end: int | None = None
    last = -1
    try:
        while at + 8 <= len(data):
            group, element, vr, length = struct.unpack_from("<HH2sH", data, at)
            if group != 2 or (end is not None and at >= end and not (element > last and vr in VRS and not _deflated(meta))):
                break
            value_at = at + 8
            if vr in _LONG:
                (length,) = struct.unpack_from("<I", data, value_at)
                value_at += 4
            elif vr not in VRS:
                (length,) = struct.unpack_from("<I", data, at + 4)
            if length == UNDEFINED or value_at + length > len(data):
                raise DatasetInvalid(f"the file ends inside its file meta information, at element (0002,{element:04X})")
            value = bytes(data[value_at : value_at + length])
            at, last = value_at + length, element
            if element == 0 and length == 4:
                end = at + struct.unpack("<I", value)[0]
            elif element in _META:
                meta[f"0002{element:04X}"] = (
                    value.hex() if _META[element] == "OB" else value.decode("ascii", "replace").strip("\0 ")
                )
    except struct.error:
        raise DatasetInvalid("the file ends inside its file meta information") from None
    if last < 0:
        raise DatasetInvalid("there is no file meta information behind the mark DICM")
    if at + 8 > len(data) and _TRANSFER_SYNTAX not in meta:
        raise DatasetInvalid(f"the file ends inside its file meta information, behind element (0002,{last:04X})")
    return at, meta


def _deflated(meta: Mapping[str, str]) -> bool:
    return meta.get(_TRANSFER_SYNTAX) in DEFLATED


def file_meta(
    sop_class: str, sop_uid: str, transfer_syntax: str, source_ae: str = "", sending_ae: str = "", receiving_ae: str = ""
) -> bytes:
    """Preamble, mark and our File Meta Information (PS3.10 section 7.1), to stand before a data set kept as it came."""
    uid = _padded(sop_uid, b"\0")
    instance = b"\x02\x00\x03\x00UI" + len(uid).to_bytes(2, "little") + uid
    before, after = _around(sop_class, transfer_syntax, source_ae, sending_ae, receiving_ae)
    length = len(before) + len(instance) + len(after)
    return b"%b\x02\x00\x00\x00UL\x04\x00%b%b%b%b" % (_PREAMBLE, length.to_bytes(4, "little"), before, instance, after)


_PREAMBLE = bytes(128) + b"DICM"


@lru_cache(maxsize=1024)
def _around(sop_class: str, transfer_syntax: str, source_ae: str, sending_ae: str, receiving_ae: str) -> tuple[bytes, bytes]:
    """What stands before and behind the SOP Instance UID; the same for all instances of one association."""
    before = b"\x02\x00\x01\x00OB\0\0\x02\0\0\0\x00\x01" + _element(0x0002, sop_class)
    after = {
        0x0010: transfer_syntax,
        0x0012: IMPLEMENTATION_CLASS_UID,
        0x0013: IMPLEMENTATION_VERSION_NAME,
        0x0016: source_ae,
        0x0017: sending_ae,
        0x0018: receiving_ae,
    }
    return before, b"".join(_element(element, value) for element, value in after.items() if value)


def _element(element: int, value: str) -> bytes:
    vr = _META[element].encode()
    padded = _padded(value, b"\0" if vr == b"UI" else b" ")
    return struct.pack("<HH2sH", 2, element, vr, len(padded)) + padded


def _padded(value: str, padding: bytes) -> bytes:
    raw = value.encode("ascii", "replace")
    return raw + padding if len(raw) % 2 else raw
