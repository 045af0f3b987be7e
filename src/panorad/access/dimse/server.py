"""The DIMSE server of one process: accepts on a listening socket that processes may share, one thread for each association."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from pathlib import Path

from panorad.access.dimse.acceptor import serve
from panorad.access.dimse.services import Limits, Services

REJECTING = 32
"""Connections beyond the limit that are told so at a time; more are closed without a word."""

YIELD_SECONDS = 0.002
"""How long a process waits for each association it has before it accepts another, so that an idler process takes it."""

log = logging.getLogger(__name__)


class Server:
    """Serves a listening socket, which stays the caller's to close, with the bindings and limits of the center.

    `run` accepts until `stop`, which may come from another thread or a signal handler; it lets running associations end first.
    """

    def __init__(self, listener: socket.socket, services: Services, limits: Limits | None = None) -> None:
        self._listener = listener
        self._services = services
        self._limits = limits or Limits()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._wake_out, self._wake_in = socket.socketpair()
        self._stopping = False
        listener.setblocking(False)
        _widen(listener, self._limits.receive_buffer)

    @property
    def associations(self) -> int:
        """Connections being served now."""
        return len(self._open)

    def run(self, *, grace: float = 30.0) -> None:
        """Accept until stopped; then give associations `grace` seconds to end before they are cut."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._wake_out, select.POLLIN)
        try:
            while not self._stopping:
                poll.poll()
                if not self._stopping:
                    self._take()
        finally:
            self._end(grace)
            self._wake_out.close()
            self._wake_in.close()

    def stop(self) -> None:
        """Accept no more."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._wake_in.send(b"\0")

    def _take(self) -> None:
        busy = self.associations
        if busy:
            time.sleep(min(busy, 10) * YIELD_SECONDS)
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            log.error("a connection could not be accepted: %s", error)
            time.sleep(0.1)
            return
        if busy >= self._limits.associations + REJECTING:
            return sock.close()
        full = busy >= self._limits.associations
        thread = threading.Thread(target=self._serve, args=(sock, full), name="dimse-association", daemon=True)
        with self._lock:
            self._open[thread] = sock
        thread.start()
        return None

    def _serve(self, sock: socket.socket, full: bool) -> None:
        try:
            serve(sock, self._services, self._limits, full=full)
        finally:
            with self._lock:
                self._open.pop(threading.current_thread(), None)

    def _end(self, grace: float) -> None:
        deadline = time.monotonic() + grace
        while (threads := list(self._open)) and time.monotonic() < deadline:
            threads[0].join(0.05)
        with self._lock:
            for sock in self._open.values():
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            threads = list(self._open)
        for thread in threads:
            thread.join(2.0)


def _widen(listener: socket.socket, size: int) -> None:
    """Give connections to come a receive buffer of `size` bytes where the kernel grants it whole.

    A smaller fixed buffer would be worse than the growing one that every connection has by itself.
    """
    with contextlib.suppress(OSError, ValueError):
        if 0 < size <= int(Path("/proc/sys/net/core/rmem_max").read_text("ascii")):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
