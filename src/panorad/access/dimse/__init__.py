"""DICOM over the network: C-ECHO, C-STORE, C-FIND, C-MOVE and C-GET (PS3.4, PS3.7, PS3.8).

`server` accepts connections in the bounds of `places`, `acceptor` serves one, `storage`, `find` and `retrieve` are the services;
`upper_layer`, `pdu`, `states`, `command` and `identifier` are the protocol, over `transport` and `tls`; `conformance` says what is
offered. What the center must provide is in `services`.
"""

from panorad.access.dimse.server import Server
from panorad.access.dimse.services import CalledUnknown, CallerRefused, Destination, Limits, NodeUnknown, Services
from panorad.access.dimse.tls import Credentials, CredentialsUnusable

__all__ = [
    "CalledUnknown",
    "CallerRefused",
    "Credentials",
    "CredentialsUnusable",
    "Destination",
    "Limits",
    "NodeUnknown",
    "Server",
    "Services",
]
