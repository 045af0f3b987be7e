"""Search keys of Chinese names by their pinyin: the part of `panorad.model.person_name` that needs a dictionary.

The dictionary is pypinyin's table of single characters, read from its data file when the first Chinese name comes: importing
the package would load its 47,000 phrases too, ten times the memory, and names are no phrases.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice, product
from pathlib import Path

from panorad.model import person_name

_MAX_READINGS = 4

SURNAMES: Mapping[str, str] = {
    **dict.fromkeys("单單", "shan dan"),
    **dict.fromkeys("曾", "zeng ceng"),
    **dict.fromkeys("解", "xie jie"),
    **dict.fromkeys("仇", "qiu chou"),
    **dict.fromkeys("查", "zha cha"),
    **dict.fromkeys("区區", "ou qu"),
    **dict.fromkeys("朴", "piao pu"),
    **dict.fromkeys("盖蓋", "ge gai"),
    **dict.fromkeys("翟", "zhai di"),
    **dict.fromkeys("覃", "qin tan"),
    **dict.fromkeys("缪繆", "miao mou"),
    **dict.fromkeys("薄", "bo bao"),
    **dict.fromkeys("黑", "he hei"),
    **dict.fromkeys("员員", "yun yuan"),
    **dict.fromkeys("召", "shao zhao"),
    **dict.fromkeys("种", "chong zhong"),
    **dict.fromkeys("繁", "po fan"),
    **dict.fromkeys("秘", "bi mi"),
    **dict.fromkeys("冼洗", "xian xi"),
    **dict.fromkeys("折", "she zhe"),
    **dict.fromkeys("乜", "nie mie"),
    **dict.fromkeys("郇", "xun huan"),
    **dict.fromkeys("隗", "wei kui"),
    **dict.fromkeys("乐樂", "yue le"),
    **dict.fromkeys("能", "nai neng"),
    **dict.fromkeys("沈", "shen chen"),
    **dict.fromkeys("褚", "chu zhu"),
    **dict.fromkeys("晟", "cheng sheng"),
    **dict.fromkeys("盛", "sheng cheng"),
    **dict.fromkeys("祭", "zhai ji"),
    **dict.fromkeys("佴", "nai er"),
    **dict.fromkeys("阚闞", "kan"),
    **dict.fromkeys("柏", "bai bo"),
    **dict.fromkeys("牟", "mu mou"),
    **dict.fromkeys("长長", "zhang chang"),
    **dict.fromkeys("贲賁", "ben"),
    **dict.fromkeys("都", "du dou"),
    **dict.fromkeys("重", "chong zhong"),
    **dict.fromkeys("万", "wan mo"),
    "尉迟": "yu chi",
    "尉遲": "yu chi",
    "万俟": "mo qi",
    "长孙": "zhang sun",
    "長孫": "zhang sun",
    "澹台": "tan tai",
    "澹臺": "tan tai",
    "令狐": "ling hu",
    "单于": "chan yu",
    "單于": "chan yu",
}
"""How family names are read that are read otherwise as words: of one character the readings, of two their two syllables."""

GIVEN: Mapping[str, str] = {
    **dict.fromkeys("乐樂", "le yue"),
    **dict.fromkeys("行", "xing hang"),
    **dict.fromkeys("重", "zhong chong"),
    **dict.fromkeys("长長", "chang zhang"),
    **dict.fromkeys("朝", "chao zhao"),
    **dict.fromkeys("晟", "sheng cheng"),
    **dict.fromkeys("茜", "qian xi"),
    **dict.fromkeys("柏", "bai bo"),
    **dict.fromkeys("盛", "sheng cheng"),
    **dict.fromkeys("曾", "zeng ceng"),
    **dict.fromkeys("祎禕", "yi hui"),
    **dict.fromkeys("珏", "jue yu"),
    **dict.fromkeys("翟", "zhai di"),
    **dict.fromkeys("参參", "can shen"),
    **dict.fromkeys("藏", "zang cang"),
    **dict.fromkeys("了", "liao le"),
}
"""How characters are read in given names where the dictionary's first reading is not what people type, or is not the only one."""


def name_keys(name: str | Mapping[str, str]) -> tuple[str, ...]:
    """The keys of `panorad.model.person_name.keys`, Chinese characters also by pinyin ("zhangsan", "san", "zs" for 张三)."""
    return person_name.keys(name, spell)


def spell(family: str, given: str) -> Sequence[Sequence[str]]:
    """The likely readings of a Chinese name, at most four, the likeliest first; a character that nobody can read is left out.

    >>> [" ".join(reading) for reading in spell("曾", "国藩")]
    ['zeng guo fan', 'ceng guo fan']
    """
    choices = _surname(family) + [GIVEN.get(character, "").split() or _readings(character)[:1] for character in given]
    return list(islice(product(*filter(None, choices)), _MAX_READINGS))


def _surname(family: str) -> list[list[str]]:
    if len(family) > 1 and family in SURNAMES:
        return [[syllable] for syllable in SURNAMES[family].split()]
    if len(family) == 1:
        return [SURNAMES.get(family, "").split() or _readings(family)[: 3 if _is_umlaut(family) else 1]]
    return [_readings(character)[:1] for character in family]


def _is_umlaut(character: str) -> bool:
    return any("v" in reading for reading in _readings(character)[:1])


def _readings(character: str) -> list[str]:
    first = _dictionary().get(ord(character))
    if first is None:
        return []
    return [first, first.replace("v", "u"), first.replace("v", "yu")] if first in ("lv", "nv") else [first]


@lru_cache(maxsize=1)
def _dictionary() -> dict[int, str]:
    """The first reading of every character, without tone and with v for the umlaut."""
    spec = find_spec("pypinyin")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pypinyin")
    table: dict[str, str] = json.loads(Path(spec.origin).with_name("pinyin_dict.json").read_bytes())
    toneless = lru_cache(maxsize=None)(_toneless)
    return {int(code): toneless(readings.partition(",")[0]) for code, readings in table.items() if int(code) < 0x2A700}


def _toneless(reading: str) -> str:
    decomposed = unicodedata.normalize("NFD", reading).replace("u\u0308", "v")
    return sys.intern("".join(letter for letter in decomposed if letter.isascii()))
