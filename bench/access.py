"""The gate: what it costs to be signed in, and QIDO-RS in a region of many institutions and grants.

Claims: a center with sign-in answers at no less than 0.9 times the rate of the same center without it (frames, QIDO-RS by PatientID); the
95th percentile of QIDO-RS stays under 30 ms at 1,000,000 studies, 200 institutions and 100,000 grants.
"""

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from panorad.access import gate
from panorad.cli.console import center_of
from panorad.kit.postgres import EmbeddedPostgres
from panorad.model.actor import SYSTEM
from tests.acceptance.dicomweb import DICOM_JSON, stow
from tests.acceptance.processes import Center

from .claims import Claim, Lab, Result
from .filler import fill_region
from .frames import ACCEPT
from .images import series
from .wrk import Crowd, crowd

FRAMES = Claim("WADO-RS frames, signed in against without sign-in", "x", "more", bound=0.9)
QUERIES = Claim("QIDO-RS by PatientID, signed in against without sign-in", "x", "more", bound=0.9)
REGION = Claim("QIDO-RS, p95, signed in to a region with grants", "ms", "less", bound=30)
LOGIN, PASSWORD = "bench", "nine lamps over water"


@contextmanager
def serving(home: Path, *, open_center: bool) -> Iterator[Center]:
    """A center of its own; one with sign-in has an account of its own institution."""
    center = Center(home, open_center=open_center)
    try:
        center.start()
        yield center
    finally:
        center.kill()


def account(home: Path, login: str, institution: str) -> None:
    """A person who reads at an institution."""
    with center_of(home) as center, center.begin(SYSTEM) as tx:
        gate.ensure_institution(tx, institution)
        gate.add_account(tx, login, "", PASSWORD, institution, ["radiologist"])


def sign_in(url: str, login: str) -> requests.Session:
    """A session of a person."""
    session = requests.Session()
    page = session.get(f"{url}/sign-in", timeout=30).text
    token = page.split('name="form_token" value="')[1].split('"')[0]
    fields = {"login": login, "password": PASSWORD, "form_token": token}
    answer = session.post(f"{url}/sign-in", data=fields, allow_redirects=False, timeout=30)
    assert answer.status_code == 303, answer.text
    return session


def cookie(session: requests.Session) -> str:
    """The Cookie header of a session."""
    return "; ".join(f"{one.name}={one.value}" for one in session.cookies)


def price(lab: Lab) -> None:
    """The same requests with and without sign-in, in alternation."""
    study, of_study, files = series(lab.size(200, 8), "GATE")
    frames = [f"/dicom-web/studies/{study}/series/{of_study}/instances/{uid}/frames/1" for uid in files]
    asked = {FRAMES: (frames, ACCEPT), QUERIES: (["/dicom-web/studies?PatientID=GATE&limit=50"], DICOM_JSON)}
    with serving(lab.folder / "free", open_center=True) as free, serving(lab.folder / "gated", open_center=False) as gated:
        account(gated.home, LOGIN, "CENTER")
        with sign_in(gated.url, LOGIN) as session:
            for center, door in ((free, None), (gated, session)):
                assert stow(center.dicomweb, files.values(), door).status_code == 200
            for claim, (paths, accept) in asked.items():
                result = Result(claim, {"panorad": []}, "two centers in alternation")
                for repetition in range(lab.repeat):
                    rates: dict[bool, float] = {}
                    for signed_in in (True, False) if repetition % 2 else (False, True):
                        center, sent = (gated, cookie(session)) if signed_in else (free, "")
                        seen = crowd(lab.folder / "wrk", center.url, paths, accept, seconds=lab.size(10, 2), cookie=sent)
                        rates[signed_in] = seen.per_second
                    result.values["panorad"].append(rates[True] / rates[False])
                lab.results.append(result)


def questions(chance: int, studies: int) -> list[str]:
    """What people of a region ask: mostly a patient or an accession, the newest studies, a day, a modality."""
    numbers = [1 + (chance + n) * 7717 % studies for n in range(8)]
    return [
        *(f"/dicom-web/studies?PatientID=FILL-{number}" for number in numbers[:5]),
        *(f"/dicom-web/studies?AccessionNumber=A{number}" for number in numbers[5:]),
        "/dicom-web/studies?limit=50",
        f"/dicom-web/studies?StudyDate={2016 + chance % 9}0{1 + chance % 9}15&limit=50",
        "/dicom-web/studies?ModalitiesInStudy=MR&limit=50",
    ]


def region(lab: Lab) -> None:
    """Readers of several hospitals ask, one after the other."""
    studies, institutions, grants = lab.size(1_000_000, 2000), lab.size(200, 10), lab.size(100_000, 200)
    with serving(lab.folder / "region", open_center=False) as center:
        fill_region(EmbeddedPostgres(center.home / "postgres").dsn, studies, institutions, grants)
        readers = {}
        for n in range(4):
            code = f"I{1 + n * institutions // 4:03}"
            account(center.home, f"reader{n}", code)
            readers[n] = sign_in(center.url, f"reader{n}")
        result = Result(REGION, {"panorad": []}, f"{studies:,} studies, {institutions} institutions, {grants:,} grants")
        for repetition in range(lab.repeat):
            seen: list[Crowd] = []
            for n, session in readers.items():
                paths = [path for k in range(20) for path in questions(1 + k * 31 + n * 7 + repetition, studies)]
                sent, seconds = cookie(session), lab.size(8, 2)
                seen.append(crowd(lab.folder / "wrk", center.url, paths, DICOM_JSON, connections=1, seconds=seconds, cookie=sent))
            result.values["panorad"].append(statistics.mean(one.p95 for one in seen))
        for session in readers.values():
            session.close()
        lab.results.append(result)


def run(lab: Lab) -> None:
    price(lab)
    region(lab)
