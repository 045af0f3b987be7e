"""Audit messages on their way: syslog (RFC 5424) in octet-counted frames (RFC 5425) over TLS, as PS3.15 A.6 asks.

Syslog has no answer. A batch counts as delivered when the collector has closed its side after ours (`close_notify`, RFC 5425 section 4.4):
before that it has read everything. When the connection ends in any other way the batch is sent again.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from panorad.kit.errors import Kind, PanoradError

MSGID = "DICOM+RFC3881"
"""PS3.15 A.6."""
PRIORITY = 85
"""Facility 10, security; severity 5, normal but significant (PS3.15 A.6)."""
WARNING = 84
"""Severity 4, for what was refused or failed."""
TIMEOUT_S = 20.0
_UNPRINTABLE = re.compile(r"[^!-~]")


class CollectorAway(PanoradError):
    """The collector of the audit trail cannot be reached"""

    kind = Kind.UNAVAILABLE


class CollectorUntrusted(PanoradError):
    """The collector of the audit trail does not prove who it is, or refuses our certificate"""

    kind = Kind.UNAVAILABLE


def frame(at: datetime, text: str, *, host: str, process: int, priority: int = PRIORITY) -> bytes:
    """One message in its frame: length, space, header, and the text in UTF-8 behind a byte order mark (RFC 5424 section 6.4)."""
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    name = _UNPRINTABLE.sub("-", host)[:255] or "-"
    body = f"<{priority}>1 {stamp} {name} panorad {process} {MSGID} - \ufeff{text}".encode()
    return b"%d %b" % (len(body), body)


@dataclass(frozen=True, slots=True)
class Collector:
    """Where the audit trail goes. `ca` verifies its certificate (empty: the system's), `certificate` and `key` prove ours."""

    host: str
    port: int
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def deliver(self, frames: Sequence[bytes]) -> None:
        """Hand frames over and have it confirmed. Raises CollectorAway, CollectorUntrusted; then any of them may have arrived or not."""
        try:
            with (
                socket.create_connection((self.host, self.port), TIMEOUT_S) as plain,
                self._context().wrap_socket(plain, server_hostname=self.host, suppress_ragged_eofs=False) as secure,
            ):
                secure.settimeout(TIMEOUT_S)
                for one in frames:
                    secure.sendall(one)
                self._part(secure)
        except (ssl.SSLCertVerificationError, ssl.SSLError) as error:
            raise CollectorUntrusted(error.reason or "") from error
        except OSError as error:
            raise CollectorAway(os.strerror(error.errno) if error.errno else "it does not answer") from error

    @staticmethod
    def _part(secure: ssl.SSLSocket) -> None:
        """Say that we have finished, and wait until the collector has.

        A collector that ends the connection in order without its own `close_notify` has read it to the end as well: TCP answers a close
        with unread bytes by a reset.
        """
        with contextlib.suppress(ssl.SSLEOFError):
            secure.unwrap()

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context
