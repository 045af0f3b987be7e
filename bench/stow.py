"""STOW-RS: 200 slices in one multipart POST, and 4 x 50 in four POSTs at once.

Claims: at least 3 times Orthanc's throughput with one request, 2.5 times with four at once.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.acceptance.dicomweb import BOUNDARY, DICOM_JSON, multipart

from .claims import Claim, Lab
from .images import series
from .rivals import Side
from .sanity import assert_stored

ONE = Claim("STOW-RS, one request", "images/s", "more", ratio=3)
FOUR = Claim("STOW-RS, four requests", "images/s", "more", ratio=2.5)
HEADERS = {"Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}', "Accept": DICOM_JSON}


def post(side: Side, body: bytes) -> int:
    return requests.post(f"{side.dicomweb}/studies", data=body, headers=HEADERS, timeout=600).status_code


def run(lab: Lab) -> None:
    with lab.sides() as sides:
        for claim, requests_at_once, each in ((ONE, 1, lab.size(200, 8)), (FOUR, 4, lab.size(50, 4))):

            def measure(side: Side, repetition: int, at_once: int = requests_at_once, each: int = each) -> float:
                patients = [f"STOW-{side.name}-{at_once}-{repetition}-{n}" for n in range(at_once)]
                bodies = [multipart(series(each, patient)[2].values()) for patient in patients]
                os.sync()
                with ThreadPoolExecutor(at_once) as senders:
                    start = time.perf_counter()
                    statuses = set(senders.map(lambda body: post(side, body), bodies))
                    seconds = time.perf_counter() - start
                assert statuses == {200}, f"{side.name} answered {statuses}"
                for patient in patients:
                    assert_stored(side, patient, each)
                return at_once * each / seconds

            lab.compare(claim, sides, measure, f"{requests_at_once} x {each} slices of 525 KB")
