"""What the index needs of a received data set, read in one pass and without decoding pixels: the hot path of every receipt."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from panorad.data.imaging import charset
from panorad.data.imaging.elements import (
    DEFLATED,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    ITEM,
    SEQUENCE_END,
    UNDEFINED,
    VRS,
    Buffer,
    Coding,
    DatasetInvalid,
    HeaderIncomplete,
    Span,
    coding_of,
    tag_name,
    walk,
)
from panorad.model.instance import Header

__all__ = ["INFLATED_LIMIT", "DatasetInvalid", "HeaderIncomplete", "check_extent", "inflate", "inflate_head", "scan"]

INFLATED_LIMIT: Final = 1 << 30
"""Bytes to which a deflated data set may grow; more is refused as a decompression bomb."""
_INFLATED_HEADER_LIMIT: Final = 1 << 28
_CHUNK: Final = 1 << 20

CHARACTER_SET, SOP_CLASS, SOP_UID = 0x00080005, 0x00080016, 0x00080018
PATIENT_ID, ISSUER, STUDY_UID, SERIES_UID, NUMBER = 0x00100020, 0x00100021, 0x0020000D, 0x0020000E, 0x00200013
SAMPLES, FRAMES, ROWS, COLUMNS, BITS_ALLOCATED = 0x00280002, 0x00280008, 0x00280010, 0x00280011, 0x00280100
PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
"""Float Pixel Data, Double Float Pixel Data, Pixel Data."""

_TAGS = dict.fromkeys(
    (
        CHARACTER_SET,
        SOP_CLASS,
        SOP_UID,
        PATIENT_ID,
        ISSUER,
        STUDY_UID,
        SERIES_UID,
        NUMBER,
        SAMPLES,
        FRAMES,
        ROWS,
        COLUMNS,
        BITS_ALLOCATED,
        *PIXELS,
    )
)
_WANTED = {coding.name: coding.wanted(_TAGS) for coding in (IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE)}
_STOPS = {coding.name: frozenset(map(coding.raw, PIXELS)) for coding in (IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE)}

_usable_uid = re.compile(rb"[0-9][0-9.]{0,63}").fullmatch
_integer = re.compile(rb"\s*[+-]?[0-9]{1,12}(\.0*)?\s*").fullmatch


def scan(data: Buffer, transfer_syntax: str, *, complete: bool = True) -> Header:
    """The header of the data set (no Part 10 file meta) in `data`, which need reach no further than the start of the pixel data.

    With `complete=False` more bytes may follow: reaching the end of the buffer without having met pixel data is then
    `HeaderIncomplete`, which means "call again with more". With `complete=True` a data set may end without pixel data, and
    `HeaderIncomplete` is a refusal like its base `DatasetInvalid`. Both say which element is wrong, where, in words for an
    operator.
    """
    if transfer_syntax in DEFLATED:
        return _scan_deflated(data, transfer_syntax, complete)
    coding = coding_of(data, transfer_syntax)
    found, at = walk(data, 0, len(data), coding, _WANTED[coding.name], _STOPS[coding.name])
    pixels = next((found[tag] for tag in PIXELS if tag in found), None)
    if pixels is None and not complete:
        raise HeaderIncomplete(f"no pixel data up to byte {at}")
    return _header(data, coding, found, transfer_syntax, pixels)


def _header(data: Buffer, coding: Coding, found: dict[int, Span], transfer_syntax: str, pixels: Span | None) -> Header:
    declared = _bytes(data, found, CHARACTER_SET) if CHARACTER_SET in found else b""
    return Header(
        study_uid=_uid(data, found, STUDY_UID, "Study Instance UID"),
        series_uid=_uid(data, found, SERIES_UID, "Series Instance UID"),
        sop_uid=_uid(data, found, SOP_UID, "SOP Instance UID"),
        sop_class=_uid(data, found, SOP_CLASS, "SOP Class UID"),
        transfer_syntax=transfer_syntax,
        patient_id=_text(data, found, PATIENT_ID, declared),
        issuer=_text(data, found, ISSUER, declared),
        number=_int(data, found, NUMBER),
        rows=_unsigned(data, found, ROWS, coding),
        columns=_unsigned(data, found, COLUMNS, coding),
        frames=_int(data, found, FRAMES),
        bits_allocated=_unsigned(data, found, BITS_ALLOCATED, coding),
        samples=_unsigned(data, found, SAMPLES, coding),
        pixel_at=pixels[1] if pixels else None,
        pixel_length=pixels[2] if pixels and pixels[2] != UNDEFINED else None,
    )


def _bytes(data: Buffer, found: dict[int, Span], tag: int) -> bytes:
    _, at, length = found[tag]
    return bytes(data[at : at + length]) if length != UNDEFINED else b""


def _uid(data: Buffer, found: dict[int, Span], tag: int, name: str) -> str:
    if tag not in found:
        raise DatasetInvalid(f"{name} {tag_name(tag)} is missing")
    value = _bytes(data, found, tag).strip(b"\0 ")
    if not _usable_uid(value):
        shown = value[:70].decode("ascii", "backslashreplace")
        raise DatasetInvalid(f"{name} {tag_name(tag)} at byte {found[tag][1]} is {'not a UID: ' + shown if value else 'empty'}")
    return value.decode("ascii")


def _text(data: Buffer, found: dict[int, Span], tag: int, declared: bytes) -> str:
    if tag not in found:
        return ""
    value = _bytes(data, found, tag).strip(b"\0 ")
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    return charset.decode(value, charset.terms(declared)).text.strip("\0 ").replace("\0", "")


def _int(data: Buffer, found: dict[int, Span], tag: int) -> int | None:
    """The first value of an IS element, None when empty or no number that fits a 32-bit integer."""
    if tag not in found:
        return None
    value = _bytes(data, found, tag).partition(b"\\")[0].strip(b"\0 ")
    number = int(value.partition(b".")[0]) if _integer(value) else None
    return number if number is not None and -(1 << 31) <= number < 1 << 31 else None


def _unsigned(data: Buffer, found: dict[int, Span], tag: int, coding: Coding) -> int | None:
    if tag not in found or found[tag][2] < 2 or found[tag][2] == UNDEFINED:
        return None
    at = found[tag][1]
    return int.from_bytes(data[at : at + 2], "little" if coding.order == "<" else "big")


def _scan_deflated(data: Buffer, transfer_syntax: str, complete: bool) -> Header:
    head, whole = inflate_head(data)
    header = scan(head, "1.2.840.10008.1.2.1", complete=complete and whole)
    return replace(header, transfer_syntax=transfer_syntax, pixel_at=None, pixel_length=None)


def inflate_head(data: Buffer) -> tuple[bytearray, bool]:
    """Inflates a deflated data set no further than to its pixel data, or to its end where there are none.

    Tells too whether that was reached, which is not so when `data` is cut. Raises `DatasetInvalid` when it is damaged, or when
    the pixel data do not begin within 256 MiB.
    """
    head, look_at = bytearray(), _CHUNK
    try:
        for piece in _inflated(data, _INFLATED_HEADER_LIMIT):
            head += piece
            if len(head) >= look_at:
                look_at *= 4
                if _has_pixels(head):
                    return head, True
    except HeaderIncomplete:
        return head, False
    return head, True


def _has_pixels(head: bytearray) -> bool:
    try:
        found, _ = walk(head, 0, len(head), EXPLICIT_LE, _WANTED[EXPLICIT_LE.name], _STOPS[EXPLICIT_LE.name])
    except HeaderIncomplete:
        return False
    return any(tag in found for tag in PIXELS)


def inflate(data: Buffer, limit: int = INFLATED_LIMIT) -> bytes:
    """The data set inside a deflated one (PS3.5 A.5). Raises `DatasetInvalid` when damaged, cut, or larger than `limit` bytes."""
    return b"".join(_inflated(data, limit))


def _inflated(data: Buffer, limit: int) -> Iterator[bytes]:
    engine, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    try:
        for at in range(0, len(data), _CHUNK):
            rest = bytes(data[at : at + _CHUNK])
            while True:
                piece = engine.decompress(rest, _CHUNK)
                rest = engine.unconsumed_tail
                total += len(piece)
                if total > limit:
                    raise DatasetInvalid(f"the deflated data set grows beyond {limit >> 20} MiB")
                yield piece
                if engine.eof:
                    return
                if not rest and len(piece) < _CHUNK:
                    break
    except zlib.error as error:
        raise DatasetInvalid(f"the deflated data set is damaged ({error})") from None
    raise HeaderIncomplete("the deflated data set is cut")


def check_extent(data: Buffer, header: Header) -> list[str]:
    """Checks that the whole data set in `data` reaches as far as it says; `header` is what `scan` read from it.

    Raises `DatasetInvalid` when it is cut. Returns warnings about what is kept although it is odd: pixel data of another length
    than rows, columns, frames, samples and bits make, a missing delimiter, bytes behind the last element.
    """
    if header.pixel_at is None:
        if header.transfer_syntax in DEFLATED:
            for _ in _inflated(data, INFLATED_LIMIT):
                pass
        return []
    end = len(data)
    if header.pixel_length is None:
        at, warnings = _fragments(data, header)
    else:
        at = header.pixel_at + header.pixel_length
        if at > end:
            raise DatasetInvalid(f"pixel data of {header.pixel_length} bytes are cut after {max(end - header.pixel_at, 0)}")
        warnings = _length_warnings(header)
    if at < end:
        warnings += _after_pixels(data, at, end, header)
    return warnings


def _fragments(data: Buffer, header: Header) -> tuple[int, list[str]]:
    """Walks encapsulated pixel data (PS3.5 A.4): the offset behind them and what is odd about them."""
    at, end, count = header.pixel_at or 0, len(data), -1
    coding = coding_of(data, header.transfer_syntax)
    item, delimiter, plain = coding.raw(ITEM), coding.raw(SEQUENCE_END), coding.plain
    while at + 8 <= end:
        key, length = plain(data, at)
        if key == delimiter:
            few = count < (header.frames or 1)
            return at + 8, [f"{max(count, 0)} fragments for {header.frames or 1} frames"] if few else []
        if key != item or length == UNDEFINED:
            raise DatasetInvalid(f"{tag_name(coding.tag(key))} stands at byte {at} where a fragment of the pixel data must be")
        count += 1
        at += 8 + length
    if at == end and count >= (header.frames or 1):
        return at, ["the pixel data have no Sequence Delimitation Item"]
    raise DatasetInvalid(f"encapsulated pixel data are cut at byte {end}, in fragment {max(count, 0)}")


def _length_warnings(header: Header) -> list[str]:
    if header.rows is None or header.columns is None or header.bits_allocated is None:
        return []
    pixels = header.rows * header.columns * (header.frames or 1)
    expected = (pixels * (header.samples or 1) * header.bits_allocated + 7) // 8
    length = header.pixel_length or 0
    subsampled = header.samples == 3 and length - pixels * 2 in (0, 1)
    if length < expected and not subsampled:
        return [f"the pixel data have {length} bytes where {expected} are expected"]
    return []


def _after_pixels(data: Buffer, at: int, end: int, header: Header) -> list[str]:
    coding = coding_of(data, header.transfer_syntax)
    try:
        walk(data, at, end, coding, {})
    except DatasetInvalid as error:
        known = end - at >= 8 and (not coding.explicit or bytes(data[at + 4 : at + 6]) in VRS)
        if known and coding.tag(coding.length(data, at)[0]) > PIXELS[-1]:
            raise DatasetInvalid(f"behind the pixel data: {error.detail}") from None
        return [f"{end - at} bytes behind the pixel data are no data elements"]
    return []
