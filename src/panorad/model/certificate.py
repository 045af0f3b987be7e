"""What a peer's certificate says of it, and what a node may be bound to."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

BindingKind = Literal["sha256", "name", "any"]

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that was verified: the SHA-256 of its DER form in lower-case hex, and the names it is for.

    The names are the DNS names of its subject alternative name, or where it has none its subject's common name.
    """

    fingerprint: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """What a certificate must be: the one of a fingerprint, one for a name, or any that we trust.

    >>> Binding("name", "ct1.clinic.example").fits(Certificate("00" * 32, ("CT1.clinic.example",)))
    True
    """

    kind: BindingKind
    value: str = ""

    def fits(self, certificate: Certificate) -> bool:
        """Whether a certificate is what this binding asks for."""
        if self.kind == "sha256":
            return certificate.fingerprint == self.value
        return self.kind == "any" or self.value.lower() in (name.lower() for name in certificate.names)

    def __str__(self) -> str:
        return f"{self.kind} {self.value}".strip()


def fingerprint(der: bytes) -> str:
    """The SHA-256 of a certificate's DER form, lower-case hex."""
    return sha256(der).hexdigest()


def fingerprint_of_pem(text: str) -> str | None:
    """The fingerprint of the first certificate in a PEM file's text; None when there is none."""
    found = _PEM.search(text)
    if found is None:
        return None
    try:
        der = ssl.PEM_cert_to_DER_cert(found[0])
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=der)  # reads it, and so refuses what is none
    except (ValueError, ssl.SSLError):
        return None
    return fingerprint(der)
