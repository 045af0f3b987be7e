"""Purposes of use: why somebody wants to see a patient's data. One purpose holds for one request.

The codes of HL7 v3 PurposeOfUse (2.16.840.1.113883.5.8) stand beside each, for FHIR Consent and the audit trail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Purpose(NamedTuple):
    """A purpose: its label in English (translated when shown), and its code in HL7 v3 PurposeOfUse."""

    label: str
    code: str


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


PURPOSES: Mapping[str, Purpose] = {
    "treatment": Purpose(_("Treatment"), "TREAT"),
    "remote-reading": Purpose(_("Remote reading"), "CAREMGT"),
    "consultation": Purpose(_("Consultation"), "COC"),
    "quality": Purpose(_("Quality control"), "HQUALIMP"),
    "education": Purpose(_("Education"), "TRAIN"),
    "research": Purpose(_("Research"), "HRESCH"),
    "patient-request": Purpose(_("Request of the patient"), "PATRQT"),
    "emergency": Purpose(_("Emergency"), "ETREAT"),
}
"""In the order of their bits in the database (function `purpose_bits`). New ones are appended."""

OPERATION = "operation"
"""Why the center itself acts: jobs, recovery, the command line."""
