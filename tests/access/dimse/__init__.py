"""The DIMSE edge, tested from outside: DCMTK, pynetdicom and plain sockets against a running server."""
