"""Names of persons (value representation PN, PS3.5 section 6.2.1): reading, showing and finding them in every script."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from panorad.model.pinyin import syllables

Spell = Callable[[str, str], Sequence[Sequence[str]]]
"""Spells a Chinese family and given name: each answer is one reading, a Latin syllable without tone for every character."""

MAX_KEYS = 12
"""At most so many search keys are made of one name."""
_MAX_KEY = 64
_MAX_TOKENS = 6


@dataclass(frozen=True, slots=True)
class Components:
    """One component group: the five components of a name in one script."""

    family: str = ""
    given: str = ""
    middle: str = ""
    prefix: str = ""
    suffix: str = ""

    def __bool__(self) -> bool:
        return bool(self.family or self.given or self.middle or self.prefix or self.suffix)

    def __str__(self) -> str:
        return "^".join((self.family, self.given, self.middle, self.prefix, self.suffix)).rstrip("^")

    @property
    def first(self) -> str:
        """Given and middle names."""
        return f"{self.given} {self.middle}".strip()


@dataclass(frozen=True, slots=True)
class PersonName:
    """The up to three component groups of a name; `str()` is its form in a data set ("Zhang^San=张^三")."""

    alphabetic: Components = Components()
    ideographic: Components = Components()
    phonetic: Components = Components()

    def __str__(self) -> str:
        return "=".join(map(str, self.groups)).rstrip("=")

    @property
    def groups(self) -> tuple[Components, Components, Components]:
        """Alphabetic, ideographic and phonetic group."""
        return self.alphabetic, self.ideographic, self.phonetic

    def json(self) -> dict[str, str]:
        """The form in the DICOM JSON model (PS3.18 F.2.2)."""
        return {name: str(group) for name, group in zip(GROUPS, self.groups, strict=True) if group}


GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def parse(name: str | Mapping[str, str]) -> PersonName:
    """Reads a name as a data set or the DICOM JSON model has it. Surplus components join the suffix; never fails."""
    groups = [str(name.get(key) or "") for key in GROUPS] if isinstance(name, Mapping) else name.split("=", 2)
    return PersonName(*(_components(group.replace("=", " ")) for group in groups))


def _components(group: str) -> Components:
    parts = group.replace("\0", "").split("^", 4)
    return Components(*(" ".join(part.replace("^", " ").split()) for part in parts))


# Showing


def display(name: str | Mapping[str, str], lang: str = "en") -> str:
    """The name for reading: "张三 ZHANG San", "Anna DOE", "Dr. Anna Maria DOE, Jr.".

    `lang` is the reader's language: for a Chinese one a name in pinyin stands family first ("ZHANG San").
    """
    person = parse(name)
    shown = list(dict.fromkeys(filter(None, (_together(group) for group in person.groups[:2] if _is_ideographic(group)))))
    if not _is_ideographic(person.alphabetic):
        family_first = bool(shown) or (lang.startswith("zh") and _is_pinyin(person.alphabetic))
        shown.append(_latin(person.alphabetic, family_first))
    shown = [text for text in shown if text]
    return " ".join(shown) or _together(person.phonetic)


def _together(group: Components) -> str:
    return "".join((group.family, group.given, group.middle))


def _latin(group: Components, family_first: bool) -> str:
    if not (group.family and group.first):
        main = [group.family or group.first]
    else:
        first = group.first.title() if group.first.isupper() and len(group.first) > 2 else group.first
        kana = _kana_or_hangul(group.family) is not None
        main = [group.family.upper(), first] if family_first or kana else [first, group.family.upper()]
    text = unicodedata.normalize("NFKC", " ".join(filter(None, [group.prefix, *main])))
    return f"{text}, {group.suffix}" if group.suffix else text


def _is_ideographic(group: Components) -> bool:
    return bool(_east_asian(_together(group)))


def _is_pinyin(group: Components) -> bool:
    tokens = _tokens(f"{group.family} {group.first}")
    return bool(tokens) and all(map(syllables, tokens))


# Finding

_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HANGUL = "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"
_east_asian = re.compile(f"[{_HAN}{_HANGUL}\u3041-\u3096]").search
_han_only = re.compile(f"[{_HAN}]+").fullmatch
_kana_or_hangul = re.compile(f"[{_HANGUL}\u3041-\u30fa\uff66-\uff9f]").search
_separators = re.compile(r"[\s^=,.;:/\\\-_\u2010-\u2015\u00b7\u2022\u2027\u30fb\uff65()\[\]\"&+*?]+")
_silent = re.compile("['\u2019\u02bc`\u00b4\0]")
_script_change = re.compile(f"(?<=[{_HAN}])(?=[a-z])|(?<=[a-z])(?=[{_HAN}])")
_marks = re.compile("[\u0300-\u036f]")
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "ł": "l", "ı": "i", "þ": "th", "ħ": "h", "ŋ": "n"})
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
_spelt_out = re.compile("([aou])e")


def fold(text: str) -> str:
    """The text without case, accents and presentation forms ("MÜLLER" -> "muller", "Straße" -> "strasse")."""
    lowered = unicodedata.normalize("NFKC", text).casefold().translate(_LETTERS)
    if lowered.isascii():
        return lowered
    return unicodedata.normalize("NFC", _marks.sub("", unicodedata.normalize("NFD", lowered)))


def _tokens(text: str) -> list[str]:
    """The folded words of a text; a change between Chinese characters and Latin letters begins a new one."""
    folded = _script_change.sub(" ", fold(_silent.sub("", text)))
    return [token for token in _separators.split(folded) if token]


def query_keys(text: str) -> list[str]:
    """What a search text asks for: every one of these must be the beginning of one of a name's `keys`."""
    return list(dict.fromkeys(token[:_MAX_KEY] for token in _tokens(text)))


def found(keys: Iterable[str], query: Iterable[str]) -> bool:
    """Whether a name with these `keys` is found by these `query_keys`: the meaning that every index must keep."""
    held = tuple(keys)
    return all(any(key.startswith(asked) for key in held) for asked in query)


def keys(name: str | Mapping[str, str], spell: Spell | None = None) -> tuple[str, ...]:
    """The folded keys under whose beginnings a name is found (see `found`), at most `MAX_KEYS`, the most useful first.

    They hold the words of each group joined in either order (which also finds every single word), initials of Chinese
    names, umlauts spelt out and not; with `spell`, Chinese characters also by their pinyin and initials. No key is the
    beginning of another.
    """
    person = parse(name)
    made: list[list[str]] = []
    chinese = not any(_kana_or_hangul(_together(group)) for group in person.groups)
    for group in person.groups:
        family, given = _tokens(group.family), _tokens(group.first)
        if _east_asian(_together(group)) or _kana_or_hangul(_together(group)):
            made.append(_ideographic(family, given, spell if chinese else None))
        else:
            made.append(_alphabetic(family, given, f"{group.family} {group.first}", chinese))
    by_turns = chain.from_iterable(zip_longest(*made, fillvalue=""))
    distinct = list(dict.fromkeys(key[:_MAX_KEY] for key in by_turns if key))
    return tuple(key for key in distinct if not any(other != key and other.startswith(key) for other in distinct))[:MAX_KEYS]


def _rotations(words: Sequence[str]) -> list[str]:
    """The words joined, beginning at each of them in turn."""
    return ["".join((*words[i:], *words[:i])) for i in range(len(words))]


def _alphabetic(family: list[str], given: list[str], text: str, chinese: bool) -> list[str]:
    words = [*family, *given][:_MAX_TOKENS]
    made = _rotations(words)
    spelled = [syllable for word in words for syllable in syllables(word)]
    if chinese and len(spelled) > 1 and all(map(syllables, words)):
        made += ["".join(syllable[0] for syllable in spelled), *spelled]
    spelt_out = text.casefold().translate(_SPELT_OUT)
    if spelt_out != text.casefold():
        made += _tokens(spelt_out)
    return made + [_spelt_out.sub(r"\1", word) for word in words if _spelt_out.search(word)]


def _ideographic(family: list[str], given: list[str], spell: Spell | None) -> list[str]:
    words = [*family, *given]
    made = _rotations(words[:_MAX_TOKENS])
    joined = "".join(words)
    if not _han_only(joined):
        return made
    surname, rest = (words[0], "".join(words[1:])) if len(words) > 1 else split_chinese(joined)
    made.append(rest)
    if spell is None:
        return made
    readings = spell(surname, rest)
    size = len(surname)
    for reading in readings:
        made += ["".join(reading), "".join(syllable[0] for syllable in reading if syllable)]
    for reading in readings[:1]:
        made += ["".join((*reading[size:], *reading[:size])), *reading[1:]]
    return made


COMPOUND_SURNAMES = frozenset(
    re.findall(
        "..",
        "欧阳歐陽上官司马司馬司徒诸葛諸葛夏侯皇甫尉迟尉遲公孙公孫慕容令狐宇文长孙長孫端木南宫南宮东方東方独孤獨孤轩辕軒轅呼延澹台澹臺"
        "百里申屠太史闻人聞人赫连赫連万俟濮阳濮陽淳于单于單于公冶钟离鍾離鲜于鮮于闾丘东郭西门拓跋第五",
    )
)
"""Family names of two characters."""


def split_chinese(name: str) -> tuple[str, str]:
    """Family and given name of a Chinese name written in one.

    >>> split_chinese("欧阳娜娜")
    ('欧阳', '娜娜')
    """
    size = 2 if len(name) > 2 and name[:2] in COMPOUND_SURNAMES else 1
    return name[:size], name[size:]
