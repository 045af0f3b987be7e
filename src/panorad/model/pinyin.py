"""The syllables of Hanyu Pinyin without tones, to recognise Chinese names written in Latin letters (ISO 7098)."""

from __future__ import annotations

from functools import lru_cache

_FINALS = {
    "": "a ai an ang ao e ei en er o ou",
    "b": "a ai an ang ao ei en eng i ian iao ie in ing o u",
    "c": "a ai an ang ao e en eng i ong ou u uan ui un uo",
    "ch": "a ai an ang ao e en eng i ong ou u ua uai uan uang ui un uo",
    "d": "a ai an ang ao e ei en eng i ian iao ie ing iu ong ou u uan ui un uo",
    "f": "a an ang ei en eng o ou u",
    "g": "a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo",
    "h": "a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo",
    "j": "i ia ian iang iao ie in ing iong iu u uan ue un",
    "k": "a ai an ang ao e en eng ong ou u ua uai uan uang ui un uo",
    "l": "a ai an ang ao e ei eng i ia ian iang iao ie in ing iu ong ou u uan un uo v ve yu",
    "m": "a ai an ang ao e ei en eng i ian iao ie in ing iu o ou u",
    "n": "a ai an ang ao e ei en eng i ian iang iao ie in ing iu ong ou u uan uo v ve yu",
    "p": "a ai an ang ao ei en eng i ian iao ie in ing o ou u",
    "q": "i ia ian iang iao ie in ing iong iu u uan ue un",
    "r": "an ang ao e en eng i ong ou u uan ui un uo",
    "s": "a ai an ang ao e en eng i ong ou u uan ui un uo",
    "sh": "a ai an ang ao e ei en eng i ou u ua uai uan uang ui un uo",
    "t": "a ai an ang ao e eng i ian iao ie ing ong ou u uan ui un uo",
    "w": "a ai an ang ei en eng o u",
    "x": "i ia ian iang iao ie in ing iong iu u uan ue un",
    "y": "a an ang ao e i in ing ong ou u uan ue un",
    "z": "a ai an ang ao e ei en eng i ong ou u uan ui un uo",
    "zh": "a ai an ang ao e ei en eng i ong ou u ua uai uan uang ui un uo",
}
SYLLABLES = frozenset(initial + final for initial, finals in _FINALS.items() for final in finals.split())
"""Every syllable of a name, with `v` (and `yu`, as passports have it) for the umlaut."""

_LONGEST = 6
_LONGEST_TOKEN = 30


@lru_cache(maxsize=4096)
def syllables(token: str) -> tuple[str, ...]:
    """The syllables that make up `token` ("xiaoming" -> xiao, ming), the longest first; empty when it is no pinyin.

    >>> syllables("xiaoming")
    ('xiao', 'ming')
    >>> syllables("smith")
    ()
    """
    if not token or len(token) > _LONGEST_TOKEN:
        return ()
    for size in range(min(_LONGEST, len(token)), 0, -1):
        head, rest = token[:size], token[size:]
        if head in SYLLABLES:
            if not rest:
                return (head,)
            if tail := syllables(rest):
                return (head, *tail)
    return ()
