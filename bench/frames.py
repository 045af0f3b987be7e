"""Frames of 512 KB by WADO-RS, four connections of wrk on one series of 200 slices. Claim: at least 1.5 times Orthanc's rate."""

from urllib.parse import urlsplit

from tests.acceptance.dicomweb import stow

from .claims import Claim, Lab
from .images import SLICE_BYTES, series
from .rivals import Side
from .wrk import crowd

CLAIM = Claim("WADO-RS frames, 4 connections", "frames/s", "more", ratio=1.5)
ACCEPT = 'multipart/related; type="application/octet-stream"'


def run(lab: Lab) -> None:
    study, of_study, files = series(lab.size(200, 8), "FRAMES")
    paths = [f"/dicom-web/studies/{study}/series/{of_study}/instances/{uid}/frames/1" for uid in files]
    with lab.sides() as sides:
        for side in sides.values():
            assert stow(side.dicomweb, files.values()).status_code == 200

        def measure(side: Side, repetition: int) -> float:
            parts = urlsplit(side.dicomweb)
            root = f"{parts.scheme}://{parts.netloc}"
            seen = crowd(lab.folder / "wrk", root, paths, ACCEPT, seconds=lab.size(10, 2))
            size = seen.response_bytes
            assert SLICE_BYTES < size < SLICE_BYTES + 2048, f"{side.name} sends {size:.0f} bytes a frame"
            return seen.per_second

        lab.compare(CLAIM, sides, measure, f"{len(files)} slices of 512 x 512")
