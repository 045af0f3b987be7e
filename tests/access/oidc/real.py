"""A real OpenID provider (npm `oidc-provider`), and a browser that signs in at it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey
from starlette.testclient import TestClient

from panorad.testing.center import free_port
from tests.access.programs.visits import ADDRESS
from tools.fetch_provider import SOURCE, is_ready, node

FOLDER = Path(__file__).resolve().parents[3] / ".provider"
CLIENT = {"client_id": "panorad", "client_secret": "a secret of at least thirty-two letters"}
ACCOUNTS = {
    "wang": {"name": "王磊", "preferred_username": "wang.lei", "groups": ["readers", "other"], "institution": "COUNTY"},
    "li": {"name": "Li Na", "preferred_username": "li", "groups": ["clinic"], "institution": "TOWN"},
    "guest": {"name": "Guest", "preferred_username": "guest", "groups": [], "institution": "COUNTY"},
    "chief": {"name": "Chief", "preferred_username": "chief", "groups": ["admins", "auditors"], "institution": "COUNTY"},
}
ROLES = ("readers=COUNTY:radiologist", "clinic=*:clinician", "admins=COUNTY:system-administrator", "auditors=COUNTY:audit-administrator")


@contextmanager
def provider(folder: Path, port: int = 0, backchannel: str = f"{ADDRESS}/sign-in/provider/logout") -> Iterator[str]:
    """The issuer of a provider that runs for the length of the block, with a key of its own."""
    if not is_ready(FOLDER):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("the OpenID provider is not here: tools/fetch_provider.py")
    port = port or free_port()
    configuration: dict[str, Any] = {
        **CLIENT,
        "port": port,
        "redirect_uri": f"{ADDRESS}/sign-in/provider/back",
        "logout_uri": f"{ADDRESS}/sign-in",
        "backchannel_uri": backchannel,
        "accounts": ACCOUNTS,
        "keys": {"keys": [ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True).as_dict(private=True)]},
    }
    given = folder / f"provider-{port}.json"
    given.write_text(json.dumps(configuration))
    program = FOLDER / "provider.js"
    program.write_bytes((SOURCE / "provider.js").read_bytes())
    with (folder / "provider.log").open("ab") as log:
        process = subprocess.Popen(
            [str(node(FOLDER)), str(program), str(given)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout
    assert process.stdin
    try:
        line = process.stdout.readline()
        assert line.startswith("listening"), (folder / "provider.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        process.stdout.close()


def back_from(start: str, login: str, browser: httpx.Client) -> str:
    """Sign in at the provider as a person with a browser; the address back at the center."""
    at = start
    for _ in range(10):
        answer = browser.get(at)
        if form := re.search(r'<form method="post" action="([^"]+)">', answer.text):
            answer = browser.post(str(answer.url.join(form[1])), data={"login": login})
        assert answer.is_redirect, answer.text
        at = str(answer.url.join(answer.headers["location"]))
        if at.startswith(ADDRESS):
            return at
    raise AssertionError("no way back")


def sign_in(client: TestClient, login: str, browser: httpx.Client | None = None, path: str = "/sign-in/provider?next=/studies.json") -> Any:
    """The whole way to the provider and back: the center's answer to the return."""
    start = client.get(path)
    assert start.status_code == 303, start.text
    with browser or httpx.Client() as one:
        return client.get(back_from(start.headers["location"], login, one))
