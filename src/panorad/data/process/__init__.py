"""The process archive: one append-only table of everything that happened, its feed, and what happened to one study."""

from panorad.data.process.service import Feed, FeedItem, about, appending, ensure_partitions, feed, telling, wind_clock

__all__ = ["Feed", "FeedItem", "about", "appending", "ensure_partitions", "feed", "telling", "wind_clock"]
