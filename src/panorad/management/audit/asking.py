"""What an address of the audit pages asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request

from panorad.data.process import Wanted
from panorad.kit.errors import Kind, PanoradError
from panorad.model.event import KINDS

LONGEST = 200
OUTCOMES = ("success", "refused", "failure")


class DayInvalid(PanoradError):
    """A day is written as year, month and day, such as 2026-03-11"""

    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters as the form shows them: days are ISO dates at the site, both included."""

    actor: str = ""
    kind: str = ""
    outcome: str = ""
    study: str = ""
    patient: str = ""
    since: str = ""
    until: str = ""

    @property
    def anything(self) -> bool:
        """Whether any filter is set."""
        return any(getattr(self, name) for name in self.__slots__)

    def wanted(self, zone: ZoneInfo) -> Wanted:
        """The search that they mean. Raises DayInvalid."""
        given: dict[str, Any] = {name: getattr(self, name) for name in ("actor", "study", "patient")}
        given["kinds"] = (self.kind,) if self.kind else ()
        given["outcomes"] = (self.outcome,) if self.outcome else ()
        since, until = (_day(text, zone) for text in (self.since, self.until))
        return Wanted(**given, since=since, until=until + timedelta(days=1) if until else None)


def asked_of(request: Request) -> Asked:
    """The filters of an address; a kind or outcome that there is not is left out."""
    given = {name: request.query_params.get(name, "").strip()[:LONGEST] for name in Asked.__slots__}
    given["kind"] = given["kind"] if given["kind"] in KINDS else ""
    given["outcome"] = given["outcome"] if given["outcome"] in OUTCOMES else ""
    return Asked(**given)


def number_of(request: Request, name: str) -> int | None:
    """An event number of an address; anything unreadable means none."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _day(text: str, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), zone)
    except ValueError:
        raise DayInvalid(text[:20]) from None
