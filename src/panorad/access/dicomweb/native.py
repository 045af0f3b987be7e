"""The Native DICOM Model in XML (PS3.19 annex A) from and to the DICOM JSON Model (PS3.18 annex F)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers import expat

from panorad.access.dicomweb.errors import MalformedBody
from panorad.data.imaging.dictionary import entry

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
WHOLE = frozenset({"IS", "SL", "SS", "SV", "UL", "US", "UV"})
REAL = frozenset({"DS", "FL", "FD"})
DEPTH = 64
"""The deepest nesting of sequences that is read."""


def to_xml(dataset: Mapping[str, Any]) -> bytes:
    """One data set of the JSON model as a NativeDicomModel document."""
    root = ET.Element("NativeDicomModel", {"xmlns": NAMESPACE, "xml:space": "preserve"})
    _write(root, dataset)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode").encode()


def from_xml(text: bytes) -> list[dict[str, Any]]:
    """The data sets of a NativeDicomModel document in the JSON model. Raises MalformedBody, also for any document type."""
    root = _parsed(text)
    models = [root] if _name(root) == "NativeDicomModel" else [e for e in root if _name(e) == "NativeDicomModel"]
    if not models:
        raise MalformedBody("the XML holds no NativeDicomModel")
    return [_read(model, 0) for model in models]


def _write(parent: ET.Element, dataset: Mapping[str, Any]) -> None:
    for tag, element in sorted(dataset.items()):
        vr = element.get("vr", "UN")
        attributes = {"tag": tag, "vr": vr}
        known = entry(int(tag, 16))
        if keyword := known.keyword if known else "":
            attributes["keyword"] = keyword
        node = ET.SubElement(parent, "DicomAttribute", attributes)
        if "BulkDataURI" in element:
            ET.SubElement(node, "BulkData", {"uri": element["BulkDataURI"]})
        elif "InlineBinary" in element:
            ET.SubElement(node, "InlineBinary").text = element["InlineBinary"]
        for number, value in enumerate(element.get("Value", ()), 1):
            if value is not None:
                _write_value(node, vr, str(number), value)


def _write_value(node: ET.Element, vr: str, number: str, value: Any) -> None:
    if vr == "SQ":
        _write(ET.SubElement(node, "Item", {"number": number}), value)
    elif vr == "PN":
        name = ET.SubElement(node, "PersonName", {"number": number})
        for group in GROUPS:
            if text := value.get(group):
                parent = ET.SubElement(name, group)
                for component, part in zip(COMPONENTS, text.split("^"), strict=False):
                    if part:
                        ET.SubElement(parent, component).text = _legal(part)
    else:
        ET.SubElement(node, "Value", {"number": number}).text = _legal(str(value))


def _legal(text: str) -> str:
    return "".join(c if c >= " " or c in "\t\n\r" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _parsed(text: bytes) -> ET.Element:
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data

    def refuse(*_: object) -> None:
        raise MalformedBody("the XML declares a document type")

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
        return builder.close()
    except (expat.ExpatError, ValueError, AssertionError) as error:
        raise MalformedBody(f"the XML cannot be read ({error})") from None


def _name(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _read(node: ET.Element, depth: int) -> dict[str, Any]:
    if depth > DEPTH:
        raise MalformedBody(f"sequences nested deeper than {DEPTH}")
    dataset: dict[str, Any] = {}
    for attribute in node:
        if _name(attribute) != "DicomAttribute":
            continue
        tag, vr = attribute.get("tag", "").upper(), attribute.get("vr", "UN")
        if len(tag) != 8 or not all(c in "0123456789ABCDEF" for c in tag):
            raise MalformedBody(f"the XML has an attribute with the tag {tag[:20]!r}")
        dataset[tag] = _read_element(attribute, vr, depth)
    return dict(sorted(dataset.items()))


def _read_element(attribute: ET.Element, vr: str, depth: int) -> dict[str, Any]:
    element: dict[str, Any] = {"vr": vr}
    values: dict[int, Any] = {}
    for child in attribute:
        name, number = _name(child), child.get("number", "1")
        if name == "BulkData":
            element["BulkDataURI"] = child.get("uri", child.get("uuid", ""))
        elif name == "InlineBinary":
            element["InlineBinary"] = (child.text or "").strip()
        elif name in ("Value", "PersonName", "Item"):
            if not number.isdigit() or not 0 < int(number) <= len(attribute) + 1000:
                raise MalformedBody(f"the XML numbers a value {number[:20]!r}")
            values[int(number)] = _read(child, depth + 1) if name == "Item" else _read_value(child, vr, name)
    if values:
        element["Value"] = (
            [values.get(i) for i in range(1, max(values) + 1)] if vr != "SQ" else [v for _, v in sorted(values.items())]
        )
    return element


def _read_value(child: ET.Element, vr: str, name: str) -> Any:
    if name == "PersonName":
        return {_name(group): _components(group) for group in child if _name(group) in GROUPS}
    text = child.text or ""
    try:
        return int(text) if vr in WHOLE else float(text) if vr in REAL else text
    except ValueError:
        raise MalformedBody(f"the XML holds {text[:20]!r} where {vr} is a number") from None


def _components(group: ET.Element) -> str:
    parts = {_name(part): part.text or "" for part in group}
    return "^".join(parts.get(component, "") for component in COMPONENTS).rstrip("^")
