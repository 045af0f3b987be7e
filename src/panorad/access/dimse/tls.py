"""DICOM over TLS: the BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 section B.12), both sides with a certificate.

TLS 1.3, and TLS 1.2 with the cipher suites of RFC 9325 section 4.2 (ECDHE with AEAD). No resumption, so that every connection is
checked against the trusted authorities of now. Files that changed on disk are read again at the next connection.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panorad.kit.errors import Kind, PanoradError
from panorad.model.certificate import Binding, Certificate, fingerprint

SUITES_1_2 = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
"""Cipher suites of TLS 1.2 as OpenSSL names them, the first that both have is taken."""

SUITES_1_3 = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256")
"""Cipher suites of TLS 1.3: OpenSSL's own choice, all with AEAD."""

CIPHERS = ":".join((*SUITES_1_2, "@SECLEVEL=2"))
"""Level 2 wants keys of 112 bits of security (RSA 2048 bits, RFC 9325 section 4.5)."""

REVOCATION_LIST = b"-----BEGIN X509 CRL-----"

log = logging.getLogger(__name__)


class CredentialsUnusable(PanoradError):
    """The certificate, key or trusted authorities for DICOM over TLS cannot be used"""

    kind = Kind.INVALID


class HandshakeFailed(Exception):
    """No TLS connection came about; the text says why. `hostile` tells that the peer spoke and was refused."""

    def __init__(self, reason: str, hostile: bool) -> None:
        super().__init__(reason)
        self.hostile = hostile


@dataclass(frozen=True, slots=True)
class _Contexts:
    """What one reading of the files gave: for those who call us, for hosts known by name, for those bound to a certificate."""

    stamp: tuple[tuple[int, int, int], ...]
    acceptor: ssl.SSLContext
    naming: ssl.SSLContext
    bound: ssl.SSLContext


class Credentials:
    """Our certificate with its key, and the authorities we trust (PEM files). For use by any number of threads."""

    def __init__(self, certificate: Path, key: Path, trusted: Path) -> None:
        """Read the files. Raises CredentialsUnusable."""
        self._files = (certificate, key, trusted)
        self._lock = threading.Lock()
        self._complained: object = None
        try:
            self._contexts = self._read()
        except (OSError, ValueError) as error:
            raise CredentialsUnusable(_why(error)) from error

    def wrap(self, sock: socket.socket) -> ssl.SSLSocket:
        """TLS over an accepted connection; nothing is read or sent yet. Raises OSError."""
        return self._current().acceptor.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def connect(self, sock: socket.socket, host: str, bindings: Sequence[Binding], seconds: float) -> ssl.SSLSocket:
        """TLS to a peer, whose certificate must be one it is bound to, or where it has no binding name the host. Raises HandshakeFailed."""
        contexts = self._current()
        context = contexts.bound if bindings else contexts.naming
        try:
            secured = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        except (OSError, ValueError) as error:
            raise HandshakeFailed(_why(error), hostile=False) from None
        handshake(secured, seconds)
        certificate = certificate_of(secured)
        if bindings and not any(binding.fits(certificate) for binding in bindings):
            secured.close()
            raise HandshakeFailed(f"the peer's certificate (sha256 {certificate.fingerprint}) is not one it is bound to", hostile=True)
        return secured

    def _current(self) -> _Contexts:
        with self._lock:
            try:
                stamp = self._stamp()
                if stamp not in (self._contexts.stamp, self._complained):
                    self._contexts = self._read()
                    log.warning("certificate and trusted authorities for DICOM over TLS were read again")
            except (OSError, ValueError) as error:
                if self._complained != (found := self._stamp_or_nothing()):
                    log.error("the files for DICOM over TLS cannot be used, those read before stay in force: %s", _why(error))
                    self._complained = found
            return self._contexts

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        found = [file.stat() for file in self._files]
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)

    def _stamp_or_nothing(self) -> object:
        try:
            return self._stamp()
        except OSError:
            return ()

    def _read(self) -> _Contexts:
        stamp = self._stamp()
        acceptor = self._context(ssl.PROTOCOL_TLS_SERVER)
        acceptor.num_tickets = 0
        naming, bound = self._context(ssl.PROTOCOL_TLS_CLIENT), self._context(ssl.PROTOCOL_TLS_CLIENT)
        bound.check_hostname = False
        return _Contexts(stamp, acceptor, naming, bound)

    def _context(self, side: int) -> ssl.SSLContext:
        certificate, key, trusted = self._files
        context = ssl.SSLContext(side)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        context.set_ciphers(CIPHERS)
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.load_cert_chain(certificate, key, password=lambda: "")  # an encrypted key fails here, rather than ask the terminal
        context.load_verify_locations(trusted)
        if REVOCATION_LIST in trusted.read_bytes():
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context


def handshake(sock: ssl.SSLSocket, seconds: float) -> None:
    """Do the handshake within so many seconds in all, however slowly its bytes come. Raises HandshakeFailed; the socket is closed then."""
    try:
        sock.settimeout(seconds)
        sock.do_handshake()
    except (OSError, ValueError) as error:
        spoke = isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
        with contextlib.suppress(OSError):
            sock.close()
        raise HandshakeFailed(_why(error), hostile=spoke) from None


def certificate_of(sock: ssl.SSLSocket) -> Certificate:
    """The verified certificate of the peer. Names are those of RFC 6125: the common name counts where no DNS name stands."""
    der = sock.getpeercert(binary_form=True)
    told: dict[str, Any] = {**(sock.getpeercert() or {})}
    names = [str(value) for kind, value in told.get("subjectAltName", ()) if kind == "DNS"]
    names = names or [value for part in told.get("subject", ()) for key, value in part if key == "commonName"]
    return Certificate(fingerprint(der or b""), tuple(names))


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate was not accepted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no TLS handshake in time"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
