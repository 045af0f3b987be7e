"""The DIMSE server of one process: accepts on listening sockets that processes may share, one thread for each association."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from panorad.access.dimse.acceptor import record_refusal, serve
from panorad.access.dimse.places import Place, Places
from panorad.access.dimse.services import Limits, Services
from panorad.access.dimse.tls import Credentials, HandshakeFailed, handshake
from panorad.access.dimse.transport import cut

YIELD_SECONDS = 0.002
"""How long a process waits for each association it has before it accepts another, so that an idler process takes it."""

log = logging.getLogger(__name__)


class Server:
    """Serves listening sockets, which stay the caller's to close, with the bindings and limits of the center.

    A listening socket with credentials takes TLS connections only, one without plain ones only.

    `run` accepts until `stop`, which may come from another thread or a signal handler; it lets running associations end first.
    """

    def __init__(self, listeners: Mapping[socket.socket, Credentials | None], services: Services, limits: Limits | None = None) -> None:
        self._listeners = {listener.fileno(): (listener, credentials) for listener, credentials in listeners.items()}
        self._services = services
        self._limits = limits or Limits()
        self._places = Places(self._limits.associations, self._limits.each)
        self._open: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._wake_out, self._wake_in = socket.socketpair()
        self._stopping = False
        for listener in listeners:
            listener.setblocking(False)
            _widen(listener, self._limits.receive_buffer)

    @property
    def associations(self) -> int:
        """Connections being served now."""
        return len(self._open)

    def run(self, *, grace: float = 30.0) -> None:
        """Accept until stopped; then give associations `grace` seconds to end before they are cut."""
        poll = select.poll()
        for descriptor in (*self._listeners, self._wake_out.fileno()):
            poll.register(descriptor, select.POLLIN)
        try:
            while not self._stopping:
                for listener, credentials in [self._listeners[at] for at, _ in poll.poll() if at in self._listeners]:
                    self._take(listener, credentials)
        finally:
            self._end(grace)
            self._wake_out.close()
            self._wake_in.close()

    def stop(self) -> None:
        """Accept no more."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._wake_in.send(b"\0")

    def _take(self, listener: socket.socket, credentials: Credentials | None) -> None:
        busy = self.associations
        if busy:
            time.sleep(min(busy, 10) * YIELD_SECONDS)
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            log.error("a connection could not be accepted: %s", error)
            time.sleep(0.1)
            return
        place = self._places.enter(address[0])
        if place is None:
            return sock.close()
        thread = threading.Thread(target=self._serve, args=(sock, credentials, place), name="dimse-association", daemon=True)
        with self._lock:
            self._open[thread] = sock
        thread.start()
        return None

    def _serve(self, sock: socket.socket, credentials: Credentials | None, place: Place) -> None:
        try:
            secured = sock if credentials is None else self._secured(sock, credentials)
            if secured is not None:
                serve(secured, self._services, self._limits, self._places, place)
        finally:
            self._places.leave(place)
            with self._lock:
                self._open.pop(threading.current_thread(), None)

    def _secured(self, sock: socket.socket, credentials: Credentials) -> socket.socket | None:
        """TLS over a connection, or None when the handshake failed; a peer that spoke and was refused is an event."""
        peer = "?"
        try:
            peer = sock.getpeername()[0]
            secured = credentials.wrap(sock)
            with self._lock:
                self._open[threading.current_thread()] = secured
            handshake(secured, self._limits.request_seconds)
        except HandshakeFailed as failed:
            if failed.hostile:
                record_refusal(self._services, peer, str(failed))
            else:
                log.warning("connection from %s ended: %s", peer, failed)
            return None
        except (OSError, ValueError) as error:
            log.info("connection from %s ended: %s", peer, error)
            sock.close()
            return None
        return secured

    def _end(self, grace: float) -> None:
        deadline = time.monotonic() + grace
        while (threads := list(self._open)) and time.monotonic() < deadline:
            threads[0].join(0.05)
        with self._lock:
            for sock in self._open.values():
                cut(sock)
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
