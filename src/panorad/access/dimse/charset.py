"""Character sets of identifiers: Specific Character Set (0008,0005) both ways (PS3.5 section 6.1, PS3.3 section C.12.1.1.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydicom.charset import decode_bytes, encode_string, python_encoding

UTF8 = ("ISO_IR 192",)
_CONTROL = frozenset(b"\n\f\r\t")
_NAME = frozenset(b"^=") | _CONTROL
_NAME_PARTS = re.compile("([\\^=])")


class Charset:
    """The character sets of one data set. Unknown terms are read as UTF-8 where that fits, else as Latin-1; never an error."""

    def __init__(self, terms: Sequence[str] = ()) -> None:
        self.terms = tuple(term.strip() for term in terms)
        self.encodings = [_encoding(term) for term in self.terms] or ["ascii"]

    def decode(self, raw: bytes, *, name: bool = False) -> str:
        """Text of a value; `name` for person names, whose delimiters end a code extension. What cannot be read is replaced."""
        if b"\x1b" in raw and len(self.encodings) > 1:
            return decode_bytes(raw, self.encodings, set(_NAME if name else _CONTROL))
        try:
            return raw.decode(self.encodings[0] if self.terms else "utf-8")
        except (UnicodeError, LookupError):
            return raw.decode("latin-1")

    def encode(self, text: str, *, name: bool = False) -> bytes:
        """Bytes of a text; raises UnicodeError when these character sets cannot hold it."""
        if len(self.encodings) == 1:
            return text.encode(self.encodings[0])
        if text.isascii():
            return text.encode("ascii")
        for letter in text:
            if not any(_holds(encoding, letter) for encoding in self.encodings):
                raise UnicodeEncodeError(self.encodings[0], letter, 0, 1, "not in the specific character sets")
        parts = _NAME_PARTS.split(text) if name else [text]
        raw = b"".join(encode_string(part, self.encodings) for part in parts)
        if self.decode(raw, name=name) != text:
            raise UnicodeEncodeError(self.encodings[0], text, 0, len(text), "does not survive code extension")
        return raw


def _encoding(term: str) -> str:
    found = python_encoding.get(term)
    return ("iso8859" if not term else "utf-8") if found is None else found


def _holds(encoding: str, letter: str) -> bool:
    try:
        letter.encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True
