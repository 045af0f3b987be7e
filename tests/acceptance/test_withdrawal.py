"""A grant opens a study to another institution at every door, and its end closes all of them within a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from panorad.access import gate
from panorad.cli.console import center_of
from panorad.management.sharing import Grantee, Patient, Scope, give, record_consent, revoke
from panorad.model.actor import SYSTEM
from panorad.model.query import Level, Query
from panorad.testing.center import Databases, Served, serving
from tests.acceptance.images import ct_series

PASSWORD = "nine lamps over water"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"


def sign_in(url: str, login: str) -> httpx.Client:
    client = httpx.Client(base_url=url, follow_redirects=False, timeout=20)
    page = client.get("/sign-in").text
    token = page.split('name="form_token" value="')[1].split('"')[0]
    answer = client.post("/sign-in", data={"login": login, "password": PASSWORD, "form_token": token})
    assert answer.status_code == 303, answer.text[:500]
    return client


class Asking:
    """An association that stays open, as a workstation's does."""

    def __init__(self, port: int) -> None:
        ae = AE("WORKSTATION")
        ae.add_requested_context(STUDY_ROOT_FIND)
        self.association = ae.associate("127.0.0.1", port, ae_title="PANORAD")
        assert self.association.is_established

    def finds(self, study: str) -> bool:
        keys = Dataset()
        keys.QueryRetrieveLevel, keys.StudyInstanceUID = "STUDY", study
        return any(status.Status in (0xFF00, 0xFF01) for status, _ in self.association.send_c_find(keys, STUDY_ROOT_FIND))


def within(seconds: float, holds: Callable[[], bool]) -> float:
    """How long it took until it held."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > seconds:
            pytest.fail(f"did not hold within {seconds} s")
        time.sleep(0.02)
    return time.monotonic() - begun


def doors(client: httpx.Client, asking: Asking, study: str, series: str, sop: str) -> dict[str, bool]:
    """At which doors a study can be seen."""
    web = f"/dicom-web/studies/{study}"
    answers = {
        "QIDO studies": client.get("/dicom-web/studies", params={"limit": 500}).text.count(study) > 0,
        "QIDO by UID": client.get("/dicom-web/studies", params={"StudyInstanceUID": study}).text.count(study) > 0,
        "QIDO series": client.get(f"{web}/series").text.count(series) > 0,
        "QIDO instances": client.get("/dicom-web/instances", params={"SOPInstanceUID": sop}).text.count(sop) > 0,
        "WADO study": client.get(web).status_code == 200,
        "metadata": client.get(f"{web}/series/{series}/metadata").status_code == 200,
        "frame": client.get(f"{web}/series/{series}/instances/{sop}/frames/1").status_code == 200,
        "rendered": client.get(f"{web}/series/{series}/instances/{sop}/rendered").status_code == 200,
        "WADO-URI": client.get(
            "/wado", params={"requestType": "WADO", "studyUID": study, "seriesUID": series, "objectUID": sop}
        ).status_code
        == 200,
        "list": study in client.get("/", headers={"accept": "text/html"}).text,
        "page": client.get(f"/studies/{study}", headers={"accept": "text/html"}).status_code == 200,
        "C-FIND": asking.finds(study),
    }
    return answers


def test_a_grant_opens_every_door_and_its_end_closes_them_within_a_second(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with databases.fresh() as dsn, serving(tmp_path / "home", dsn=dsn, open_center=False) as served:
        monkeypatch.setenv("PANORAD_DATABASE", dsn)
        check(served, tmp_path / "home")


def check(served: Served, home: Path) -> None:
    files = [raw for _, raw in ct_series(3, patient="P1", size=64)]
    with ExitStack() as stack, center_of(home) as center:
        with center.begin(SYSTEM) as tx:
            for code in ("HOLDER", "READER"):
                gate.add_institution(tx, code, code.title())
            gate.add_account(tx, "holder", "", PASSWORD, "HOLDER", ["radiologist", "department-head"])
            gate.add_account(tx, "reader", "", PASSWORD, "READER", ["radiologist"])
            gate.add_node(tx, "WORKSTATION", "READER")
            holder = gate.account_actor(tx, "holder")
        with center.intakes.open(holder, "test") as intake:
            for raw in files:
                incoming = intake.begin_part10()
                incoming.write(raw)
                incoming.finish(sync=False)
            intake.flush()
        with center.begin(holder) as tx:
            [row] = center.archive.find(tx, Query(Level.STUDY)).rows
            [stored, *_] = center.archive.stored(tx, row["0020000D"]["Value"][0])
        header = stored.header
        uids = header.study_uid, header.series_uid, header.sop_uid
        client, asking = sign_in(served.url, "reader"), Asking(served.dimse)
        stack.callback(client.close)
        stack.callback(asking.association.release)

        def shut() -> bool:
            return not any(doors(client, asking, *uids).values())

        assert shut(), doors(client, asking, *uids)
        with center.begin(holder) as tx:
            number = give(tx, Scope("study", "HOLDER", study=uids[0]), Grantee("institution", "READER"), ["treatment"])
        within(2, lambda: all(doors(client, asking, *uids).values()))
        with center.begin(holder) as tx:
            revoke(tx, number)
        time.sleep(1)
        assert shut(), doors(client, asking, *uids)
        with center.begin(holder) as tx:
            give(tx, Scope("patient", "HOLDER", header.issuer or holder.issuer, "P1"), Grantee("institution", "READER"), ["treatment"])
        within(2, lambda: all(doors(client, asking, *uids).values()))
        with center.begin(holder) as tx:
            record_consent(tx, Patient("HOLDER", header.issuer or holder.issuer, "P1"), "refuse", ["treatment"])
        time.sleep(1)
        assert shut(), doors(client, asking, *uids)

