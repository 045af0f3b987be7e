"""The client credentials grant (RFC 6749 section 4.4), assertions (RFC 7523), revocation (7009), introspection (7662), metadata (8414)."""

from __future__ import annotations

import json
import time
from base64 import b64encode, urlsafe_b64encode
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from starlette.testclient import TestClient

from panorad.access import programs
from panorad.access.gate import jose
from panorad.access.gate.scopes import ScopeUnknown
from panorad.access.programs.clients import ASSERTION_TYPE, ClientAbsent
from panorad.access.web.oauth import Failures
from panorad.model.actor import SYSTEM
from panorad.testing import Site
from tests.access.programs.visits import ADDRESS, owner_sql, program, told
from tests.data.imaging.arrivals import instance

KEYS = {"ES384": ECKey.generate_key("P-384", {"kid": "e"}), "RS384": RSAKey.generate_key(2048, {"kid": "r"})}
URL = f"{ADDRESS}/oauth/token"


def client_of(site: Site, name: str = "robot", *scopes: str, keys: Any = None) -> str:
    with site.center.begin(SYSTEM) as tx:
        return programs.add_client(tx, name, "CENTER", scopes or ("studies.read", "events.read"), keys)


@pytest.fixture
def secret(center: Site) -> str:
    return client_of(center)


@pytest.fixture
def web(center: Site) -> TestClient:
    return program(center)


def signer(site: Site, algorithm: str = "ES384") -> None:
    client_of(site, "signer", keys={"keys": [KEYS[algorithm].as_dict(private=False)]})


def basic(name: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(f"{name}:{secret}".encode()).decode()}


def ask(web: TestClient, headers: dict[str, str] | None = None, **fields: str) -> Response:
    return web.post("/oauth/token", data={"grant_type": "client_credentials", **fields}, headers=headers or {})


def claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    told = {"iss": "signer", "sub": "signer", "aud": URL, "exp": now + 200, "iat": now, "jti": uuid4().hex, **more}
    return {name: value for name, value in told.items() if value is not None}


def signed(algorithm: str = "ES384", key: Any = None, header: dict[str, Any] | None = None, **more: Any) -> str:
    key = key or KEYS[algorithm]
    return jwt.encode({"alg": algorithm, "kid": key.kid, **(header or {})}, claims(**more), key, [algorithm])


def by_assertion(web: TestClient, assertion: str, **more: str) -> Response:
    return ask(web, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion, **more)


def test_a_secret_gives_an_access_token_that_reads(center: Site, web: TestClient, secret: str) -> None:
    center.put([instance(1, 1, 1)])
    answer = ask(web, basic("robot", secret), scope="studies.read")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 600, "studies.read")
    reader = program(center, body["access_token"])
    assert reader.get("/dicom-web/studies").json()
    assert reader.get("/api/events").status_code == 403
    again = ask(web, client_id="robot", client_secret=secret).json()
    assert again["scope"] == "events.read studies.read"
    kinds = [kind for kind, _, _ in told(center, "client.", "token.")]
    assert kinds == ["client.added", "client.used", "token.issued", "token.refused", "token.issued"]


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_an_assertion_gives_an_access_token_once(center: Site, web: TestClient, algorithm: str) -> None:
    signer(center, algorithm)
    assertion = signed(algorithm)
    assert by_assertion(web, assertion).status_code == 200
    assert by_assertion(web, assertion).json()["error"] == "invalid_client"
    assert by_assertion(program(center), assertion).status_code == 401, "on another process as well"
    assert told(center, "client.refused")[0][2]["reason"] == "it was used before"


def test_an_assertion_is_used_up_also_by_a_request_that_is_refused(center: Site, web: TestClient) -> None:
    signer(center)
    assertion = signed()
    assert by_assertion(web, assertion, scope="studies.write").json()["error"] == "invalid_scope"
    assert by_assertion(web, assertion).status_code == 401


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"aud": "https://elsewhere.example/oauth/token"}, "another server"),
        ({"aud": None}, "another server"),
        ({"exp": int(time.time()) - 3600}, "expired"),
        ({"exp": int(time.time()) + 86400}, "five minutes"),
        ({"exp": None}, "exp"),
        ({"exp": "soon"}, "exp"),
        ({"jti": None}, "jti"),
        ({"jti": "x" * 300}, "jti"),
        ({"iss": "other"}, "not the client"),
        ({"sub": "robot"}, "no such client signs"),
        ({"nbf": int(time.time()) + 3600}, "not yet"),
    ],
)
def test_claims_that_are_refused(center: Site, web: TestClient, secret: str, more: dict[str, Any], reason: str) -> None:
    signer(center)
    answer = by_assertion(web, signed(**more))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert reason in str(told(center, "client.refused"))


def forged(kind: str) -> str:
    def part(value: dict[str, Any]) -> str:
        return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    if kind == "none":
        return f"{part({'alg': 'none', 'kid': 'e'})}.{part(claims())}."
    if kind == "hmac with the public key":
        public = KEYS["ES384"].as_pem(private=False)
        return jwt.encode({"alg": "HS256", "kid": "e"}, claims(), OctKey.import_key(public.replace(b"-----", b"")), ["HS256"])
    if kind == "another key":
        return signed(key=ECKey.generate_key("P-384", {"kid": "e"}))
    if kind == "unknown key":
        return signed(key=ECKey.generate_key("P-384", {"kid": "z"}))
    if kind == "weaker algorithm":
        return signed("ES256", ECKey.generate_key("P-256", {"kid": "e"}))
    if kind == "extension":
        header, payload, signature = signed().split(".")
        return ".".join((part({"alg": "ES384", "kid": "e", "crit": ["b64"], "b64": False}), payload, signature))
    header, payload, signature = signed().split(".")
    return f"{header}.{part(claims(sub='signer', iat=1))}.{signature}"


@pytest.mark.parametrize(
    "kind", ["none", "hmac with the public key", "another key", "unknown key", "weaker algorithm", "extension", "other claims"]
)
def test_signatures_that_are_refused(center: Site, web: TestClient, kind: str) -> None:
    signer(center)
    assert by_assertion(web, forged(kind)).status_code == 401
    assert told(center, "client.refused")[0][1] == "refused"
    assert by_assertion(web, signed()).status_code == 200


@given(st.one_of(st.text(max_size=200), st.from_regex(r"[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}", fullmatch=True)))
def test_any_text_is_refused_as_a_token(text: str) -> None:
    with pytest.raises(jose.SignatureRefused):
        jose.claims_of(text, {"keys": [KEYS["ES384"].as_dict(private=False)]}, ("ES384",))


@pytest.mark.parametrize(
    ("headers", "fields", "status", "error"),
    [
        ({}, {"grant_type": "password"}, 401, "invalid_client"),
        ({}, {"client_id": "robot", "client_secret": "wrong"}, 401, "invalid_client"),
        ({}, {"client_id": "nobody", "client_secret": ""}, 401, "invalid_client"),
        ({}, {}, 401, "invalid_client"),
        (basic("robot", "wrong"), {}, 401, "invalid_client"),
        ({"authorization": "Basic !"}, {}, 401, "invalid_client"),
        ({"authorization": "Bearer x"}, {}, 401, "invalid_client"),
        (basic("robot", "x"), {"client_secret": "x"}, 400, "invalid_request"),
        ({}, {"client_assertion": "x"}, 400, "invalid_request"),
    ],
)
def test_errors_are_those_of_the_standard(
    web: TestClient, secret: str, headers: dict[str, str], fields: dict[str, str], status: int, error: str
) -> None:
    answer = ask(web, headers, **fields)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert ("www-authenticate" in answer.headers) == (status == 401 and "authorization" in headers)


def test_what_a_proved_client_may_not_ask(web: TestClient, secret: str) -> None:
    for fields, error in (
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "invalid_request"),
        ({"scope": "studies.write"}, "invalid_scope"),
        ({"scope": "everything"}, "invalid_scope"),
    ):
        answer = ask(web, basic("robot", secret), **fields)
        assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert web.post("/oauth/token", json={"grant_type": "client_credentials"}).json()["error"] == "invalid_request"
    assert web.get("/oauth/token").status_code == 405


def test_failures_are_slowed_down_and_others_are_not(web: TestClient, secret: str) -> None:
    for _ in range(10):
        assert ask(web, client_id="robot", client_secret="guess").status_code == 401
    slowed = ask(web, client_id="robot", client_secret="guess")
    assert slowed.status_code == 429
    assert 0 < int(slowed.headers["retry-after"]) <= 61
    assert ask(web, client_id="other", client_secret="guess").status_code == 401


def test_failures_are_forgotten_after_a_minute() -> None:
    now = [0.0]
    failures = Failures(lambda: now[0])
    for _ in range(10):
        failures.failed(("1", "a"))
        now[0] += 1
    assert failures.wait(("1", "a")) == 51
    now[0] = 60.5
    assert failures.wait(("1", "a")) == 0


def test_a_client_looks_at_and_ends_its_own_tokens_alone(center: Site, web: TestClient, secret: str) -> None:
    other = client_of(center, "other")
    word = ask(web, basic("robot", secret)).json()["access_token"]

    def introspect(name: str, key: str, token: str = word) -> dict[str, Any]:
        answer = web.post("/oauth/introspect", data={"token": token}, headers=basic(name, key))
        assert answer.status_code == 200
        return dict(answer.json())

    seen = introspect("robot", secret)
    assert (seen["active"], seen["client_id"], seen["scope"], seen["exp"] - seen["iat"]) == (True, "robot", "events.read studies.read", 600)
    assert introspect("other", other) == {"active": False}
    assert introspect("robot", secret, "pnra_nothing") == {"active": False}
    assert web.post("/oauth/revoke", data={"token": word}, headers=basic("other", other)).status_code == 200
    assert introspect("robot", secret)["active"]
    assert web.post("/oauth/revoke", data={"token": word}, headers=basic("robot", secret)).status_code == 200
    assert introspect("robot", secret) == {"active": False}
    assert program(center, word).get("/dicom-web/studies").status_code == 401
    assert web.post("/oauth/revoke", data={}, headers=basic("robot", secret)).json()["error"] == "invalid_request"
    assert web.post("/oauth/introspect", data={"token": word}).status_code == 401


def test_an_access_token_ends_by_itself_and_with_its_client(center: Site, web: TestClient, secret: str) -> None:
    first, second = (ask(web, basic("robot", secret)).json()["access_token"] for _ in range(2))
    owner_sql(center, "update token set expires_at = now() where id = (select min(id) from token)")
    assert program(center, first).get("/dicom-web/studies").status_code == 401
    assert program(center, second).get("/dicom-web/studies").status_code < 300
    with center.center.begin(SYSTEM) as tx:
        programs.revoke_client(tx, "robot")
    assert program(center, second).get("/dicom-web/studies").status_code == 401
    assert ask(web, basic("robot", secret)).status_code == 401
    with pytest.raises(ClientAbsent), center.center.begin(SYSTEM) as tx:
        programs.revoke_client(tx, "robot")
    with pytest.raises(programs.ClientExists):
        client_of(center)


def test_secrets_are_kept_only_as_hashes(center: Site, web: TestClient, secret: str) -> None:
    word = ask(web, basic("robot", secret)).json()["access_token"]
    with center.center.owner() as begin, begin(SYSTEM) as tx:
        everything = str([list(tx.connection.execute(f"select * from {table}")) for table in ("client", "token", "event")])
    assert secret not in everything
    assert word not in everything


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"keys": []},
        [],
        {"kty": "oct", "k": "c2VjcmV0"},
        ECKey.generate_key("P-384").as_dict(private=True),
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
    ],
)
def test_keys_that_are_refused(center: Site, keys: Any) -> None:
    with pytest.raises(jose.KeysInvalid):
        client_of(center, keys=keys)


def test_clients_that_are_refused(center: Site) -> None:
    for name in ("Robot", "r", "a b", "", "x" * 65):
        with pytest.raises(programs.ClientInvalid):
            client_of(center, name)
    with pytest.raises(ScopeUnknown):
        client_of(center, "robot", "nothing")


def test_the_documents_name_what_is_there(web: TestClient) -> None:
    for path in ("/.well-known/oauth-authorization-server", "/.well-known/smart-configuration"):
        told_here = web.get(path, headers={"host": "evil.example"}).json()
        assert told_here["issuer"] == ADDRESS, "the request's own word for it is not taken"
        for name in ("token", "revocation", "introspection"):
            place = told_here[f"{name}_endpoint"].removeprefix(ADDRESS)
            assert web.post(place).status_code in (400, 401)
        assert told_here["token_endpoint_auth_signing_alg_values_supported"] == ["ES384", "RS384"]
    assert "permission-v2" in told_here["capabilities"]
