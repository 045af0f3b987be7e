"""C-STORE by dcmtk's ``storescu``: 1,000 slices on one association, and 200 on each of four at once.

Claim: at least 3 times, and at least 2.5 times, Orthanc's throughput. An image counts when its answer is success, that is when it
is durable. The sender, reading and sending each file for itself, is part of both figures.
"""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.acceptance.dcmtk import dcmtk

from .claims import Claim, Lab
from .images import write_series
from .rivals import Side
from .sanity import assert_stored

ONE = Claim("C-STORE, one association", "images/s", "more", ratio=3)
FOUR = Claim("C-STORE, four associations", "images/s", "more", ratio=2.5)


def send(side: Side, folder: Path) -> None:
    dcmtk("storescu", "-aec", side.title, "127.0.0.1", str(side.dimse), "+sd", str(folder), seconds=600)


def run(lab: Lab) -> None:
    with lab.sides() as sides:
        for claim, associations, each in ((ONE, 1, lab.size(1000, 12)), (FOUR, 4, lab.size(200, 4))):

            def measure(side: Side, repetition: int, associations: int = associations, each: int = each) -> float:
                folder = lab.folder / "images"
                patients = [f"STORE-{side.name}-{associations}-{repetition}-{n}" for n in range(associations)]
                folders = [write_series(folder / patient, each, patient) for patient in patients]
                os.sync()
                with ThreadPoolExecutor(associations) as senders:
                    start = time.perf_counter()
                    list(senders.map(lambda place: send(side, place), folders))
                    seconds = time.perf_counter() - start
                for patient in patients:
                    assert_stored(side, patient, each)
                shutil.rmtree(folder)
                return associations * each / seconds

            lab.compare(claim, sides, measure, f"{associations} x {each} slices of 525 KB")
