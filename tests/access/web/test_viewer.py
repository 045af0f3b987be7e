"""The viewer: served to who is signed in, configured for them, isolated by its own policy."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from panorad.application.viewer.config import app_config
from tests.access.web.twins import region
from tests.access.web.visits import signed_in, visit

INLINE = 'window.PUBLIC_URL="/viewer/"'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(f"<!doctype html><script>{INLINE}</script><script defer src=/viewer/app.js></script>")
    (tmp_path / "app.bundle.0f6159c501addfe9.js").write_text("let viewer")
    (tmp_path / "app.bundle.0f6159c501addfe9.js.gz").write_bytes(gzip.compress(b"let viewer"))
    (tmp_path / "0ddf166f7a343eda.wasm").write_bytes(b"\0asm")
    (tmp_path / "secret.env").write_text("not part of the viewer")
    return tmp_path


@pytest.fixture
def viewer(folder: Path) -> TestClient:
    return signed_in(region(viewer_folder=folder))


def test_only_who_is_signed_in_gets_any_of_it(folder: Path) -> None:
    client = visit(region(viewer_folder=folder))
    for path in ("/viewer/viewer?StudyInstanceUIDs=1.2", "/viewer/app-config.js", "/viewer/0ddf166f7a343eda.wasm"):
        assert client.get(path).status_code == 303


def test_paths_of_its_router_get_the_page_isolated(viewer: TestClient) -> None:
    answer = viewer.get("/viewer/viewer?StudyInstanceUIDs=1.2")
    assert INLINE in answer.text
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
    digest = base64.b64encode(hashlib.sha256(INLINE.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert f"'sha256-{digest}'" in policy
    assert "'unsafe-inline'" not in re.search(r"script-src[^;]*", policy)[0]  # type: ignore[index]
    assert answer.headers["cache-control"] == "private, no-cache"


def test_files_come_packed_and_are_kept_when_their_name_tells_their_content(viewer: TestClient) -> None:
    answer = viewer.get("/viewer/app.bundle.0f6159c501addfe9.js")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text == "let viewer"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert viewer.get("/viewer/0ddf166f7a343eda.wasm").headers["content-type"] == "application/wasm"


@pytest.mark.parametrize("path", ["missing.js", "secret.env", "../secret.env", "%2e%2e/%2e%2e/etc/passwd.txt", "assets/x.png"])
def test_nothing_else_of_the_disk_is_served(viewer: TestClient, path: str) -> None:
    assert viewer.get(f"/viewer/{path}").status_code in (307, 404)


def test_there_is_no_service_worker(viewer: TestClient) -> None:
    for name in ("sw.js", "init-service-worker.js"):
        assert viewer.get(f"/viewer/{name}").content == b""


def test_the_way_in_without_a_study_is_the_list(viewer: TestClient) -> None:
    assert viewer.get("/viewer").headers["location"] == "/"
    assert viewer.get("/viewer/").headers["location"] == "/"


def test_the_configuration_is_of_this_site_and_this_language(viewer: TestClient) -> None:
    script = viewer.get("/viewer/app-config.js", headers={"accept-language": "zh"}).text
    assert '"i18nextLng", "zh-CN"' in script
    config = json.loads(re.search(r"window\.config = (\{.*?\n\});", script, re.DOTALL)[1])  # type: ignore[index]
    source = config["dataSources"][0]["configuration"]
    assert {source[key] for key in ("qidoRoot", "wadoRoot", "wadoUriRoot")} == {"/dicom-web"}
    assert source["enableStudyLazyLoad"]
    assert config["routerBasename"] == "/viewer"
    assert config["investigationalUseDialog"] == {"option": "always"}
    assert config["customizationService"]["global"]["ohif.tours"] == {"$set": []}
    assert "token" not in script.lower()


def test_labels_cannot_leave_their_quotes() -> None:
    assert '"\\"</script>"' in app_config("en", '"</script>')


def test_a_viewer_that_is_not_installed_says_how(tmp_path: Path) -> None:
    client = signed_in(region(viewer_folder=tmp_path / "none"))
    answer = client.get("/viewer/viewer?StudyInstanceUIDs=1.2")
    assert answer.status_code == 503
    assert "The viewer is not installed here" in answer.text
