"""DICOM over the network: C-ECHO, C-STORE, C-FIND, C-MOVE and C-GET (PS3.4, PS3.7, PS3.8).

`server` accepts connections, `acceptor` serves one, `storage`, `find` and `retrieve` are the services; `upper_layer`, `pdu`,
`states`, `command` and `identifier` are the protocol; `conformance` says what is offered. What the center must provide is in
`services`.
"""

from panorad.access.dimse.server import Server
from panorad.access.dimse.services import CalledUnknown, Destination, Limits, NodeUnknown, Services

__all__ = ["CalledUnknown", "Destination", "Limits", "NodeUnknown", "Server", "Services"]
