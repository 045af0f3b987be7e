"""People of a real center at its pages."""

from __future__ import annotations

import re
from collections.abc import Mapping

from httpx import Response
from starlette.testclient import TestClient

from panorad.access import gate
from panorad.app.web import build
from panorad.model.actor import SYSTEM
from panorad.testing import Site

PASSWORD = "a password of the tests"


class Person:
    """Somebody signed in with a browser, at a center of its own process."""

    def __init__(self, site: Site, login: str, code: str = "CENTER", *roles: str) -> None:
        with site.center.begin(SYSTEM) as tx:
            if not any(one.code == code for one in gate.institutions(tx)):
                gate.add_institution(tx, code, f"{code.title()} hospital", "", parent="CENTER")
            gate.add_account(tx, login, login.title(), PASSWORD, code, roles)
        self.site, self.login = site, login
        headers = {"accept": "text/html"}
        self.client = TestClient(build(site.center), headers=headers, follow_redirects=False, raise_server_exceptions=False)
        assert self.send("/sign-in", {"login": login, "password": PASSWORD}).status_code == 303

    def get(self, path: str) -> Response:
        return self.client.get(path)

    def read(self, path: str) -> str:
        """The text of a page that is there."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def json(self, path: str) -> dict[str, object]:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def send(self, path: str, fields: Mapping[str, str], page: str = "") -> Response:
        """Fill in a form of a page (the same path unless named) and send it; a token of any page will do."""
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', self.client.get(page or path).text)
        assert token, f"{page or path} has no form"
        return self.client.post(path, data={"form_token": token[1], **fields})

    def events(self, kind: str) -> list[object]:
        """What the center recorded of this person."""
        return [one for one in self.site.events(kind=kind) if one.actor == self.login]
