"""The tutorial and the how-tos go as they are told."""

from pathlib import Path

import pytest

from tests.docs.consoles import CHECKOUT, run, steps

from .processes import free_port, program

TOUR = (
    "docs/tutorial/first-hour.md",
    "docs/howto/connect-a-scanner.md",
    "docs/howto/import-old-media.md",
    "docs/howto/let-a-program-in.md",
    "docs/howto/back-up-and-restore.md",
    "docs/howto/connect-over-tls.md",
)
"""Pages whose commands are run, in this order, in one folder; the center of the first one runs all along."""


@pytest.mark.peers
def test_the_tour_goes_as_told(tmp_path: Path) -> None:
    for needed in ("storescu", "findscu", "getscu", "echoscu", "curl", "openssl"):
        program(needed)
    told = [step for page in TOUR for step in steps(CHECKOUT / page) if step.language == "console"]
    wrong = run(told, tmp_path, {port: free_port() for port in ("8080", "11112", "8081", "8082", "11114", "2762")})
    assert not wrong, "\n\n".join(wrong)
