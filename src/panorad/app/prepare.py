"""What a database needs before anything is served: migrations, the first institution, partitions, recovery.

A way in for the first person.
"""

from __future__ import annotations

from dataclasses import dataclass

from panorad.access import gate
from panorad.app.center import Center
from panorad.app.embedded import turn
from panorad.app.home import own_cache
from panorad.data import process
from panorad.data.imaging.recovery import recover
from panorad.kit.db import identity
from panorad.kit.migrate import migrate
from panorad.model.actor import SYSTEM
from panorad.model.event import Event
from panorad.settings import Settings


@dataclass(frozen=True, slots=True)
class Prepared:
    """How many images recovery indexed, and the token of the first administrator's link when nobody can sign in yet."""

    recovered: int
    welcome: str | None


def fill(center: Center) -> None:
    """The first institution and the event partitions; a cache that was made for another database is emptied."""
    with turn(center.settings.home), center.begin(SYSTEM) as tx:
        gate.ensure_institution(tx, center.settings.institution, center.settings.institution_name)
        process.ensure_partitions(tx)
        process.wind_clock(tx)
        own_cache(center.settings, identity(tx))


def prepare(settings: Settings) -> Prepared:
    """Make the database of these settings ready; nothing else runs yet."""
    migrate(settings.database)
    with Center(settings, settings.database) as center:
        fill(center)
        found = recover(center.begin, center.indexer, center.blobs, settings.open_marks, center.actor_of)
        with center.begin(SYSTEM) as tx:
            tx.emit(Event("center.started", {}, {"recovered": found}))
            return Prepared(found, gate.make_welcome(tx) if not settings.open and gate.without_accounts(tx) else None)
