"""The process archive: one append-only table of everything that happened, its feed, and what happened to one study."""

from panorad.data.process.sealing import Verdict, seal_some, verify
from panorad.data.process.service import Feed, FeedItem, about, appending, ensure_partitions, feed, telling, wind_clock

__all__ = ["Feed", "FeedItem", "Verdict", "about", "appending", "ensure_partitions", "feed", "seal_some", "telling", "verify", "wind_clock"]
