"""A request's body from the event loop to a worker thread, with a bound on what waits between them."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator

from starlette.requests import ClientDisconnect, Request

from panorad.kit.errors import Kind, PanoradError

BATCH = 512 << 10
"""Bytes gathered before they are handed over."""
WAITING = 8
"""Batches that may wait; then the sender has to."""


class SenderGone(PanoradError):
    """The sender went away before its request was complete"""

    kind = Kind.INVALID


class Feed:
    """One body on its way: the event loop runs `pump`, the worker iterates, and calls `stop` when it needs no more."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._room = asyncio.Semaphore(WAITING)
        self._queue: queue.SimpleQueue[list[bytes] | None] = queue.SimpleQueue()
        self._gone = False
        self._stopped = False

    async def pump(self, request: Request) -> None:
        """Read the whole body and hand it over."""
        batch: list[bytes] = []
        size = 0
        try:
            async for chunk in request.stream():
                if self._stopped:
                    continue  # read to the end all the same: a client that is still sending would not see the answer
                batch.append(chunk)
                size += len(chunk)
                if size >= BATCH:
                    await self._room.acquire()
                    self._queue.put(batch)
                    batch, size = [], 0
        except ClientDisconnect:
            self._gone = True
        except BaseException:
            self._gone = True
            raise
        finally:
            self._queue.put(batch)
            self._queue.put(None)

    def stop(self) -> None:
        """The worker needs no more."""
        self._stopped = True
        self._loop.call_soon_threadsafe(self._open_wide)

    def _open_wide(self) -> None:
        for _ in range(WAITING + 1):
            self._room.release()

    def __iter__(self) -> Iterator[bytes]:
        """The chunks in order; raises SenderGone when the body broke off."""
        while (batch := self._queue.get()) is not None:
            yield from batch
            self._loop.call_soon_threadsafe(self._room.release)
        if self._gone:
            raise SenderGone
