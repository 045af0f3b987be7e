"""How pages write what DICOM stores: names, dates, times, ages, sizes; and moments in the site's time zone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from panorad.data.imaging.dictionary import uids
from panorad.kit.i18n import catalogue, translate
from panorad.model.event import KINDS
from panorad.model.purpose import PURPOSES
from panorad.model.roles import ROLES


def dicom_date(value: str) -> str:
    """A DA value (PS3.5 section 6.2) as an ISO date; text that is no date is shown as it is."""
    found = re.fullmatch(r"(\d{4})[.-]?(\d\d)[.-]?(\d\d)", value or "")
    return "-".join(found.groups()) if found else value or ""


def dicom_time(value: str) -> str:
    """A TM value (PS3.5 section 6.2) as hours and minutes; text that is no time is shown as it is."""
    found = re.match(r"(\d\d):?(\d\d)", value or "")
    return ":".join(found.groups()) if found else value or ""


def age(language: str, birth_date: str, at: str) -> str:
    """Age at a date (both DA): years, months under two years, days under two months; empty where a date is missing."""
    born, then = _day(birth_date), _day(at)
    if born is None or then is None or then < born:
        return ""
    words = catalogue(language)
    months = (then.year - born.year) * 12 + then.month - born.month - (then.day < born.day)
    if months >= 24:
        return str(months // 12)
    if months >= 2:
        return words.gettext("%(count)s mo") % {"count": months}
    return words.gettext("%(count)s d") % {"count": (then - born).days}


def _day(value: str) -> date | None:
    try:
        return date.fromisoformat(dicom_date(value))
    except ValueError:
        return None


def moment(at: datetime, zone: ZoneInfo) -> str:
    """A moment as ISO date and 24 h time at the site."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def brief(at: datetime, zone: ZoneInfo) -> str:
    """A moment for a narrow column: the time if it is today at the site, else the date."""
    there, now = at.astimezone(zone), datetime.now(zone)
    return there.strftime("%H:%M" if there.date() == now.date() else "%Y-%m-%d")


def second(at: datetime, zone: ZoneInfo) -> str:
    """A moment to the second at the site."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def size(count: int) -> str:
    """A number of bytes in decimal units (IEC 80000-13)."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" or value >= 100 else f"{value:.1f} {units[0]}"


def initials(name: str) -> str:
    """One or two letters for a person's badge: the first of two words, or the last two Chinese characters."""
    if re.search(r"[\u4e00-\u9fff]", name):
        return name.replace(" ", "")[-2:]
    parts = [part for part in re.split(r"[\s._@-]+", name) if part]
    return ("".join(part[0] for part in parts[:2]) if len(parts) > 1 else name[:2]).upper() or "?"


def sex(language: str, value: str) -> str:
    """Patient's Sex (PS3.3 C.7.1.1) in one letter or character."""
    return translate(language, SEXES[value]) if value in SEXES else value


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


SEXES = {"M": _("M"), "F": _("F"), "O": _("Other")}


def uid_name(uid: str) -> str:
    """The registered name of a UID (PS3.6 Annex A); empty for one that is not registered."""
    known = uids().get(uid)
    return known.name if known else ""


def happened(language: str, kind: str) -> str:
    """An event's kind as its sentence."""
    return translate(language, KINDS.get(kind, kind))


def purpose(language: str, name: str) -> str:
    """A purpose of use in words."""
    return translate(language, PURPOSES[name].label if name in PURPOSES else name)


def role(language: str, name: str) -> str:
    """A role in words."""
    return translate(language, ROLES[name].label if name in ROLES else name)


def said(language: str, detail: Mapping[str, Any]) -> str:
    """The counts and reasons of an event in one line."""
    parts = []
    for key, value in detail.items():
        if isinstance(value, int) and not isinstance(value, bool):
            parts.append(f"{translate(language, key.replace('_', ' '))} {size(value) if key == 'bytes' else f'{value:,}'}")
        elif isinstance(value, str) and value:
            parts.append(value)
    return " · ".join(parts)
