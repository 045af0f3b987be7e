"""Who holds the associations of one process: so many in all, and of those so many for one address and one AE title."""

from __future__ import annotations

import ipaddress
import threading
from collections import Counter
from dataclasses import dataclass

REJECTING = 32
"""Connections beyond the bounds that are told so at a time; more are closed without a word."""

REJECTING_EACH = 4
"""Of these, how many may be of one address."""


@dataclass(slots=True)
class Place:
    """One connection: where it comes from, why it is to be refused (empty when it is not), and once it is known who calls."""

    address: str
    refusal: str = ""
    title: str = ""


class Places:
    """The bounds: `most` connections served at a time, `each` of them for one address and for one calling AE title (0 for all)."""

    def __init__(self, most: int, each: int) -> None:
        self._most, self._each = most, each
        self._served: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._titles: Counter[str] = Counter()
        self._lock = threading.Lock()

    def enter(self, peer: str) -> Place | None:
        """A place for a connection, maybe only for its refusal; None when it is to be closed at once."""
        address = party(peer)
        with self._lock:
            if self._each and self._served[address] >= self._each:
                place = Place(address, "too many associations of this address")
            elif self._served.total() >= self._most:
                place = Place(address, "too many associations")
            else:
                self._served[address] += 1
                return Place(address)
            if self._refused.total() >= REJECTING or self._refused[address] >= REJECTING_EACH:
                return None
            self._refused[address] += 1
            return place

    def name(self, place: Place, title: str) -> bool:
        """Note who calls; False when that AE title holds all that it may."""
        with self._lock:
            if self._each and self._titles[title] >= self._each:
                return False
            self._titles[title] += 1
            place.title = title
            return True

    def leave(self, place: Place) -> None:
        """Give a place back."""
        with self._lock:
            counts = [(self._refused if place.refusal else self._served, place.address)]
            counts += [(self._titles, place.title)] if place.title else []
            for count, key in counts:
                count[key] -= 1
                if not count[key]:
                    del count[key]


def party(peer: str) -> str:
    """What counts as one address: that of IPv4, the network of 64 bits of IPv6, in which a host names itself.

    >>> party("192.0.2.7"), party("2001:db8::1:2:3:4"), party("::ffff:192.0.2.7")
    ('192.0.2.7', '2001:db8::/64', '192.0.2.7')
    """
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
