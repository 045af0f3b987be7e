"""Metadata of a series of 200 slices, as a viewer asks for it when it opens: one request, once the series is quiet.

Claim: at least 5 times as fast as Orthanc, both warm (a first request is not counted).
"""

import statistics
import time

import requests

from tests.acceptance.dicomweb import DICOM_JSON, stow

from .claims import Claim, Lab
from .images import series
from .rivals import Side

CLAIM = Claim("series metadata, 200 slices", "ms", "less", ratio=5)
QUIET_SECONDS = 90


def settled(url: str) -> None:
    """Wait until the series has its document; an ETag says so."""
    end = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < end:
        answer = requests.get(url, headers={"Accept": DICOM_JSON}, timeout=120)
        assert answer.status_code == 200, answer.text[:500]
        if "ETag" in answer.headers:
            return
        time.sleep(1)


def run(lab: Lab) -> None:
    study, of_study, files = series(lab.size(200, 8), "METADATA")
    path = f"studies/{study}/series/{of_study}/metadata"
    with lab.sides() as sides:
        for side in sides.values():
            assert stow(side.dicomweb, files.values()).status_code == 200
            if side.name == "panorad":
                settled(f"{side.dicomweb}/{path}")

        def measure(side: Side, repetition: int) -> float:
            times = []
            with requests.Session() as session:
                for _ in range(lab.size(10, 3) + 1):
                    start = time.perf_counter()
                    answer = session.get(f"{side.dicomweb}/{path}", headers={"Accept": DICOM_JSON}, timeout=120)
                    times.append((time.perf_counter() - start) * 1000)
                    assert {item["00080018"]["Value"][0] for item in answer.json()} == files.keys()
            return statistics.median(times[1:])

        lab.compare(CLAIM, sides, measure, f"{len(files)} instances")
