"""The pages on in-memory twins, to be looked at: ``granian --interface asgi --factory tests.browser.demo:closed``.

Pictures of series are ellipses drawn on the spot; the real center takes the twins' place in the acceptance tests.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np
from fastapi import FastAPI
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from panorad.access.web.session import session_actor
from tests.access.web.twins import Region, region, study_rows

VIEWER = Path(__file__).resolve().parents[2] / ".viewer"


@cache
def picture(seed: int, side: int = 256) -> bytes:
    """A round body with two dark lungs and a bright spine, a little different for each seed, as JPEG."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    shift = (seed % 17) / 170
    grey = np.where(x**2 / 0.72 + y**2 / 0.45 < 1, 120.0, 0.0)
    for centre in (-0.36, 0.36):
        grey = np.where((x - centre) ** 2 / (0.075 + shift / 6) + (y + 0.04) ** 2 / 0.17 < 1, 28.0, grey)
    grey = np.where((x - 0.1) ** 2 / 0.05 + (y + 0.1 - shift) ** 2 / 0.04 < 1, 150.0, grey)
    grey = np.where(x**2 / 0.012 + (y - 0.42) ** 2 / 0.012 < 1, 225.0, grey)
    grey += np.random.default_rng(seed).normal(0, 7, grey.shape) * (grey > 0)
    out = io.BytesIO()
    Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=85)
    return out.getvalue()


def _thumbnail(request: Request) -> Response:
    session_actor(request)
    return Response(
        picture(crc32(request.url.path.encode()) % 1000),
        media_type="image/jpeg",
        headers={"cache-control": "private, max-age=3600"},
    )


def _arrive(made: Region) -> FastAPI:
    """POST /demo/arrive lets one more study come in, so that the live list can be seen at work."""

    def arrive(request: Request) -> Response:
        number = len(made.imaging.rows)
        row = study_rows(number + 1)[-1]
        now = datetime.now(UTC)
        made.imaging.rows.append(
            type(row)(**{**{name: getattr(row, name) for name in row.__slots__}, "first_received": now, "last_received": now})
        )
        return Response(status_code=204)

    made.app.add_route("/demo/arrive", arrive, methods=["POST"])
    made.app.add_route("/dicom-web/{rest:path}/thumbnail", _thumbnail, methods=["GET"])
    made.app.add_route("/dicom-web/{rest:path}/rendered", _thumbnail, methods=["GET"])
    return made.app


def closed() -> FastAPI:
    """A center with sign-in (wanglei), 120 studies, and the one-time link /welcome?token=first."""
    made = region(viewer_folder=VIEWER, today=datetime.now(ZoneInfo("Asia/Shanghai")).date())
    made.gate.welcome = "first"
    return _arrive(made)


def empty() -> FastAPI:
    """An open center that has received nothing."""
    made = region(0, open_center=True)
    made.imaging.aside.clear()
    made.imaging.twice.clear()
    return _arrive(made)
