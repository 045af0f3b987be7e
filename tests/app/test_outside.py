"""Nobody outside sees it: every address of the center answers a person of another institution as if the study did not exist.

Each address is asked before and after another institution received a study, with its very UIDs, and the two answers must be the same, down
to counts and the words of errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route
from starlette.testclient import TestClient

from panorad.access import gate
from panorad.app.web import build, front
from panorad.data.imaging.intake import Refused
from panorad.management.sharing import Grantee, Patient, Scope, give, record_consent
from panorad.model.actor import SYSTEM
from panorad.testing import Site
from tests.data.imaging.arrivals import instance

PASSWORD = "a password of the tests"
STUDY, SERIES, SOP = "2.25.1", "2.25.1.1", "2.25.1.1.1"
GIVEN = {
    "study": STUDY, "series": SERIES, "instance": SOP, "sop": SOP, "frames": "1", "id": "1", "path": "00100010", "number": "1",
    "grant": "1", "consent": "1", "event": "1", "code": "COUNTY", "login": "reader-county", "version": "x", "name": "shell.css",
    "ae": "COUNTY_CT",
}  # fmt: skip
ASKED = (
    f"/dicom-web/studies?StudyInstanceUID={STUDY}",
    "/dicom-web/studies?PatientID=P1&includefield=all",
    "/dicom-web/studies?PatientName=zhang*",
    "/dicom-web/studies?PatientName=zhang&fuzzymatching=true",
    "/dicom-web/studies?limit=1",
    "/dicom-web/studies?limit=1&offset=1",
    f"/dicom-web/series?SeriesInstanceUID={SERIES}",
    f"/dicom-web/instances?SOPInstanceUID={SOP}&includefield=all",
    "/dicom-web/patients?PatientID=P1",
    f"/wado?requestType=WADO&studyUID={STUDY}&seriesUID={SERIES}&objectUID={SOP}",
    f"/dicom-web?requestType=WADO&studyUID={STUDY}&seriesUID={SERIES}&objectUID={SOP}&contentType=application/dicom",
    "/?q=P1",
    "/?q=zhang",
    f"/?q={SOP}",
    "/studies.json?institution=COUNTY",
    "/intake.json?show=conflicts",
    "/intake.json?q=garbage",
)
SPOKEN = ("text/html", "application/json", "application/dicom+json", 'multipart/related; type="application/dicom"')
CHANGING = re.compile(
    r'[0-9a-f]{12}|boundary=\S+|content="\S+"|form_token" value="\w+"|\d{4}-\d\d-\d\d[T ][\d:.+Z]+|panorad_up_since_seconds \d+'
)
OWN = ("/static/", "/viewer", "/sign-out", "/account/")
"""Addresses that tell of no patient: files, and what is the visitor's own."""


def addresses(routes: object) -> Iterator[str]:
    """Every GET address of an application, its parameters filled in."""
    for route in routes:  # type: ignore[attr-defined]
        if isinstance(route, (Route, APIRoute)):
            if "GET" in (route.methods or ()):
                yield re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: GIVEN[found[1]], route.path)
        else:
            yield from addresses(getattr(route, "routes", ()) or getattr(getattr(route, "original_router", None), "routes", ()))


def client_of(site: Site, login: str) -> TestClient:
    client = TestClient(front(build(site.center)), base_url="http://localhost", follow_redirects=False)
    page = client.get("/sign-in").text
    token = page.split('name="form_token" value="')[1].split('"')[0]
    answer = client.post("/sign-in", data={"login": login, "password": PASSWORD, "form_token": token})
    assert answer.status_code == 303, answer.text
    return client


def told(client: TestClient, address: str) -> list[tuple[int, str, str]]:
    """What an address says, in every form it speaks, without what changes with each answer."""
    said = []
    for accept in SPOKEN:
        answer = client.get(address, headers={"accept": accept})
        counts = " ".join(answer.headers.get(name, "") for name in ("x-total-count", "warning", "content-type"))
        said.append((answer.status_code, CHANGING.sub("", counts), CHANGING.sub("", answer.text)))
    return said


def test_who_has_no_role_that_stores_may_not_store(center: Site) -> None:
    with center.center.begin(SYSTEM) as tx:
        for login, role in (("nurse", "nurse"), ("tech", "technologist")):
            gate.add_account(tx, login, "", PASSWORD, "CENTER", [role])
    body = b"\r\n--XX\r\nContent-Type: application/dicom\r\n\r\n" + instance(1, 1, 1) + b"\r\n--XX--\r\n"
    kind = {"content-type": 'multipart/related; type="application/dicom"; boundary=XX', "sec-fetch-site": "same-origin"}
    assert client_of(center, "nurse").post("/dicom-web/studies", content=body, headers=kind).status_code == 403
    assert center.find().total == 0
    assert client_of(center, "tech").post("/dicom-web/studies", content=body, headers=kind).status_code == 200


def fill(site: Site) -> None:
    county = site.reader("COUNTY")
    site.put([instance(1, 1, 1, PatientName="Zhang^San"), instance(1, 1, 1, PatientComments="other")], county)
    with pytest.raises(Refused):
        site.put([b"garbage" * 99], county)
    with site.center.begin(county) as tx:
        give(tx, Scope("study", "COUNTY", study=STUDY), Grantee("institution", "CITY"), ["treatment"])
        record_consent(tx, Patient("COUNTY", "COUNTY", "P1"), "refuse", ["research"])


OUTSIDERS = (["radiologist", "clinician"], ["system-administrator"], ["patient"])


@pytest.mark.parametrize("roles", OUTSIDERS, ids=str)
def test_every_address_answers_somebody_else_as_if_it_did_not_exist(center: Site, roles: list[str]) -> None:
    for code in ("COUNTY", "CITY", "TOWN"):
        with center.center.begin(SYSTEM) as tx:
            gate.add_institution(tx, code, code.title())
            gate.add_account(tx, f"reader-{code.lower()}", "", PASSWORD, code, ["radiologist", "department-head"])
    with center.center.begin(SYSTEM) as tx:
        gate.add_account(tx, "outsider", "", PASSWORD, "TOWN", roles)
    client = client_of(center, "outsider")
    every = [path for path in dict.fromkeys((*addresses(build(center.center).routes), *ASKED)) if not path.startswith(OWN)]
    assert len(every) > 40, every
    before = {address: told(client, address) for address in every}
    fill(center)
    center.settle()
    after = {address: told(client, address) for address in every}
    events = re.compile(r"^/(api/events|audit|fhir)")  # where the visitor's own questions stand
    runs = {"/metrics"} if "system-administrator" in roles else set()  # counts of the whole archive, for who runs it
    differing = [address for address in every if before[address] != after[address] and not events.match(address) and address not in runs]
    assert differing == [], [(before[a], after[a]) for a in differing[:2]]
    for address in every:
        said = "".join(text for _, _, text in after[address]).replace(address, "")
        assert "Zhang" not in said, address
    client = client_of(center, "reader-county")  # who belongs there sees it, or this test would prove nothing
    shown = [address for address in every if told(client, address) != before[address]]
    assert len(shown) > 25, shown
