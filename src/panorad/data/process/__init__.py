"""The process archive: one append-only table of everything that happened, its feed, its seals, and the audit trail that is made of it."""

from panorad.data.process.forwarding import Standing, forward, keep_forwarding, standing
from panorad.data.process.sealing import Verdict, seal_some, sealed, verify
from panorad.data.process.service import Feed, FeedItem, about, appending, ensure_partitions, feed, telling, wind_clock
from panorad.data.process.trail import Looker, PatientNumber, Trace, Wanted, looked, studies_of, trail, walk
from panorad.data.process.trail import one as trace

__all__ = [
    "Feed", "FeedItem", "Looker", "PatientNumber", "Standing", "Trace", "Verdict", "Wanted", "about", "appending", "ensure_partitions",
    "feed", "forward", "keep_forwarding", "looked", "seal_some", "sealed", "standing", "studies_of", "telling", "trace", "trail",
    "verify", "walk", "wind_clock",
]  # fmt: skip
