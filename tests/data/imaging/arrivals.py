"""Instances for the tests of the archive: small, with UIDs that tell their place."""

from __future__ import annotations

from panorad.data.imaging.part10 import split

from .bundled import part10


def instance(study: int = 1, series: int = 1, number: int = 1, **attributes: object) -> bytes:
    """Instance `number` of a series of a study, of patient P and the study's number."""
    given = {
        "StudyInstanceUID": f"2.25.{study}",
        "SeriesInstanceUID": f"2.25.{study}.{series}",
        "InstanceNumber": number,
        "SeriesNumber": series,
        "SOPInstanceUID": f"2.25.{study}.{series}.{number}",
        "PatientID": f"P{study}",
        "Modality": "CT",
    }
    return part10(**(given | attributes))


def body(data: bytes) -> bytes:
    """The data set of a Part 10 file."""
    return data[split(data).data_at :]
