"""What it takes to be there: bytes of index for each instance, and memory of all processes at rest.

Claims: at most 600 bytes of database (all tables and indexes) for each instance at 1,000,000 instances; idle memory under 700 MB,
both as the sum of resident sizes and, fairer where pages are shared, of proportional sizes.
"""

import time

from tests.acceptance.dicomweb import stow

from .claims import Claim, Lab
from .filler import fill
from .images import series
from .rivals import Name, Side

RESIDENT = Claim("idle memory, sum of RSS", "MB", "less", bound=700)
PROPORTIONAL = Claim("idle memory, sum of PSS", "MB", "less", bound=700)
INDEX = Claim("index on disk for each instance", "bytes", "less", bound=600)
SMALL = Claim("index on disk for each instance, sent by STOW-RS", "bytes", "less")


def run(lab: Lab) -> None:
    with lab.sides() as sides:
        for side in sides.values():
            assert stow(side.dicomweb, series(4, "FOOTPRINT", size=64)[2].values()).status_code == 200
        time.sleep(lab.size(20, 1))
        lab.compare(RESIDENT, sides, lambda side, repetition: side.memory()[0] / 1e6)
        lab.compare(PROPORTIONAL, sides, lambda side, repetition: side.memory()[1] / 1e6)

        def grown(side: Side, repetition: int) -> float:
            count = lab.size(2000, 40)
            before = side.database_bytes()
            for _ in range(count // 20):
                assert stow(side.dicomweb, series(20, f"GROW-{repetition}", size=16)[2].values()).status_code == 200
            time.sleep(lab.size(10, 1))
            return (side.database_bytes() - before) / count

        lab.compare(SMALL, sides, grown, f"{lab.size(2000, 40):,} instances, 20 a series")
        if "panorad" in sides and not lab.tiny:
            before = sides["panorad"].database_bytes()
            fill(sides["panorad"], 5000, series=2, instances=100)
            only: dict[Name, Side] = {"panorad": sides["panorad"]}
            lab.compare(INDEX, only, lambda side, repetition: (side.database_bytes() - before) / 1_000_000, "1,000,000 instances")
