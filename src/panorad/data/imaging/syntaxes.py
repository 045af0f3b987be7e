"""The transfer syntaxes, one row each: PS3.6 Table A-1 with the DICOMweb media types of PS3.18 Tables 8.7.3-2, 8.7.3-4 and
8.7.3-5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Codec = Literal[
    "",
    "jpeg",
    "jpeg-lossless",
    "jpeg-ls",
    "jpeg2000",
    "htj2k",
    "jpegxl",
    "rle",
    "deflated-frame",
    "native-frame",
    "video",
    "reference",
]

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.80"
JPEG_LS = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"
JPEG_XL_LOSSLESS = "1.2.840.10008.1.2.4.110"
JPEG_XL_RECOMPRESSION = "1.2.840.10008.1.2.4.111"
JPEG_XL = "1.2.840.10008.1.2.4.112"
HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
HTJ2K_LOSSLESS_RPCL = "1.2.840.10008.1.2.4.202"
HTJ2K = "1.2.840.10008.1.2.4.203"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"

OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Syntax:
    """One transfer syntax.

    `media_type` is what DICOMweb calls its frames; `codec` names the frame decoder, "" when pixels are native; `lossy` tells
    that the
    syntax allows loss (not that any was made); `encodes` tells that `panorad.data.imaging.transcode` can produce it.
    """

    uid: str
    name: str
    media_type: str
    codec: Codec
    lossy: bool = False
    encodes: bool = False

    @property
    def encapsulated(self) -> bool:
        """Whether Pixel Data is a sequence of fragments (PS3.5 section A.4)."""
        return self.codec != "" and self.codec != "reference"

    @property
    def implicit(self) -> bool:
        """Whether value representations are left out (PS3.5 section A.1)."""
        return self.uid == IMPLICIT_LE

    @property
    def big_endian(self) -> bool:
        """Whether numbers are big endian (PS3.5 section A.3, retired)."""
        return self.uid == EXPLICIT_BE

    @property
    def deflated(self) -> bool:
        """Whether the whole data set is deflated (PS3.5 section A.5)."""
        return self.uid in _DEFLATED

    @property
    def video(self) -> bool:
        """Whether Pixel Data is one video stream."""
        return self.codec == "video"

    @property
    def decodes(self) -> bool:
        """Whether `panorad.data.imaging.decoding` turns its frames into pixels."""
        return self.codec not in ("video", "reference")


_DEFLATED = frozenset((DEFLATED, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"))
_JPEG = "1.2.840.10008.1.2.4."

_VIDEO: tuple[tuple[str, str, str], ...] = (
    ("100", "MPEG2 Main Profile / Main Level", "video/mpeg"),
    ("101", "MPEG2 Main Profile / High Level", "video/mpeg"),
    ("102", "MPEG-4 AVC/H.264 High Profile / Level 4.1", "video/mp4"),
    ("103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", "video/mp4"),
    ("104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", "video/mp4"),
    ("105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", "video/mp4"),
    ("106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", "video/mp4"),
    ("107", "HEVC/H.265 Main Profile / Level 5.1", "video/mp4"),
    ("108", "HEVC/H.265 Main 10 Profile / Level 5.1", "video/mp4"),
)

_ROWS: tuple[Syntax, ...] = (
    Syntax(IMPLICIT_LE, "Implicit VR Little Endian", OCTETS, "", encodes=True),
    Syntax(EXPLICIT_LE, "Explicit VR Little Endian", OCTETS, "", encodes=True),
    Syntax(ENCAPSULATED_UNCOMPRESSED, "Encapsulated Uncompressed Explicit VR Little Endian", OCTETS, "native-frame"),
    Syntax(DEFLATED, "Deflated Explicit VR Little Endian", OCTETS, "", encodes=True),
    Syntax(EXPLICIT_BE, "Explicit VR Big Endian", OCTETS, ""),
    Syntax(JPEG_BASELINE, "JPEG Baseline (Process 1)", "image/jpeg", "jpeg", lossy=True, encodes=True),
    Syntax(JPEG_EXTENDED, "JPEG Extended (Process 2 and 4)", "image/jpeg", "jpeg", lossy=True),
    Syntax(_JPEG + "53", "JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)", "image/jpeg", "jpeg", lossy=True),
    Syntax(_JPEG + "55", "JPEG Full Progression, Non-Hierarchical (Process 10 and 12)", "image/jpeg", "jpeg", lossy=True),
    Syntax(JPEG_LOSSLESS, "JPEG Lossless, Non-Hierarchical (Process 14)", "image/jpeg", "jpeg-lossless"),
    Syntax(JPEG_LOSSLESS_SV1, "JPEG Lossless, Non-Hierarchical, First-Order Prediction", "image/jpeg", "jpeg-lossless"),
    Syntax(JPEG_LS_LOSSLESS, "JPEG-LS Lossless Image Compression", "image/jls", "jpeg-ls", encodes=True),
    Syntax(JPEG_LS, "JPEG-LS Lossy (Near-Lossless) Image Compression", "image/jls", "jpeg-ls", lossy=True),
    Syntax(JPEG_2000_LOSSLESS, "JPEG 2000 Image Compression (Lossless Only)", "image/jp2", "jpeg2000", encodes=True),
    Syntax(JPEG_2000, "JPEG 2000 Image Compression", "image/jp2", "jpeg2000", lossy=True),
    Syntax(_JPEG + "92", "JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)", "image/jpx", "jpeg2000"),
    Syntax(_JPEG + "93", "JPEG 2000 Part 2 Multi-component Image Compression", "image/jpx", "jpeg2000", lossy=True),
    Syntax(_JPEG + "94", "JPIP Referenced", OCTETS, "reference", lossy=True),
    Syntax(_JPEG + "95", "JPIP Referenced Deflate", OCTETS, "reference", lossy=True),
    *(
        Syntax(_JPEG + number + suffix, prefix + name, media, "video", lossy=True)
        for number, name, media in _VIDEO
        for suffix, prefix in (("", ""), (".1", "Fragmentable "))
        if not suffix or number not in ("107", "108")
    ),
    Syntax(JPEG_XL_LOSSLESS, "JPEG XL Lossless", "image/jxl", "jpegxl"),
    Syntax(JPEG_XL_RECOMPRESSION, "JPEG XL JPEG Recompression", "image/jxl", "jpegxl", lossy=True),
    Syntax(JPEG_XL, "JPEG XL", "image/jxl", "jpegxl", lossy=True),
    Syntax(HTJ2K_LOSSLESS, "High-Throughput JPEG 2000 Image Compression (Lossless Only)", "image/jphc", "htj2k", encodes=True),
    Syntax(
        HTJ2K_LOSSLESS_RPCL,
        "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)",
        "image/jphc",
        "htj2k",
        encodes=True,
    ),
    Syntax(HTJ2K, "High-Throughput JPEG 2000 Image Compression", "image/jphc", "htj2k", lossy=True),
    Syntax(_JPEG + "204", "JPIP HTJ2K Referenced", OCTETS, "reference", lossy=True),
    Syntax(_JPEG + "205", "JPIP HTJ2K Referenced Deflate", OCTETS, "reference", lossy=True),
    Syntax(RLE_LOSSLESS, "RLE Lossless", "image/dicom-rle", "rle", encodes=True),
    Syntax(DEFLATED_FRAME, "Deflated Image Frame Compression", "application/x-deflate", "deflated-frame"),
)

SYNTAXES: dict[str, Syntax] = {row.uid: row for row in _ROWS}
"""Every transfer syntax known here, by UID."""


def syntax_of(uid: str) -> Syntax:
    """The row of a transfer syntax; an unknown one is taken as Explicit VR Little Endian holding opaque fragments (PS3.5
    section 10)."""
    return SYNTAXES.get(uid) or Syntax(uid, uid, OCTETS, "reference")
