"""QIDO-RS by Patient ID: requests per second on a small index, and the 95th percentile of the latency on 1,000,000 studies.

Claims: at least 2 times Orthanc's rate; p95 under 20 ms at 1,000,000 studies (ours alone: filling Orthanc takes days).
"""

from urllib.parse import urlsplit

from tests.acceptance.dicomweb import DICOM_JSON, stow
from tests.acceptance.images import ct_series

from .claims import Claim, Lab
from .filler import fill
from .rivals import Name, Side
from .wrk import Crowd, crowd

RATE = Claim("QIDO-RS by PatientID, 4 connections", "requests/s", "more", ratio=2)
TAIL = Claim("QIDO-RS by PatientID, p95 on a large index", "ms", "less", bound=20)


def ask(lab: Lab, side: Side, patients: list[str]) -> Crowd:
    parts = urlsplit(side.dicomweb)
    paths = [f"/dicom-web/studies?PatientID={patient}&limit=50" for patient in patients]
    seen = crowd(lab.folder / "wrk", f"{parts.scheme}://{parts.netloc}", paths, DICOM_JSON, seconds=lab.size(10, 2))
    assert seen.response_bytes > 500, f"{side.name} finds nothing: {seen.response_bytes:.0f} bytes a response"
    return seen


def run(lab: Lab) -> None:
    count = lab.size(200, 8)
    patients = [f"QIDO-{number}" for number in range(count)]
    files = [raw for patient in patients for _, raw in ct_series(1, patient=patient, size=16)]
    with lab.sides() as sides:
        for side in sides.values():
            assert stow(side.dicomweb, files).status_code == 200
        lab.compare(RATE, sides, lambda side, repetition: ask(lab, side, patients).per_second, f"{count} studies")
        if "panorad" in sides:
            studies = lab.size(1_000_000, 1000)
            known = fill(sides["panorad"], studies, series=1, instances=1)
            only: dict[Name, Side] = {"panorad": sides["panorad"]}
            lab.compare(TAIL, only, lambda side, repetition: ask(lab, side, known).p95, f"{studies:,} studies")
