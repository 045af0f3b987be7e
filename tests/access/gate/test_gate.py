"""Who may come in: accounts, sessions, one-time links, nodes, and what each actor may see."""

from __future__ import annotations

import pytest

from panorad.access import gate
from panorad.access.gate.passwords import PasswordKnown, PasswordTooShort
from panorad.access.gate.service import AccountAbsent, InstitutionInvalid, LoginInvalid, NodeInvalid
from panorad.access.gate.sessions import Sessions
from panorad.kit.errors import PanoradError
from panorad.model.actor import SYSTEM
from panorad.testing import Site

PASSWORD = "correct horse battery"


@pytest.fixture
def site(center: Site) -> Site:
    """A center with the account wang."""
    with center.center.begin(SYSTEM) as tx:
        gate.add_account(tx, "wang", "Wang Wei", PASSWORD, "CENTER", ["clinician"])
    return center


def sign_in(site: Site, password: str = PASSWORD, login: str = "wang") -> str:
    with site.center.begin(SYSTEM) as tx:
        return gate.sign_in(tx, login, password)[1]


def sql(site: Site, statement: str) -> list[tuple[object, ...]]:
    with site.center.owner() as begin, begin(SYSTEM) as tx:
        done = tx.connection.execute(statement)
        return list(done) if done.description else []


def kinds(site: Site) -> list[str]:
    return [event.kind for event in site.events() if event.kind.startswith("account")]


def test_in_and_out(site: Site) -> None:
    token = sign_in(site, login=" WANG ")
    with site.center.begin(SYSTEM) as tx:
        actor = gate.session(tx, token)
    assert actor is not None
    assert (actor.kind, actor.name, actor.institution_code, actor.sees, actor.roles) == (
        "person",
        "wang",
        "CENTER",
        (actor.institution,),
        frozenset({"clinician"}),
    )
    with site.center.begin(SYSTEM) as tx:
        gate.sign_out(tx, token)
        gate.sign_out(tx, "never was")
    with site.center.begin(SYSTEM) as tx:
        assert gate.session(tx, token) is None
    assert kinds(site) == ["account.added", "account.signed_in", "account.signed_out"]


@pytest.mark.parametrize(
    ("login", "password"), [("wang", "wrong"), ("wang", ""), ("nobody", PASSWORD), ("", ""), ("wang\0", "x"), ("' or 1=1 --", "x")]
)
def test_a_wrong_sign_in_is_refused_and_recorded(site: Site, login: str, password: str) -> None:
    with pytest.raises(gate.SignInRefused):
        sign_in(site, password, login)
    assert kinds(site)[-1] == "account.refused"
    assert password == "" or password not in str(site.events())


def test_five_failures_lock_for_a_quarter_of_an_hour(site: Site) -> None:
    for _ in range(5):
        with pytest.raises(gate.SignInRefused):
            sign_in(site, "wrong")
    with pytest.raises(gate.SignInRefused):
        sign_in(site)
    [(minutes,)] = sql(site, "select extract(epoch from locked_until - now()) / 60 from account")
    assert 14 < float(str(minutes)) <= 15
    sql(site, "update account set locked_until = now() - interval '1 second'")
    sign_in(site)
    assert sql(site, "select failures, locked_until from account") == [(0, None)]


def test_failures_are_counted_anew_after_a_success(site: Site) -> None:
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(gate.SignInRefused):
                sign_in(site, "wrong")
        sign_in(site)


@pytest.mark.parametrize(
    ("column", "ago", "alive"),
    [
        ("seen_at", "29 minutes", True),
        ("seen_at", "31 minutes", False),
        ("authenticated_at", "11 hours 59 minutes", True),
        ("authenticated_at", "12 hours 1 minute", False),
    ],
)
def test_a_session_ends_when_idle_or_old(site: Site, column: str, ago: str, alive: bool) -> None:
    token = sign_in(site)
    sql(site, f"update session set {column} = now() - interval '{ago}'")
    with site.center.begin(SYSTEM) as tx:
        assert (gate.session(tx, token) is not None) is alive
    if alive and column == "seen_at":
        assert sql(site, "select now() - seen_at < interval '1 minute' from session") == [(True,)]


def test_a_disabled_account_is_out_at_once(site: Site) -> None:
    token = sign_in(site)
    sql(site, "update account set disabled = true")
    with site.center.begin(SYSTEM) as tx:
        assert gate.session(tx, token) is None
    with pytest.raises(gate.SignInRefused):
        sign_in(site)


def test_a_new_password_ends_every_session(site: Site) -> None:
    tokens = [sign_in(site), sign_in(site)]
    [(account,)] = sql(site, "select id from account")
    with pytest.raises(gate.SignInRefused), site.center.begin(SYSTEM) as tx:
        gate.set_password(tx, int(str(account)), "wrong", "another long password")
    with site.center.begin(SYSTEM) as tx:
        gate.set_password(tx, int(str(account)), PASSWORD, "another long password")
    with site.center.begin(SYSTEM) as tx:
        assert [gate.session(tx, token) for token in tokens] == [None, None]
    with pytest.raises(gate.SignInRefused):
        sign_in(site)
    sign_in(site, "another long password")
    with site.center.begin(SYSTEM) as tx:
        gate.set_password_of(tx, "wang", PASSWORD)
    sign_in(site)
    with pytest.raises(AccountAbsent), site.center.begin(SYSTEM) as tx:
        gate.set_password_of(tx, "nobody", PASSWORD)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (("li", "Li", "short", "CENTER"), PasswordTooShort),
        (("li", "Li", "x" * 11, "CENTER"), PasswordTooShort),
        (("l", "Li", PASSWORD, "CENTER"), LoginInvalid),
        (("li li", "Li", PASSWORD, "CENTER"), LoginInvalid),
        (("WANG", "Wang", PASSWORD, "CENTER"), gate.AccountExists),
        (("li", "Li", "aaaaaaaaaaaa", "CENTER"), PasswordKnown),
        (("li", "Li", PASSWORD, "NOWHERE"), gate.InstitutionAbsent),
    ],
)
def test_what_no_account_can_be(site: Site, given: tuple[str, str, str, str], error: type[PanoradError]) -> None:
    with pytest.raises(error), site.center.begin(SYSTEM) as tx:
        gate.add_account(tx, *given)


def test_passwords_and_tokens_are_kept_only_as_hashes(site: Site) -> None:
    token = sign_in(site)
    with site.center.begin(SYSTEM) as tx:
        link = gate.make_welcome(tx)
    everything = str([sql(site, f"select * from {table}") for table in ("account", "session", "welcome", "event")])
    assert PASSWORD not in everything
    assert token not in everything
    assert link not in everything
    assert sql(site, "select password_hash like '$argon2id$%' from account") == [(True,)]


# -- the first administrator ---------------------------------------------------------------------------------------------------------------


def test_the_one_time_link_lets_one_administrator_in_once(center: Site) -> None:
    with center.center.begin(SYSTEM) as tx:
        assert gate.without_accounts(tx)
        first, second = gate.make_welcome(tx), gate.make_welcome(tx)
    with pytest.raises(PasswordTooShort), center.center.begin(SYSTEM) as tx:
        gate.redeem_welcome(tx, first, "admin", "Admin", "short")
    with center.center.begin(SYSTEM) as tx:
        assert gate.welcome_open(tx, first), "a refused password does not use the link up"
        account = gate.redeem_welcome(tx, first, "admin", "Admin", PASSWORD)
    with center.center.begin(SYSTEM) as tx:
        assert {one.role for one in gate.held(tx, account.login)} == {"system-administrator", "radiologist"}
    for token in (first, second, "never was"):
        with pytest.raises(gate.WelcomeClosed), center.center.begin(SYSTEM) as tx:
            gate.redeem_welcome(tx, token, "other", "Other", PASSWORD)
    with center.center.begin(SYSTEM) as tx:
        assert not gate.without_accounts(tx)


def test_the_link_expires(center: Site) -> None:
    with center.center.begin(SYSTEM) as tx:
        token = gate.make_welcome(tx)
    sql(center, "update welcome set expires_at = now() - interval '1 second'")
    with pytest.raises(gate.WelcomeClosed), center.center.begin(SYSTEM) as tx:
        gate.redeem_welcome(tx, token, "admin", "Admin", PASSWORD)


# -- institutions and nodes ----------------------------------------------------------------------------------------------------------------


def test_what_an_actor_sees_is_its_institution_and_those_below(center: Site) -> None:
    tree = {"REGION": None, "COUNTY": "REGION", "TOWN": "COUNTY", "VILLAGE": "COUNTY", "CITY": "REGION"}
    ids = {code: center.institution(code, parent).institution for code, parent in tree.items()}
    expected = {"REGION": set(ids), "COUNTY": {"COUNTY", "TOWN", "VILLAGE"}, "TOWN": {"TOWN"}, "CITY": {"CITY"}}
    for code, below in expected.items():
        assert set(center.reader(code).sees or ()) == {ids[one] for one in below}
        with center.center.begin(SYSTEM) as tx:
            gate.add_node(tx, f"CT_{code}", code)
            node = gate.node_actor(tx, f" CT_{code} ", "10.0.0.7")
            assert gate.actor_of_institution(tx, code).sees == (ids[code],)
        assert (set(node.sees or ()), node.kind, node.source) == ({ids[one] for one in below}, "node", "10.0.0.7")


def test_an_unknown_node_is_refused_and_a_known_one_changed(center: Site) -> None:
    with pytest.raises(gate.NodeUnknown), center.center.begin(SYSTEM) as tx:
        gate.node_actor(tx, "STRAY", "")
    with center.center.begin(SYSTEM) as tx:
        gate.add_node(tx, "CT1", "CENTER")
        gate.add_node(tx, "CT1", "CENTER", "10.0.0.7", 104, "the scanner")
        assert gate.nodes(tx) == [gate.Node("CT1", "CENTER", "10.0.0.7", 104, "the scanner")]
        assert gate.node(tx, "CT2") is None


@pytest.mark.parametrize(("title", "port"), [("", 104), ("X" * 17, 104), ("A\\B", 104), ("A\nB", 104), ("CT", 0), ("CT", 65536)])
def test_what_no_node_can_be(center: Site, title: str, port: int) -> None:
    with pytest.raises(NodeInvalid), center.center.begin(SYSTEM) as tx:
        gate.add_node(tx, title, "CENTER", "host", port)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("county", InstitutionInvalid),
        ("", InstitutionInvalid),
        ("A" * 33, InstitutionInvalid),
        ("A~B", InstitutionInvalid),
        ("../X", InstitutionInvalid),
        ("CENTER", gate.InstitutionExists),
    ],
)
def test_what_no_institution_can_be(center: Site, code: str, error: type[PanoradError]) -> None:
    with pytest.raises(error), center.center.begin(SYSTEM) as tx:
        gate.add_institution(tx, code, "X")


def test_a_session_is_asked_for_once_a_second_and_forgotten_on_the_way_out(site: Site) -> None:
    now = [100.0]
    sessions = Sessions(lambda: now[0])
    token = sign_in(site)
    assert sessions.remembered(token) is None
    with site.center.begin(SYSTEM) as tx:
        actor = sessions.session(tx, token)
    assert sessions.remembered(token) == actor
    now[0] += 1.1
    assert sessions.remembered(token) is None
    with site.center.begin(SYSTEM) as tx:
        sessions.session(tx, token)
        sessions.forget(token)
        assert sessions.remembered(token) is None
        gate.sign_out(tx, token)
        assert sessions.session(tx, token) is None
