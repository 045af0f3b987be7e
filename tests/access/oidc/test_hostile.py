"""What no real provider sends: each wrong token, address and answer is refused, and the reason is in the event."""

from __future__ import annotations

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from starlette.testclient import TestClient

from panorad.access import gate
from panorad.access.oidc.fetch import ProviderAway, check_address
from panorad.access.oidc.mapping import rules
from panorad.access.oidc.provider import LOGOUT, Registration
from panorad.access.web.session import COOKIE
from panorad.model.actor import SYSTEM
from panorad.testing import Databases, Site
from panorad.testing import center as whole_center
from tests.access.programs.visits import owner_sql, program, send, told

KEY = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
OTHER = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})


class Hostile:
    """A provider whose document, keys and tokens are whatever a test makes of them."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [KEY.as_dict(private=False)]
        self.document: dict[str, Any] = {}
        self.nonce = ""
        self.claims: dict[str, Any] = {}
        self.answer: dict[str, Any] = {}
        self.sign: Callable[[dict[str, Any]], str] = lambda claims: jwt.encode({"alg": "ES256", "kid": "one"}, claims, KEY, ["ES256"])
        self.redirect = ""
        self.asked: list[str] = []
        hostile = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hostile.asked.append(self.path)
                if hostile.redirect and self.path == "/keys":
                    self.send_response(302)
                    self.send_header("location", hostile.redirect)
                    self.end_headers()
                    return
                known = {"/keys": {"keys": hostile.keys}, "/userinfo": {"sub": "other", "groups": ["readers"]}}
                self.say(known.get(self.path, hostile.described()))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.say({"id_token": hostile.sign(hostile.told()), "token_type": "Bearer", "access_token": "access", **hostile.answer})

            def say(self, value: Any) -> None:
                body = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def described(self) -> dict[str, Any]:
        here = self.issuer
        ends = {"authorization_endpoint": f"{here}/go", "token_endpoint": f"{here}/token", "jwks_uri": f"{here}/keys"}
        return {"issuer": here, **ends, **self.document}

    def told(self) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "panorad", "sub": "wang", "exp": now + 60, "iat": now, "nonce": self.nonce}
        claims["groups"] = ["readers"]
        return {name: value for name, value in {**claims, **self.claims}.items() if value is not None}


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    made = Hostile()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()


@pytest.fixture
def site(databases: Databases, tmp_path: Path, hostile: Hostile) -> Iterator[Site]:
    given = {"oidc_issuer": hostile.issuer, "oidc_client_id": "panorad", "oidc_client_secret": "file:secret"}
    roles = ("readers=CENTER:nurse",)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "secret").write_text("s3cret\n")
    with whole_center(databases, tmp_path / "home", **given, oidc_roles=roles) as made:
        yield made


def come_back(site: Site, hostile: Hostile, client: Any = None) -> Any:
    """Begin a sign-in, and come back with a code as the provider would send it."""
    client = client or program(site)
    start = client.get("/sign-in/provider")
    asked = parse_qs(urlsplit(start.headers["location"]).query)
    hostile.nonce = asked["nonce"][0]
    answer = client.get("/sign-in/provider/back", params={"code": "x", "state": asked["state"][0]})
    assert (COOKIE in client.cookies) == (answer.status_code == 303)
    return answer


def reasons(site: Site) -> str:
    return str([detail["reason"] for _, outcome, detail in told(site, "account.provider_refused") if outcome == "refused"])


def part(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def half(text: str) -> str:
    return urlsafe_b64encode(sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()


def test_a_right_token_comes_in(site: Site, hostile: Hostile) -> None:
    for claims in ({}, {"aud": ["panorad"]}, {"aud": ["panorad", "x"], "azp": "panorad"}, {"at_hash": half("access")}):
        hostile.claims = claims
        assert come_back(site, hostile).status_code == 303


def test_who_moves_to_another_institution_sees_no_more_of_the_old_one(site: Site, hostile: Hostile) -> None:
    site.institution("TOWN")
    client = program(site)
    assert come_back(site, hostile, client).status_code == 303
    client.app._otherwise.state.web.provider.registration = Registration(
        hostile.issuer, "panorad", "s3cret", table=rules(("readers=TOWN:nurse",))
    )
    assert come_back(site, hostile, client).status_code == 303
    with site.center.begin(SYSTEM) as tx:
        actor = gate.session(tx, client.cookies[COOKIE])
    assert actor is not None
    assert (actor.institution_code, actor.sees) == ("TOWN", (actor.institution,))
    assert held(site, actor.name) == [("TOWN", "nurse", "oidc")]
    with site.center.begin(SYSTEM) as tx:
        assert gate.account_actor(tx, actor.name).institution_code == "CENTER", "the account stays at home where it was made"


def held(site: Site, login: str = "wang") -> list[tuple[str, str, str]]:
    with site.center.begin(SYSTEM) as tx:
        return [(one.institution, one.role, one.origin) for one in gate.held(tx, login)]


def registered(hostile: Hostile, client: TestClient, *table: str) -> None:
    """The center with another table of roles."""
    client.app._otherwise.state.web.provider.registration = Registration(hostile.issuer, "panorad", "s3cret", table=rules(table))  # type: ignore[attr-defined]


def test_claims_that_give_nothing_any_more_take_what_they_gave_and_no_more(site: Site, hostile: Hostile) -> None:
    client = program(site)
    hostile.claims = {"preferred_username": "wang"}
    registered(hostile, client, "readers=CENTER:clinician", "readers=CENTER:nurse")
    assert come_back(site, hostile, client).status_code == 303
    with site.center.begin(SYSTEM) as tx:
        gate.give_role(tx, "wang", "CENTER", "registrar")
        gate.give_role(tx, "wang", "CENTER", "nurse")
    assert held(site) == [("CENTER", "clinician", "oidc"), ("CENTER", "nurse", "oidc"), ("CENTER", "registrar", "manual")]
    hostile.claims |= {"groups": ["others"]}
    with site.center.begin(SYSTEM) as tx:
        token = client.cookies[COOKIE]
        client.cookies.clear()
        assert (gate.session(tx, token) or SYSTEM).roles == {"clinician", "nurse", "registrar"}
    assert come_back(site, hostile, client).status_code == 403
    assert held(site) == [("CENTER", "registrar", "manual")]
    with site.center.begin(SYSTEM) as tx:
        assert (gate.session(tx, token) or SYSTEM).roles == {"registrar"}, "what is open loses them as well"
    assert [detail for kind, _, detail in told(site, "role.taken")] == [{"role": "clinician"}, {"role": "nurse"}]


def test_an_administrator_by_claims_is_none_of_another_kind_by_hand(site: Site, hostile: Hostile) -> None:
    client = program(site)
    hostile.claims = {"preferred_username": "wang"}
    assert come_back(site, hostile, client).status_code == 303
    with site.center.begin(SYSTEM) as tx:
        gate.give_role(tx, "wang", "CENTER", "audit-administrator")
    client.cookies.clear()
    registered(hostile, client, "readers=CENTER:security-administrator")
    client.headers["accept"] = "text/html"
    answer = come_back(site, hostile, client)
    assert answer.status_code == 409
    assert "at most one of system, security and audit administrator" in answer.text
    assert held(site) == [("CENTER", "audit-administrator", "manual"), ("CENTER", "nurse", "oidc")], "nothing changes by halves"
    assert "RoleConflict" in reasons(site)
    with site.center.begin(SYSTEM) as tx:
        gate.take_role(tx, "wang", "CENTER", "audit-administrator")
    assert come_back(site, hostile, client).status_code == 303
    assert held(site) == [("CENTER", "security-administrator", "oidc")]


def test_who_has_no_password_sets_a_second_factor_up_just_after_signing_in(site: Site, hostile: Hostile) -> None:
    client = program(site)
    client.headers["accept"] = "text/html"
    assert come_back(site, hostile, client).status_code == 303
    assert 'type="password"' not in client.get("/account/second-factor").text
    owner_sql(site, "update session set authenticated_at = now() - interval '16 minutes'")
    late = send(client, "/account/second-factor", act="start")
    assert late.status_code == 403
    assert "sign in at your provider again" in late.text
    assert come_back(site, hostile, client).status_code == 303
    assert 'class="secret"' in send(client, "/account/second-factor", act="start").text


def test_a_second_factor_at_the_provider_counts_here(site: Site, hostile: Hostile) -> None:
    client = program(site)
    registered(hostile, client, "readers=CENTER:department-head")
    client.headers["accept"] = "text/html"
    assert come_back(site, hostile, client).status_code == 303
    assert client.get("/intake/1/original").headers["location"] == "/account/confirm?next=/intake/1/original"
    hostile.claims = {"amr": ["pwd", "mfa"], "auth_time": int(time.time())}
    client.cookies.clear()
    assert come_back(site, hostile, client).status_code == 303
    assert client.get("/intake/1/original").status_code == 404


NOW = time.time()


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": 5}, "nonce"),
        ({"aud": "another"}, "another program"),
        ({"aud": None}, "another program"),
        ({"aud": ["panorad", "another"]}, "authorized party"),
        ({"azp": "another"}, "another party"),
        ({"iss": "https://another.example"}, "issuer"),
        ({"exp": int(NOW) - 3600}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"exp": True}, "exp"),
        ({"iat": int(NOW) - 86400}, "another time"),
        ({"iat": int(NOW) + 86400}, "another time"),
        ({"iat": None}, "iat"),
        ({"nbf": int(NOW) + 86400}, "not yet"),
        ({"sub": None}, "subject"),
        ({"sub": ["wang"]}, "subject"),
        ({"sub": "x" * 256}, "subject"),
        ({"at_hash": half("another")}, "access token"),
    ],
)
def test_claims_that_are_refused(site: Site, hostile: Hostile, claims: dict[str, Any], reason: str) -> None:
    hostile.claims = claims
    answer = come_back(site, hostile)
    assert answer.status_code == 403
    assert reason in reasons(site)
    assert reason not in answer.text, "the reason is in the event alone"


def hmac_with_the_public_key(claims: dict[str, Any]) -> str:
    shared = OctKey.import_key(json.dumps(KEY.as_dict(private=False)).encode())
    return jwt.encode({"alg": "HS256", "kid": "one"}, claims, shared, ["HS256"])


@pytest.mark.parametrize(
    ("sign", "reason"),
    [
        (lambda claims: f"{part({'alg': 'none'})}.{part(claims)}.", "algorithm is none"),
        (lambda claims: f"{part({'alg': 'None', 'kid': 'one'})}.{part(claims)}.", "algorithm is None"),
        (hmac_with_the_public_key, "algorithm is HS256"),
        (lambda claims: jwt.encode({"alg": "ES256", "kid": "two"}, claims, OTHER, ["ES256"]), "not known"),
        (lambda claims: jwt.encode({"alg": "ES256", "kid": "one"}, claims, OTHER, ["ES256"]), "signature"),
        (lambda claims: jwt.encode({"alg": "ES256"}, claims, OTHER, ["ES256"]), "signature"),
        (lambda claims: jwt.encode({"alg": "RS256", "kid": "one"}, claims, RSAKey.generate_key(2048), ["RS256"]), "not known"),
        (lambda claims: f"{part({'alg': 'ES256', 'kid': 'one', 'jwk': OTHER.as_dict(private=False)})}.{part(claims)}.AAAA", "signature"),
        (lambda claims: "not a token", "not a signed token"),
        (lambda claims: f"{part([])}.{part(claims)}.AA", "cannot be read"),
        (lambda claims: "x" * 40_000, "not a signed token"),
    ],
)
def test_signatures_that_are_refused(site: Site, hostile: Hostile, sign: Callable[[dict[str, Any]], str], reason: str) -> None:
    hostile.sign = sign
    assert come_back(site, hostile).status_code == 403
    assert reason in reasons(site)


def test_an_unknown_key_has_the_keys_fetched_again_but_not_at_every_turn(site: Site, hostile: Hostile) -> None:
    client = program(site)
    assert come_back(site, hostile, client).status_code == 303
    hostile.sign = lambda claims: jwt.encode({"alg": "ES256", "kid": "two"}, claims, OTHER, ["ES256"])
    hostile.keys = [OTHER.as_dict(private=False)]
    known = client.app._otherwise.state.web.provider
    client.cookies.delete(COOKIE)
    assert come_back(site, hostile, client).status_code == 403, "fetched a moment ago"
    assert hostile.asked.count("/keys") == 1
    known._keys = (known._keys[0] - 11, known._keys[1])
    assert come_back(site, hostile, client).status_code == 303
    assert hostile.asked.count("/keys") == 2


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://another.example"},
        {"authorization_endpoint": "http://elsewhere.example/"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "https://user:word@elsewhere.example/"},
        {"authorization_endpoint": "https://elsewhere.example/ x"},
    ],
)
def test_documents_that_are_refused(site: Site, hostile: Hostile, document: dict[str, Any]) -> None:
    hostile.document = document
    assert program(site).get("/sign-in/provider").status_code == 503


@pytest.mark.parametrize(
    ("document", "keys"),
    [
        ({"token_endpoint": "http://169.254.169.254/latest"}, None),
        ({"jwks_uri": "file:///etc/passwd"}, None),
        ({"jwks_uri": "http://10.0.0.1/keys"}, None),
        ({}, []),
        ({}, [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}]),
        ({}, ["x"]),
        ({}, [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "one"}]),
        ({}, [{"x": "y" * (2 << 20)}]),
    ],
)
def test_no_request_goes_where_it_should_not(site: Site, hostile: Hostile, document: dict[str, Any], keys: Any) -> None:
    hostile.document = document
    hostile.keys = hostile.keys if keys is None else keys
    assert come_back(site, hostile).status_code == 503


def test_redirects_are_not_followed(site: Site, hostile: Hostile) -> None:
    hostile.redirect = f"{hostile.issuer}/elsewhere"
    assert come_back(site, hostile).status_code == 503
    assert "/elsewhere" not in hostile.asked


def test_the_user_endpoint_must_tell_of_the_same_person(site: Site, hostile: Hostile) -> None:
    hostile.document = {"userinfo_endpoint": f"{hostile.issuer}/userinfo"}
    hostile.claims = {"groups": None}
    assert come_back(site, hostile).status_code == 403


def test_an_answer_of_another_provider_is_refused(site: Site, hostile: Hostile) -> None:
    client = program(site)
    asked = parse_qs(urlsplit(client.get("/sign-in/provider").headers["location"]).query)
    hostile.nonce = asked["nonce"][0]
    mixed = {"code": "x", "state": asked["state"][0], "iss": "https://another.example"}
    assert client.get("/sign-in/provider/back", params=mixed).status_code == 403
    assert "another provider's" in reasons(site)


@pytest.mark.parametrize(
    "claims",
    [
        {"events": None},
        {"events": {"something": {}}},
        {"nonce": "x"},
        {"sub": None, "sid": None},
        {"jti": None},
        {"aud": "another"},
        {"iat": int(NOW) - 86400},
        {"exp": int(NOW) - 3600},
    ],
)
def test_logout_tokens_that_are_refused(site: Site, hostile: Hostile, claims: dict[str, Any]) -> None:
    client = program(site)
    assert come_back(site, hostile, client).status_code == 303
    hostile.nonce = None  # type: ignore[assignment]
    hostile.claims = {"events": {LOGOUT: {}}, "jti": "a", **claims}
    answer = program(site).post("/sign-in/provider/logout", data={"logout_token": hostile.sign(hostile.told())})
    assert answer.status_code == 400
    assert client.get("/studies.json").status_code == 200


def test_a_logout_token_of_a_person_ends_every_session_of_hers(site: Site, hostile: Hostile) -> None:
    clients = [program(site), program(site)]
    for client in clients:
        assert come_back(site, hostile, client).status_code == 303
    hostile.nonce = None  # type: ignore[assignment]
    hostile.claims = {"events": {LOGOUT: {}}, "jti": "a"}
    assert program(site).post("/sign-in/provider/logout", data={"logout_token": hostile.sign(hostile.told())}).status_code == 200
    time.sleep(1.0)
    assert [client.get("/studies.json").status_code for client in clients] == [401, 401]


@pytest.mark.parametrize(
    ("address", "issuer", "good"),
    [
        ("https://id.example/x", "https://id.example", True),
        ("https://keys.example/x?a=b", "https://id.example", True),
        ("http://127.0.0.1:1/x", "http://127.0.0.1:2", True),
        ("http://localhost/x", "http://[::1]:2", True),
        ("http://id.example/x", "https://id.example", False),
        ("http://127.0.0.1/x", "https://id.example", False),
        ("https://127.0.0.1/x", "https://id.example", False),
        ("https://localhost:5432/", "https://id.example", False),
        ("https://[::1]/", "https://id.example", False),
        ("https://id.example/#x", "https://id.example", False),
        ("https://a@id.example/", "https://id.example", False),
        ("https://id.example:99999/", "https://id.example", False),
        ("https://[bad/", "https://id.example", False),
        ("https:///x", "https://id.example", False),
        ("https://id.example/\r\nx", "https://id.example", False),
        (None, "https://id.example", False),
        (["https://id.example"], "https://id.example", False),
    ],
)
def test_where_we_go(address: Any, issuer: str, good: bool) -> None:
    if good:
        assert check_address(address, issuer) == address
    else:
        with pytest.raises(ProviderAway):
            check_address(address, issuer)
