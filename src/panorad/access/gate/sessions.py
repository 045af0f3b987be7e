"""Sessions asked of the database at most once a second by each process.

A frame is read hundreds of times a second, a sign-out must still bite.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from panorad.access.gate import service
from panorad.access.gate.open_sessions import USUAL, Limits
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor

FRESH_S = 1.0
_MOST = 10_000


class Sessions:
    """Actors of session tokens, remembered for `FRESH_S` seconds: for the images that a viewer asks for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, limits: Limits = USUAL) -> None:
        self.limits = limits
        self._clock = clock
        self._known: dict[str, tuple[float, Actor]] = {}
        self._lock = threading.Lock()

    def remembered(self, token: str) -> Actor | None:
        """The actor, when it was asked for within the last second."""
        found = self._known.get(token)
        return found[1] if found and self._clock() - found[0] < FRESH_S else None

    def session(self, tx: Transaction, token: str, *, reading: bool = False, unattended: bool = False) -> Actor | None:
        """Who a session token stands for, asked of the database."""
        asked = self._clock()
        actor = service.session(tx, token, self.limits, reading=reading, unattended=unattended)
        with self._lock:
            if actor is None:
                self._known.pop(token, None)
            else:
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[token] = (asked, actor)
        return actor

    def forget(self, token: str) -> None:
        """The session was ended here."""
        with self._lock:
            self._known.pop(token, None)
