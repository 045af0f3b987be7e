"""The trail as files: CSV for a table, DICOM audit messages (PS3.15 A.5) in one XML document, FHIR AuditEvents one a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping

from panorad.access.fhir.audit_event import audit_event
from panorad.data.process import Trace
from panorad.data.process.audit import MEANINGS
from panorad.data.process.dicom_audit import AuditSource, message
from panorad.kit.jsontext import dumps

COLUMNS = (
    "id", "at", "kind", "outcome", "actor_kind", "actor", "institution", "purpose", "source", "study", "series", "patients", "objects",
    "detail",
)  # fmt: skip
Writer = Callable[[Iterable[Trace], AuditSource], Iterator[bytes]]


def as_csv(traces: Iterable[Trace], source: AuditSource) -> Iterator[bytes]:
    """Comma separated values (RFC 4180) in UTF-8; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    yield _line(COLUMNS)
    for one in traces:
        patients = " ".join(f"{number.id}^^^{number.issuer}" for number in one.patients)
        yield _line(
            (
                str(one.id), one.at.isoformat(), one.kind, one.outcome, one.actor_kind, one.actor, one.institution, one.purpose, one.source,
                str(one.objects.get("study", "")), str(one.objects.get("series", "")), patients,
                dumps(one.objects, str).decode(), dumps(one.detail, str).decode(),
            )
        )  # fmt: skip


def _line(cells: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([f"'{cell}" if cell[:1] in "=+-@\t\r" and cell else cell for cell in cells])
    return text.getvalue().encode("utf-8", "replace")


def as_dicom(traces: Iterable[Trace], source: AuditSource) -> Iterator[bytes]:
    """One document `AuditMessages` with an `AuditMessage` for each event that has a meaning to an auditor."""
    yield b'<?xml version="1.0" encoding="UTF-8"?>\n<AuditMessages>\n'
    for one in traces:
        if text := message(one, source):
            yield text.encode() + b"\n"
    yield b"</AuditMessages>\n"


def as_fhir(traces: Iterable[Trace], source: AuditSource) -> Iterator[bytes]:
    """Newline delimited JSON (application/fhir+ndjson), one AuditEvent a line."""
    for one in traces:
        if one.kind in MEANINGS:
            yield dumps(audit_event(one, source)) + b"\n"


FORMATS: Mapping[str, tuple[Writer, str, str]] = {
    "csv": (as_csv, "text/csv; charset=utf-8", "csv"),
    "dicom": (as_dicom, "application/xml", "xml"),
    "fhir": (as_fhir, "application/fhir+ndjson", "ndjson"),
}
"""Each format: how it is written, its media type, the ending of its files."""
