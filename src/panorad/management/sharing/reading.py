"""The forms of the sharing pages, read into what the services take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from panorad.kit.errors import Kind, PanoradError
from panorad.management.sharing.consents import Proxy
from panorad.management.sharing.grants import Grantee, Scope
from panorad.model.purpose import PURPOSES

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")

Fields = Mapping[str, str]


class PurposeMissing(PanoradError):
    """Choose at least one purpose"""

    kind = Kind.INVALID


class ScopeMissing(PanoradError):
    """Say which patient (ID and issuer), study or series is meant"""

    kind = Kind.INVALID


class UidInvalid(PanoradError):
    """A UID consists of digits and dots, at most 64 characters"""

    kind = Kind.INVALID


class GranteeMissing(PanoradError):
    """Say to whom"""

    kind = Kind.INVALID


class DayInvalid(PanoradError):
    """A day is written as year-month-day"""

    kind = Kind.INVALID


class PeriodOver(PanoradError):
    """The last day lies before the first one, or is over already"""

    kind = Kind.INVALID


class ProxyMissing(PanoradError):
    """Say who speaks for the patient, and how they are related"""

    kind = Kind.INVALID


class PatientMissing(PanoradError):
    """Say which patient is meant"""

    kind = Kind.INVALID


def purposes(fields: Fields) -> tuple[str, ...]:
    """The purposes that were ticked. Raises PurposeMissing."""
    found = tuple(purpose for purpose in PURPOSES if f"purpose-{purpose}" in fields)
    if not found:
        raise PurposeMissing
    return found


def scope(fields: Fields, institution: str) -> Scope:
    """What is granted of what an institution holds. Raises ScopeMissing, UidInvalid."""
    kind = fields.get("scope", "")
    names = {"institution": (), "patient": ("patient", "issuer"), "study": ("study",), "series": ("study", "series")}.get(kind)
    told = {name: fields.get(name, "").strip() for name in names or ()}
    if names is None or not all(told.values()):
        raise ScopeMissing
    for name in ("study", "series"):
        if name in told and (len(told[name]) > 64 or not _UID.fullmatch(told[name])):
            raise UidInvalid
    return Scope(kind, institution, **told)  # type: ignore[arg-type]


def grantee(fields: Fields) -> Grantee:
    """To whom. Raises GranteeMissing."""
    kind = fields.get("to", "")
    name = fields.get("to-institution" if kind == "role" else f"to-{kind}", "")
    role = fields.get("to-role", "") if kind == "role" else None
    if not name.strip() or role == "":
        raise GranteeMissing
    return Grantee(kind, name.strip(), role)


def period(fields: Fields, zone: ZoneInfo, now: datetime) -> tuple[datetime | None, datetime | None]:
    """First moment (None: at once) and end (None: open) of a period told in whole days at the site. Raises DayInvalid, PeriodOver."""
    first, last = _day(fields.get("from", "")), _day(fields.get("until", ""))
    start = datetime.combine(first, time(), zone) if first else None
    end = datetime.combine(last + timedelta(1), time(), zone) if last and last < date.max else None
    if end is not None and end <= max(start or now, now):
        raise PeriodOver
    return (start if start and start > now else None), end


def _day(text: str) -> date | None:
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise DayInvalid from error


def proxy(fields: Fields) -> Proxy | None:
    """Who speaks for the patient, None for the patient. Raises ProxyMissing."""
    if fields.get("by", "patient") == "patient":
        return None
    found = Proxy(fields.get("proxy", "").strip()[:200], fields.get("relationship", "").strip()[:100])
    if not found.name or not found.relationship:
        raise ProxyMissing
    return found
