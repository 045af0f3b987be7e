"""Instances sent as metadata with bulk data (PS3.18 section 10.5.2.2): put together into Part 10 files."""

from __future__ import annotations

import base64
import binascii
import io
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin

from panorad.access.dicomweb.arrivals import Arrivals
from panorad.access.dicomweb.errors import BodyTooLarge, MalformedBody, UnsupportedMedia
from panorad.access.dicomweb.forms import ALIASES, DEFAULTS
from panorad.access.dicomweb.media import DICOM_JSON, DICOM_XML, JSON, OCTETS, parse_parameters
from panorad.access.dicomweb.native import DEPTH, from_xml
from panorad.access.dicomweb.values import check_values
from panorad.data.imaging.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from panorad.data.imaging.syntaxes import EXPLICIT_LE, SYNTAXES, syntax_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

PIXEL_TAGS = ("7FE00008", "7FE00009", "7FE00010")
METADATA = (DICOM_JSON, DICOM_XML, JSON, "text/xml", "application/xml")


@dataclass(slots=True)
class Bulk:
    """One bulk data part: its bytes on disk and the transfer syntax of its frames."""

    file: IO[bytes]
    syntax: str

    def read(self) -> bytes:
        """All bytes."""
        self.file.seek(0)
        return self.file.read()


@dataclass(slots=True)
class Assembly:
    """Gathers the parts of one request; `folder` takes the bulk data until the request ends. Use as a context manager."""

    folder: Path
    most_metadata: int
    datasets: list[dict[str, Any]] = field(default_factory=list)
    bulk: dict[str, list[Bulk]] = field(default_factory=dict)
    _text: io.BytesIO | None = None
    _xml: bool = False
    _current: Bulk | None = None

    def __enter__(self) -> Assembly:
        return self

    def __exit__(self, *_: object) -> None:
        for parts in self.bulk.values():
            for part in parts:
                part.file.close()

    def begin(self, headers: Mapping[str, str]) -> None:
        """A part begins. Raises UnsupportedMedia, MalformedBody."""
        kind, parameters = parse_parameters(headers.get("content-type", OCTETS))
        if kind in METADATA:
            self._text, self._xml, self._current = io.BytesIO(), "xml" in kind, None
            return
        kind = ALIASES.get(kind, kind)
        syntax = (
            parameters.get("transfer-syntax")
            or DEFAULTS.get(kind)
            or next((s.uid for s in SYNTAXES.values() if s.media_type == kind), "")
        )
        if not syntax:
            raise UnsupportedMedia(f"bulk data of type {kind[:64]}")
        location = headers.get("content-location")
        if not location:
            raise MalformedBody("a bulk data part has no Content-Location")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._text, self._current = None, Bulk(tempfile.TemporaryFile(dir=self.folder), syntax)  # noqa: SIM115  # closed by __exit__
        self.bulk.setdefault(_normal(location), []).append(self._current)

    def write(self, data: memoryview) -> None:
        """The next bytes of the part. Raises BodyTooLarge."""
        if self._text is not None:
            self._text.write(data)
            if self._text.tell() > self.most_metadata:
                raise BodyTooLarge(f"a metadata part of more than {self.most_metadata} bytes")
        elif self._current is not None:
            self._current.file.write(data)

    def end(self) -> None:
        """The part is complete. Raises MalformedBody when its metadata cannot be read."""
        if self._text is not None:
            text, self._text = self._text.getvalue(), None
            self.datasets += from_xml(text) if self._xml else from_json(text)

    def hand_over(self, arrivals: Arrivals) -> None:
        """Put each data set together and let it arrive; one that cannot be is noted as failed."""
        for metadata in self.datasets:
            try:
                part10 = self._part10(metadata)
            except MalformedBody as error:
                arrivals.refuse(error, _first(metadata, "00080016"), _first(metadata, "00080018"))
                continue
            arrivals.begin()
            arrivals.write(part10)
            arrivals.end()

    def _part10(self, metadata: Mapping[str, Any]) -> bytes:
        from pydicom.dataset import Dataset

        uris = [element["BulkDataURI"] for tag, element in metadata.items() if tag in PIXEL_TAGS and element.get("BulkDataURI")]
        pixels = [self._bulk_of(uri) for uri in uris]
        named = _first(metadata, "00083002") or _first(metadata, "00020010")
        syntax = (
            pixels[0][0].syntax if pixels else named if named in SYNTAXES and not syntax_of(named).encapsulated else EXPLICIT_LE
        )
        if pixels and syntax == EXPLICIT_LE and named in SYNTAXES and len(pixels[0]) > 0 and syntax_of(named).encapsulated:
            syntax = named  # frames sent as plain octets of the syntax that the metadata names
        try:
            dataset = Dataset.from_json(_own(metadata, 0), partial(self._value, metadata, syntax))
            return _written(dataset, syntax)
        except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError, OverflowError, RecursionError) as error:
            raise MalformedBody(f"the metadata makes no data set ({str(error)[:120]})") from None

    def _value(self, metadata: Mapping[str, Any], syntax: str, tag: str, vr: str, uri: str) -> Any:
        """The value behind a Bulk Data URI."""
        from pydicom.dataelem import RawDataElement, convert_raw_data_element
        from pydicom.tag import Tag

        parts = [part.read() for part in self._bulk_of(uri)]
        raw = _framed(parts, metadata, syntax) if tag in PIXEL_TAGS else b"".join(parts)
        raw += b"\0" * (len(raw) % 2)
        return convert_raw_data_element(RawDataElement(Tag(tag), vr, len(raw), raw, 0, False, True)).value

    def _bulk_of(self, uri: object) -> list[Bulk]:
        found = self.bulk.get(_normal(uri)) if isinstance(uri, str) else None
        if not found:
            raise MalformedBody(f"no part has the Content-Location {str(uri)[:120]}")
        return found


def _own(metadata: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """The metadata without what belongs to the file or the archive."""
    if depth > DEPTH:
        raise MalformedBody(f"sequences nested deeper than {DEPTH}")
    own: dict[str, Any] = {}
    for tag, element in metadata.items():
        if element.get("vr") == "SQ":
            own[tag] = {"vr": "SQ", "Value": [_own(item or {}, depth + 1) for item in element.get("Value") or ()]}
        elif not tag.startswith("0002") and tag != "00083002":
            check_values(tag, element)
            own[tag] = element
    return own


def _first(metadata: Mapping[str, Any], tag: str) -> str:
    values = metadata.get(tag, {}).get("Value")
    return values[0] if isinstance(values, list) and values and isinstance(values[0], str) else ""


def from_json(text: bytes) -> list[dict[str, Any]]:
    """The data sets of a document in the DICOM JSON Model. Raises MalformedBody."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedBody(f"the JSON cannot be read ({str(error)[:120]})") from None
    datasets = read if isinstance(read, list) else [read]
    for dataset in datasets:
        if not isinstance(dataset, dict) or not all(isinstance(element, dict) for element in dataset.values()):
            raise MalformedBody("the JSON is no list of data sets")
        for element in dataset.values():
            try:
                base64.b64decode(element.get("InlineBinary", ""), validate=True)
            except (binascii.Error, ValueError, TypeError):
                raise MalformedBody("the JSON holds binary that is not base64") from None
    return datasets


def _framed(parts: list[bytes], metadata: Mapping[str, Any], syntax: str) -> bytes:
    if not syntax_of(syntax).encapsulated:
        return b"".join(parts)
    frames = int((metadata.get("00280008", {}).get("Value") or [1])[0])
    if len(parts) == 1 and parts[0].startswith(b"\xfe\xff\x00\xe0"):
        return parts[0]
    if len(parts) not in (1, frames):
        raise MalformedBody(f"{len(parts)} parts for {frames} frames")
    if len(parts) == 1 and frames > 1 and not syntax_of(syntax).video:
        raise MalformedBody(f"one part for {frames} compressed frames")
    from pydicom.encaps import encapsulate, encapsulate_extended

    if sum(map(len, parts)) >= 0xFFFFFFFF:
        return encapsulate_extended(parts)[0]
    return encapsulate(parts)


def _written(dataset: Dataset, syntax: str) -> bytes:
    from pydicom.dataset import FileMetaDataset
    from pydicom.filewriter import dcmwrite
    from pydicom.uid import UID

    encapsulated = syntax_of(syntax).encapsulated
    if encapsulated:
        for tag in PIXEL_TAGS:
            if tag in dataset:
                dataset[tag].VR, dataset[tag].is_undefined_length = "OB", True
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "")
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "")
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    if not meta.MediaStorageSOPClassUID or not meta.MediaStorageSOPInstanceUID:
        raise MalformedBody("the metadata has no SOP Class UID or no SOP Instance UID")
    dataset.SpecificCharacterSet = "ISO_IR 192"  # JSON and XML come in Unicode
    dataset.file_meta = meta
    out = io.BytesIO()
    try:
        dcmwrite(out, dataset, enforce_file_format=True)
    except OSError as error:  # pydicom's wrapping of any value that cannot be written
        raise MalformedBody(f"the metadata makes no data set ({str(error)[:120]})") from None
    return out.getvalue()


def _normal(location: str) -> str:
    """A location as it is compared: relative ones against one imagined base (RFC 2557 section 5)."""
    return urljoin("thismessage:/", location.strip())
