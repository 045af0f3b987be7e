"""Writing text in the requestor's Specific Character Set (0008,0005) (PS3.5 section 6.1.2); reading is `data.imaging.charset`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from panorad.data.imaging.charset import ENCODINGS

UTF8 = ("ISO_IR 192",)

KATAKANA = "shift_jis"
"""The codec for JIS X 0201, of which only the letters of one byte belong to it."""

CODECS: Mapping[str, str] = {**ENCODINGS, "58": "gb2312", "GBK": "gbk"}
"""Codecs for writing: the archive reads GB 2312 and GBK by a codec of more letters than may be written under those names."""

ESCAPES: Mapping[str, bytes] = {
    "ascii": b"\x1b(B",
    "shift_jis": b"\x1b)I",
    "latin_1": b"\x1b-A",
    "iso8859_2": b"\x1b-B",
    "iso8859_3": b"\x1b-C",
    "iso8859_4": b"\x1b-D",
    "iso8859_7": b"\x1b-F",
    "iso8859_6": b"\x1b-G",
    "iso8859_8": b"\x1b-H",
    "iso8859_5": b"\x1b-L",
    "iso8859_9": b"\x1b-M",
    "iso8859_11": b"\x1b-T",
    "iso8859_15": b"\x1b-b",
    "gb2312": b"\x1b$)A",
    "euc_kr": b"\x1b$)C",
    "iso2022_jp": b"",
    "iso2022_jp_2": b"",
}
"""Escape sequences that switch to a codec (PS3.3 Tables C.12-3 and C.12-4); the Japanese codecs write their own."""

_PREFIX = re.compile(r"ISO_IR |ISO 2022 (IR )?")
_NAME_PARTS = re.compile("([\\^=])")


class Charset:
    """The character sets to write in; raises LookupError for a term that is none, or that cannot be combined with others."""

    def __init__(self, terms: Sequence[str] = ()) -> None:
        self.codecs = [CODECS[_PREFIX.sub("", term)] for term in terms] or ["ascii"]
        if len(self.codecs) > 1 and not all(codec in ESCAPES for codec in self.codecs):
            raise LookupError(f"{terms} is no combination of character sets")

    def encode(self, text: str, *, name: bool = False) -> bytes:
        """Bytes of a text; `name` for person names, each part of which begins anew. Raises UnicodeError where no set holds it."""
        if len(self.codecs) == 1 and self.codecs[0] != KATAKANA:
            return text.encode(self.codecs[0])
        return b"".join(self._extended(part) for part in (_NAME_PARTS.split(text) if name else [text]))

    def _extended(self, text: str) -> bytes:
        """One part with code extension: each run of letters in the first character set that holds it, after its escape."""
        runs: list[tuple[str, str]] = []
        for letter in text:
            current = runs[-1][0] if runs else self.codecs[0]
            codec = next((codec for codec in (current, *self.codecs) if _holds(codec, letter)), None)
            if codec is None:
                raise UnicodeEncodeError(self.codecs[0], letter, 0, 1, "not in the specific character sets")
            if runs and runs[-1][0] == codec:
                runs[-1] = (codec, runs[-1][1] + letter)
            else:
                runs.append((codec, letter))
        return b"".join(
            (b"" if at == 0 and codec == self.codecs[0] else ESCAPES[codec]) + run.encode(codec)
            for at, (codec, run) in enumerate(runs)
        )


def _holds(codec: str, letter: str) -> bool:
    try:
        return len(letter.encode(codec)) == 1 or codec != KATAKANA
    except UnicodeError:
        return False
