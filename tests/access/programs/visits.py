"""The web application of a real center, asked as a program does."""

from __future__ import annotations

import re
from typing import Any

from starlette.testclient import TestClient

from panorad.access import gate, programs
from panorad.app.web import build, front
from panorad.model.actor import SYSTEM
from panorad.testing import Site

ADDRESS = "http://127.0.0.1:8080"
PASSWORD = "blue heron reads film"


def program(site: Site, word: str = "") -> TestClient:
    """A program with a bearer token, on a process of its own."""
    headers = {"authorization": f"Bearer {word}"} if word else {}
    return TestClient(front(build(site.center)), ADDRESS, headers=headers, follow_redirects=False, raise_server_exceptions=False)


def token(site: Site, *scopes: str, institution: str = "CENTER", days: float = 1) -> str:
    """The word of a new token of a program."""
    with site.center.begin(SYSTEM) as tx:
        return programs.add_token(tx, "test", scopes, days, institution)[1]


def person(site: Site, login: str = "wang", institution: str = "CENTER", role: str = "clinician") -> TestClient:
    """A person with an account and a role, signed in with a browser."""
    with site.center.begin(SYSTEM) as tx:
        gate.add_account(tx, login, login.title(), PASSWORD, institution, (role,))
    client = program(site)
    client.headers["accept"] = "text/html"
    assert send(client, "/sign-in", login=login, password=PASSWORD).status_code == 303
    return client


def send(client: TestClient, path: str, page: str = "", **fields: str) -> Any:
    """Fill in the form of a page and send it."""
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', client.get(page or path).text)
    assert found
    return client.post(path, data={"form_token": found[1], **fields})


def owner_sql(site: Site, statement: str) -> None:
    """Change something behind the center's back."""
    with site.center.owner() as begin, begin(SYSTEM) as tx:
        tx.connection.execute(statement)


def told(site: Site, *prefixes: str) -> list[tuple[str, str, dict[str, object]]]:
    """Kind, outcome and detail of the events of these kinds."""
    return [(one.kind, one.outcome, dict(one.detail)) for one in site.events() if one.kind.startswith(prefixes)]
