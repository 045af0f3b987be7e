"""Programs at a running center that asks for sign-in: dicomweb-client with a token, a service with a key pair, over the wire."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from joserfc import jwt
from joserfc.jwk import ECKey
from pydicom import dcmread
from pydicom.data import get_testdata_file

from panorad.testing.center import Served, serving

FILE = Path(str(get_testdata_file("CT_small.dcm")))


def panorad(home: Path, *words: str) -> str:
    command = [sys.executable, "-m", "panorad", *words, "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0] if done.stdout else ""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    home = tmp_path_factory.mktemp("programs") / "home"
    with serving(home, open_center=False) as running:
        panorad(home, "institution", "add", "TOWN")
        yield running, home


def client(url: str, word: str) -> DICOMwebClient:
    session = requests.Session()
    session.headers["authorization"] = f"Bearer {word}"
    return DICOMwebClient(f"{url}/dicom-web", session=session)


def test_dicomweb_client_stores_finds_and_reads_with_a_token_until_it_is_revoked(served: tuple[Served, Path]) -> None:
    running, home = served
    word = panorad(home, "token", "add", "export", "--scope", "studies.read", "--scope", "studies.write", "--expires", "1h")
    other = panorad(home, "token", "add", "town", "--institution", "TOWN", "--scope", "studies.read")
    ours, theirs = client(running.url, word), client(running.url, other)
    ds = dcmread(FILE)
    ours.store_instances([ds])
    [found] = ours.search_for_studies(search_filters={"PatientID": ds.PatientID})
    assert found["0020000D"]["Value"] == [ds.StudyInstanceUID]
    [back] = ours.retrieve_series(ds.StudyInstanceUID, ds.SeriesInstanceUID)
    assert back.PixelData == ds.PixelData
    assert theirs.search_for_studies() == []
    with pytest.raises(requests.HTTPError, match="404"):
        theirs.retrieve_study_metadata(ds.StudyInstanceUID)
    panorad(home, "token", "revoke", word[:13])
    time.sleep(1.0)
    for _ in range(12):  # whichever of the processes answers
        assert requests.get(f"{running.url}/dicom-web/studies", headers={"authorization": f"Bearer {word}"}, timeout=30).status_code == 401


def test_a_service_signs_and_an_assertion_serves_once_on_all_processes(served: tuple[Served, Path], tmp_path: Path) -> None:
    running, home = served
    key = ECKey.generate_key("P-384", auto_kid=True)
    (tmp_path / "public.json").write_text(json.dumps(key.as_dict(private=False)))
    said = panorad(home, "client", "add", "robot", "--scope", "events.read", "--key", str(tmp_path / "public.json"))
    assert said == "added robot, which signs"
    with httpx.Client(base_url=running.url) as web:
        described = web.get("/.well-known/smart-configuration").json()
        assert described["token_endpoint"] == f"{running.url}/oauth/token"
        now = int(time.time())
        told = {"iss": "robot", "sub": "robot", "aud": described["token_endpoint"], "exp": now + 60, "jti": uuid4().hex}
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jwt.encode({"alg": "ES384", "kid": key.kid}, told, key, ["ES384"]),
        }
        answers = [httpx.post(described["token_endpoint"], data=form) for _ in range(9)]
        assert sorted(one.status_code for one in answers) == [200] + [401] * 8
        word = next(one.json()["access_token"] for one in answers if one.status_code == 200)
        kinds = {one["kind"] for one in web.get("/api/events", headers={"authorization": f"Bearer {word}"}).json()["events"]}
        assert {"client.added", "client.used", "token.issued"} <= kinds
        assert web.get("/api/events").status_code == 401


def test_an_open_center_refuses_a_wrong_token_all_the_same(tmp_path: Path) -> None:
    with serving(tmp_path / "home") as running:
        assert httpx.get(f"{running.url}/dicom-web/studies").status_code in (200, 204)
        assert httpx.get(f"{running.url}/dicom-web/studies", headers={"authorization": "Bearer pnrd_x"}).status_code == 401
