"""The provider of the tests is pinned whole: every package with its digest, none with an address."""

import json

from tools import fetch_provider
from tools.fetch_provider import SOURCE, STAMP, digest, fetch, is_ready


def test_every_package_is_pinned_by_its_digest_and_has_no_address():
    lock = json.loads((SOURCE / "package-lock.json").read_bytes())
    wanted = json.loads((SOURCE / "package.json").read_bytes())["dependencies"]
    packages = {name: told for name, told in lock["packages"].items() if name}
    assert packages["node_modules/oidc-provider"]["version"] == wanted["oidc-provider"]
    assert all(told["integrity"].startswith("sha512-") for told in packages.values())
    assert not [name for name, told in packages.items() if "resolved" in told or "hasInstallScript" in told]


def test_a_folder_made_of_something_else_is_not_ready(tmp_path):
    assert not is_ready(tmp_path)
    (tmp_path / STAMP).write_text("other")
    assert not is_ready(tmp_path)
    (tmp_path / STAMP).write_text(digest())
    assert is_ready(tmp_path)
    fetch(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [STAMP], "nothing is fetched twice"


def test_a_failure_leaves_the_old_folder(tmp_path, monkeypatch):
    out = tmp_path / "provider"
    out.mkdir()
    (out / STAMP).write_text("old")

    def fail(command, folder, what):
        raise fetch_provider.ProviderFailed(what)

    monkeypatch.setattr(fetch_provider, "run", fail)
    monkeypatch.setattr("sys.argv", ["fetch_provider", "--out", str(out)])
    assert fetch_provider.main() == 1
    assert (out / STAMP).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["provider"]
