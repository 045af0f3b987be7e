"""Text of data sets to Unicode by Specific Character Set (PS3.5 section 6.1.2), also where the declaration is missing or wrong.

Chinese senders often write GBK or UTF-8 without declaring it, or declare Latin-1. A text is read as such only where its bytes
say so strongly; everything else is read as declared, and nothing is ever refused for its text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

_LATIN = [
    ("100", "latin_1"),
    ("101", "iso8859_2"),
    ("109", "iso8859_3"),
    ("110", "iso8859_4"),
    ("126", "iso8859_7"),
    ("127", "iso8859_6"),
]
_SINGLE = [
    *_LATIN,
    ("138", "iso8859_8"),
    ("144", "iso8859_5"),
    ("148", "iso8859_9"),
    ("166", "iso8859_11"),
    ("203", "iso8859_15"),
]

ENCODINGS: Mapping[str, str] = {
    "": "ascii",
    "6": "ascii",
    "13": "shift_jis",
    **dict(_SINGLE),
    "58": "gb18030",
    "87": "iso2022_jp",
    "149": "euc_kr",
    "159": "iso2022_jp_2",
    "192": "utf_8",
    "GB18030": "gb18030",
    "GBK": "gb18030",
}
"""Defined Terms of Specific Character Set (PS3.3 C.12.1.1.2) without their prefixes ISO_IR and ISO 2022 IR, and their codecs.
GB 18030 contains GBK and GB 2312, so that senders who use a character of the larger set under the smaller name are read."""

_MISNAMED: Mapping[str, str] = {
    "UTF-8": "utf_8",
    "UTF8": "utf_8",
    "GB2312": "gb18030",
    "BIG5": "big5",
    "EUC-KR": "euc_kr",
    "SHIFT_JIS": "shift_jis",
    "ISO_8859_1": "latin_1",
    "ISO-8859-1": "latin_1",
    "WINDOWS-1251": "cp1251",
    "WINDOWS-1252": "cp1252",
}
"""What senders write who name a codec instead of a Defined Term."""

_ESCAPES: Mapping[bytes, str] = {
    b"\x1b(B": "ascii",
    b"\x1b(J": "shift_jis",
    b"\x1b)I": "shift_jis",
    b"\x1b$B": "iso2022_jp",
    b"\x1b$@": "iso2022_jp",
    b"\x1b$(D": "iso2022_jp_2",
    b"\x1b$)C": "euc_kr",
    b"\x1b$)A": "gb18030",
    b"\x1b-A": "latin_1",
    b"\x1b-B": "iso8859_2",
    b"\x1b-C": "iso8859_3",
    b"\x1b-D": "iso8859_4",
    b"\x1b-F": "iso8859_7",
    b"\x1b-G": "iso8859_6",
    b"\x1b-H": "iso8859_8",
    b"\x1b-L": "iso8859_5",
    b"\x1b-M": "iso8859_9",
    b"\x1b-T": "iso8859_11",
    b"\x1b-b": "iso8859_15",
}
"""Escape sequences of code extension (PS3.3 Tables C.12-3 and C.12-4)."""

_fragments = re.compile(rb"\x1b(?:\$[()][A-Z]|\$[@AB]|[(\-)][A-Za-z])[^\x1b]*|\x1b?[^\x1b]+|\x1b").findall
_escape = re.compile(rb"\x1b(?:\$[()][A-Z]|\$[@AB]|[(\-)][A-Za-z])").match
_delimiter = re.compile(rb"[\^=\\\r\n\f\t]").search
_high_run = re.compile(rb"[\x80-\xff]+").findall
_prefix = re.compile(r"(ISO[ _-]?IR|ISO[ _-]?2022[ _-]IR|ISO[ _-]?2022)[ _-]*")


class Decoded(NamedTuple):
    """A text, and what is to be said about how it was declared ("" for nothing)."""

    text: str
    warning: str = ""


def terms(declared: bytes) -> tuple[str, ...]:
    """The values of Specific Character Set from its bytes."""
    return tuple(term.strip("\0 ") for term in declared.decode("ascii", "replace").split("\\"))


def decode(value: bytes, charsets: tuple[str, ...]) -> Decoded:
    """The text of `value` under the values of Specific Character Set `charsets`; never fails."""
    escaped = b"\x1b" in value
    if value.isascii() and not escaped:
        return Decoded(value.decode("ascii"))
    encoding, unknown = _first(charsets)
    if escaped:
        return _code_extended(value, encoding)
    if encoding in ("ascii", "latin_1"):
        return _undeclared(value, encoding, charsets)
    other = "gb18030" if encoding == "utf_8" else "utf_8"
    try:
        text = value.decode(encoding)
    except UnicodeDecodeError:
        if other == "utf_8" or _chinese(value):
            try:
                return Decoded(value.decode(other), f"text declared as {charsets[0]} is {other.upper().replace('_', '-')}")
            except UnicodeDecodeError:
                pass
        return Decoded(value.decode(encoding, "replace"), f"text declared as {charsets[0]} has bytes that are none")
    if encoding == "gb18030" and not _common_hanzi(text):
        try:
            return Decoded(value.decode("utf_8"), f"text declared as {charsets[0]} is UTF-8")
        except UnicodeDecodeError:
            pass
    return Decoded(text, unknown)


@lru_cache(maxsize=256)
def _first(charsets: tuple[str, ...]) -> tuple[str, str]:
    """The codec of the first value, with a warning when nobody knows the term."""
    term = charsets[0] if charsets else ""
    name = _prefix.sub("", term.upper())
    if name in ENCODINGS:
        return ENCODINGS[name], ""
    if name in _MISNAMED:
        return _MISNAMED[name], f"Specific Character Set {term} is no Defined Term"
    return "ascii", f"Specific Character Set {term} is unknown"


def _undeclared(value: bytes, encoding: str, charsets: tuple[str, ...]) -> Decoded:
    """Bytes beyond ASCII where none or only Latin-1 were declared: UTF-8 or GB 18030 when they are surely that, else Latin-1."""
    said = f"declared as {charsets[0]}" if charsets and charsets[0] else "without a declared character set"
    try:
        return Decoded(value.decode("utf_8"), f"text {said} is UTF-8")
    except UnicodeDecodeError:
        pass
    if _chinese(value) if encoding == "ascii" else _surely_chinese(value):
        return Decoded(value.decode("gb18030"), f"text {said} is GB18030")
    return Decoded(value.decode("latin_1"), "" if encoding == "latin_1" else f"text {said} is read as Latin-1")


def _common_hanzi(text: str) -> bool:
    """Whether at least half of what is beyond ASCII are the common Chinese characters and signs of GB 2312."""
    beyond = [character for character in text if ord(character) > 0x7F]
    return 2 * sum(_in_gb2312(character) for character in beyond) >= len(beyond)


def _in_gb2312(character: str) -> bool:
    return len(character.encode("gb2312", "ignore")) == 2


def _chinese(value: bytes) -> bool:
    """Whether the bytes are plausible GB 18030: they decode, to common characters in the main."""
    try:
        return _common_hanzi(value.decode("gb18030"))
    except UnicodeDecodeError:
        return False


def _surely_chinese(value: bytes) -> bool:
    """Whether bytes declared as Latin-1 are Chinese: long even runs of high bytes, which no word of a Latin script has."""
    runs = _high_run(value)
    if any(len(run) % 2 for run in runs) or not _chinese(value):
        return False
    words = [word for word in re.split(rb"[\^= \\]+", value) if word]
    return max(map(len, runs)) >= 4 or all(word.isascii() or not re.search(rb"[A-Za-z]", word) for word in words)


def _code_extended(value: bytes, first: str) -> Decoded:
    """Text with escape sequences (PS3.5 section 6.1.2.5): each designation holds until the next one or a delimiter."""
    parts, warnings = [], ""
    for fragment in _fragments(value):
        match = _escape(fragment)
        encoding = _ESCAPES.get(match.group()) if match else first
        if encoding is None:
            warnings = f"text has the unknown escape sequence {fragment[:4]!r}"
            encoding = first
        if match and not encoding.startswith("iso2022"):
            fragment = fragment[match.end() :]
        stop = _delimiter(fragment) if match else None
        head, tail = (fragment[: stop.start()], fragment[stop.start() :]) if stop else (fragment, b"")
        if encoding.startswith("iso2022") or (first == "ascii" and not tail.isascii()):
            head, tail = fragment, b""
        for piece, codec in ((head, encoding), (tail, first)):
            try:
                parts.append(piece.decode(codec))
            except UnicodeDecodeError:
                if codec == "ascii":
                    decoded = _undeclared(piece, codec, ())
                    text, warnings = decoded
                    parts.append(text)
                else:
                    parts.append(piece.decode(codec, "replace"))
                    warnings = "text has bytes that its escape sequence does not allow"
    return Decoded("".join(parts), warnings)
