"""The archive's reasons for keeping input aside, in the reader's language: each sentence is a pattern whose parts go into a text.

The archive says its reasons in English, with tags, bytes and counts in them. A sentence that no pattern knows is shown as it is.
"""

from __future__ import annotations

import re

from panorad.kit.i18n import translate


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


TEXTS = (
    _("%(what)s is missing"),
    _("%(what)s at byte %(at)s is empty"),
    _("%(what)s at byte %(at)s is not a UID: %(value)s"),
    _("there are no bytes"),
    _("its note is lost"),
    _("neither the mark DICM nor the first element of a data set is there"),
    _("there is no file meta information behind the mark DICM"),
    _("the file meta information names no transfer syntax, and the data set shows none"),
    _("the file ends inside its file meta information"),
    _("the file ends inside its file meta information, at element %(what)s"),
    _("the file ends inside its file meta information, behind element %(what)s"),
    _("it ends at byte %(at)s, before the first element is complete"),
    _("it ends inside an element at byte %(at)s"),
    _("element %(what)s at byte %(at)s reaches beyond the end at byte %(end)s"),
    _("a sequence has no end before byte %(at)s"),
    _("no pixel data up to byte %(at)s"),
    _("pixel data of %(count)s bytes are cut after %(end)s"),
    _("encapsulated pixel data are cut at byte %(at)s, in fragment %(count)s"),
    _("%(what)s stands at byte %(at)s where an item of a sequence must be"),
    _("%(what)s stands at byte %(at)s where a fragment of the pixel data must be"),
    _("zeros stand at byte %(at)s where an element must be"),
    _("sequences are nested deeper than %(count)s levels at byte %(at)s"),
    _("it has more than %(count)s elements before its pixel data"),
    _("the deflated data set is cut"),
    _("the deflated data set grows beyond %(count)s MiB"),
    _("the deflated data set is damaged (%(value)s)"),
    _("the command names SOP Instance %(value)s, the data set %(what)s"),
    _("same UIDs, other content"),
    _("same UIDs in another transfer syntax"),
)

_PREFIX = _("behind the pixel data: %(reason)s")


_KINDS = dict.fromkeys(("at", "end", "count"), r"\d+")


def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"%\((\w+)\)s", text)
    return re.compile(
        "".join(f"(?P<{part}>{_KINDS.get(part, '.+?')})" if at % 2 else re.escape(part) for at, part in enumerate(parts))
    )


_PATTERNS = tuple((_pattern(text), text) for text in TEXTS)


def said(language: str, reason: str) -> str:
    """A reason in a language."""
    for pattern, text in _PATTERNS:
        if found := pattern.fullmatch(reason):
            return translate(language, text) % found.groupdict()
    before, colon, after = reason.partition("behind the pixel data: ")
    return translate(language, _PREFIX) % {"reason": said(language, after)} if colon and not before else reason
