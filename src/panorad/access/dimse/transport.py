"""The transport connection under an association: a TCP socket as it is, or TLS over one (PS3.8 section 9.1, PS3.15 Annex B)."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence

Part = bytes | memoryview

PIECE = 1 << 17
"""Bytes that are gathered before they are encrypted."""

RECORD = 1 << 14
"""Bytes of one TLS record at most (RFC 8446 section 5.1)."""

_TIMEVAL = struct.Struct("@ll")


class Plain:
    """A TCP connection. Timeouts are the kernel's, so that a read is one call."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.receive: Callable[[memoryview], int] = sock.recv_into
        self.send: Callable[[bytes], None] = sock.sendall
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        sock.settimeout(None)

    def patience(self, seconds: float) -> None:
        """How long one call may wait for the peer."""
        whole = int(seconds)
        value = _TIMEVAL.pack(whole, max(int((seconds - whole) * 1_000_000), 1))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)

    def waiting(self) -> bool:
        """Whether something can be read without waiting."""
        return bool(self._poll.poll(0))

    def gather(self, parts: Sequence[Part]) -> None:
        """Send parts one after the other."""
        sent = self.socket.sendmsg(parts)
        if sent < sum(map(len, parts)):
            self._send_rest(parts, sent)

    def finish(self) -> None:
        """Say that nothing more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Let go of the connection."""
        self._poll.unregister(self.socket)
        self.socket.close()

    def _send_rest(self, parts: Sequence[Part], sent: int) -> None:
        for part in parts:
            if sent >= len(part):
                sent -= len(part)
                continue
            with memoryview(part) as whole, whole[sent:] as rest:
                self.socket.sendall(rest)
            sent = 0


class Secured(Plain):
    """A TLS connection whose handshake is done. It never blocks; what waits is `poll`.

    A read takes every record that has come and fits, so that who reads gets large pieces here too.
    """

    def __init__(self, sock: ssl.SSLSocket) -> None:
        super().__init__(sock)
        self._tls = sock
        self._seconds = 0.0
        self._ahead = b""
        self.receive = self._read
        self.send = self._write
        sock.settimeout(0)

    def patience(self, seconds: float) -> None:
        """How long one call may wait for the peer in all."""
        self._seconds = seconds

    def waiting(self) -> bool:
        """Whether something can be read without waiting: bytes of the peer, not half a record or TLS's own words, or the end."""
        if not self._ahead:
            try:
                self._ahead = self._tls.recv(RECORD)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                return False
            except OSError:
                pass  # it comes again with the next read
        return True

    def gather(self, parts: Sequence[Part]) -> None:
        """Send parts one after the other, joined, for TLS has no gathering call."""
        joined = bytearray()
        for part in parts:
            joined += part
            if len(joined) >= PIECE:
                self._write(joined)
                joined = bytearray()
        if joined:
            self._write(joined)

    def finish(self) -> None:
        """Send close_notify without awaiting the peer's (RFC 8446 section 6.1), then end the stream."""
        with contextlib.suppress(OSError, ValueError):
            self._tls.unwrap()
        super().finish()

    def _read(self, view: memoryview) -> int:
        """Read into a view; 0 when the peer has ended the stream."""
        if self._ahead:
            count = min(len(view), len(self._ahead))
            view[:count], self._ahead = self._ahead[:count], self._ahead[count:]
            return count
        count, deadline = 0, time.monotonic() + self._seconds
        while True:
            try:
                more = self._tls.recv_into(view[count:])
            except (ssl.SSLWantReadError, BlockingIOError):
                if count:
                    return count
                self._wait(select.POLLIN, deadline)
                continue
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT, deadline)
                continue
            except OSError:
                if count:
                    return count  # it comes again with the next read
                raise
            count += more
            if not more or count == len(view):
                return count

    def _write(self, data: Part | bytearray) -> None:
        deadline = time.monotonic() + self._seconds
        with memoryview(data) as view:
            sent = 0
            while sent < len(view):
                try:
                    sent += self._tls.send(view[sent:])
                    deadline = time.monotonic() + self._seconds
                except ssl.SSLWantWriteError:
                    self._wait(select.POLLOUT, deadline)
                except ssl.SSLWantReadError:
                    self._wait(select.POLLIN, deadline)

    def _wait(self, what: int, deadline: float) -> None:
        left = deadline - time.monotonic()
        poll = select.poll()
        poll.register(self._tls, what)
        if left <= 0 or not poll.poll(left * 1000):
            raise TimeoutError("silent for too long")


def transport_of(sock: socket.socket) -> Plain:
    """The transport over a connected socket."""
    return Secured(sock) if isinstance(sock, ssl.SSLSocket) else Plain(sock)


def cut(sock: socket.socket) -> None:
    """End a connection under the thread that uses it."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
