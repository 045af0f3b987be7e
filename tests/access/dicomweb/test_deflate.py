from __future__ import annotations

import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panorad.access.dicomweb.deflate import Piece, combine, join, pack, unpack


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_checksums_combine(a: bytes, b: bytes) -> None:
    assert combine(zlib.crc32(a), zlib.crc32(b), len(b)) == zlib.crc32(a + b)


@given(st.lists(st.lists(st.dictionaries(st.text(max_size=5), st.integers()), max_size=4), max_size=5), st.integers(0, 9))
def test_lists_joined_packed_are_the_joined_list(lists: list[list[dict[str, int]]], level: int) -> None:
    pieces = [Piece.of(json.dumps(items).encode()[1:-1], level) for items in lists]
    assert [json.loads(gzip.decompress(pack(piece))) for piece in pieces] == lists
    assert [unpack(pack(piece)) for piece in pieces] == pieces
    joined = join(pieces)
    assert json.loads(gzip.decompress(joined)) == [item for items in lists for item in items]
    inflater = zlib.decompressobj(31)
    inflater.decompress(joined)
    assert inflater.eof
    assert not inflater.unused_data  # one member: nothing that a browser would drop


@given(st.binary(max_size=100))
def test_what_is_no_packed_list_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="packed list"):
        unpack(data)


def test_a_torn_packed_list_is_refused() -> None:
    document = pack(Piece.of(b'{"a":1}'))
    with pytest.raises(ValueError, match="torn"):
        unpack(document[:-8] + bytes(8))
    with pytest.raises(ValueError, match="packed list"):
        unpack(document[:30])
