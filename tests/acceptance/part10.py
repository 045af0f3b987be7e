"""Cut a DICOM file into file meta and data set without decoding either (PS3.10 section 7.1), and join them again."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

LONG_LENGTH = {b"OB", b"OW", b"UN", b"SQ", b"UT", b"UC", b"UR", b"OD", b"OF", b"OL", b"OV", b"SV", b"UV"}
IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


class NotPart10Error(ValueError):
    """The bytes have no preamble with the DICM prefix."""


@dataclass(frozen=True)
class Part10:
    """A DICOM file as bytes: the values of its file meta by element number, and the data set exactly as it lies in the file."""

    meta: dict[int, bytes]
    dataset: bytes

    def uid(self, element: int) -> str:
        """Return a UID of the file meta group, for example 0x0010 for Transfer Syntax UID; empty when absent."""
        return self.meta.get(element, b"").rstrip(b"\0 ").decode("ascii", "replace")

    @property
    def sop_class(self) -> str:
        """Media Storage SOP Class UID (0002,0002)."""
        return self.uid(0x0002)

    @property
    def sop_instance(self) -> str:
        """Media Storage SOP Instance UID (0002,0003)."""
        return self.uid(0x0003)

    @property
    def transfer_syntax(self) -> str:
        """Transfer Syntax UID (0002,0010)."""
        return self.uid(0x0010)


def split(raw: bytes) -> Part10:
    """Cut a file. The group length (0002,0000) is not trusted: the data set begins where group 2 ends."""
    if raw[128:132] != b"DICM":
        raise NotPart10Error("no DICM at byte 128")
    meta, at = {}, 132
    while raw[at : at + 2] == b"\x02\0":
        element, vr = struct.unpack_from("<H", raw, at + 2)[0], raw[at + 4 : at + 6]
        if vr in LONG_LENGTH:
            length, at = struct.unpack_from("<I", raw, at + 8)[0], at + 12
        else:
            length, at = struct.unpack_from("<H", raw, at + 6)[0], at + 8
        meta[element] = raw[at : at + length]
        at += length
    return Part10(meta, raw[at:])


def join(sop_class: str, sop_instance: str, transfer_syntax: str, dataset: bytes) -> bytes:
    """Make a DICOM file from a data set that is already encoded."""
    body = b"".join(_meta(sop_class, sop_instance, transfer_syntax))
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(body)) + body + dataset


def _meta(sop_class: str, sop_instance: str, transfer_syntax: str) -> Iterator[bytes]:
    yield struct.pack("<HH2sHI", 2, 1, b"OB", 0, 2) + b"\0\1"
    for element, uid in ((2, sop_class), (3, sop_instance), (0x10, transfer_syntax), (0x12, "1.2.826.0.1.3680043.9.7.1")):
        value = uid.encode() + b"\0" * (len(uid) % 2)
        yield struct.pack("<HH2sH", 2, element, b"UI", len(value)) + value
