"""gzip documents that can be joined without inflating them (RFC 1951 sections 2 and 3.2, RFC 1952).

A list of JSON objects is kept as one valid gzip file whose inner deflate blocks end on a byte boundary, with the length and the
checksum of the inside in the header's extra field. Joining such lists is then writing a new header, the inner blocks as they are,
a comma between them, and a trailer whose checksum is computed from the pieces' checksums. The result is a single gzip member, as
every reader takes it; browsers drop what follows the first member of several.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

_HEAD = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff"
_PLAIN_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_EXTRA = struct.Struct("<H2sHII")  # length of the extra field, subfield id, subfield length, checksum and length of the inside
_TRAILER = struct.Struct("<II")
_OPEN_AT = len(_HEAD) + _EXTRA.size
_BLOCK = 6  # a stored block of one byte
_ORDER = 0xEDB88320


@dataclass(frozen=True, slots=True)
class Piece:
    """Deflate blocks that end on a byte boundary and are not the last ones, with the checksum and length of what they hold."""

    blocks: bytes
    checksum: int
    length: int

    @classmethod
    def of(cls, text: bytes, level: int = 6) -> Piece:
        """The piece that holds `text`."""
        deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
        return cls(deflater.compress(text) + deflater.flush(zlib.Z_FULL_FLUSH), zlib.crc32(text), len(text))


def pack(inside: Piece) -> bytes:
    """The gzip document of a JSON array whose elements, joined by commas, are `inside`."""
    head = _HEAD + _EXTRA.pack(12, b"PR", 8, inside.checksum, inside.length)
    return b"".join((head, *_framed((inside,))))


def unpack(document: bytes) -> Piece:
    """The inside of a document made by `pack`. Raises ValueError when it is not one, or torn."""
    if len(document) < _OPEN_AT + 2 * _BLOCK + _TRAILER.size or document[: len(_HEAD)] != _HEAD:
        raise ValueError("not a packed list")
    size, name, inner, checksum, length = _EXTRA.unpack_from(document, len(_HEAD))
    if (size, name, inner) != (12, b"PR", 8):
        raise ValueError("not a packed list")
    piece = Piece(document[_OPEN_AT + _BLOCK : -_TRAILER.size - _BLOCK], checksum, length)
    if document[-_TRAILER.size :] != _framed((piece,))[-1]:
        raise ValueError("a torn packed list")
    return piece


def join(pieces: Iterable[Piece]) -> bytes:
    """One gzip document of the JSON array that holds the elements of all `pieces`; empty pieces are left out."""
    return b"".join((_PLAIN_HEAD, *_framed(tuple(piece for piece in pieces if piece.length))))


def _framed(pieces: tuple[Piece, ...]) -> list[bytes]:
    blocks = [_stored(b"[")]
    checksum, length = zlib.crc32(b"["), 1
    for number, piece in enumerate(pieces):
        if number:
            blocks.append(_stored(b","))
            checksum, length = zlib.crc32(b",", checksum), length + 1
        blocks.append(piece.blocks)
        checksum, length = combine(checksum, piece.checksum, piece.length), length + piece.length
    return [*blocks, _stored(b"]", last=True), _TRAILER.pack(zlib.crc32(b"]", checksum), (length + 1) & 0xFFFFFFFF)]


def _stored(byte: bytes, last: bool = False) -> bytes:
    return bytes((last, 1, 0, 0xFE, 0xFF)) + byte


def combine(first: int, second: int, length: int) -> int:
    """The CRC-32 of two texts one after the other, from their checksums and the length in bytes of the second."""
    return _multiply(_shift(length), first) ^ second


@lru_cache(maxsize=1024)
def _shift(length: int) -> int:
    """x to the power 8 * length, modulo the CRC-32 polynomial (bits reflected)."""
    power, factor, bits = 0x80000000, 0x00800000, length  # one, and x to the eighth
    while bits:
        if bits & 1:
            power = _multiply(power, factor)
        factor = _multiply(factor, factor)
        bits >>= 1
    return power


def _multiply(a: int, b: int) -> int:
    """The product of two polynomials over GF(2), modulo the CRC-32 polynomial, bits reflected."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ _ORDER if b & 1 else b >> 1
    return product
