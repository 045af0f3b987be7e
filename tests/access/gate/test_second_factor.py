"""One-time codes: the RFC's vectors, once each, near in time, recovery codes, one lockout, nothing readable in the database."""

from __future__ import annotations

import base64
import statistics
import time
from pathlib import Path

import pyotp
import pytest

from panorad.access import gate
from panorad.access.gate import entry, open_sessions, proof, second_factor
from panorad.access.gate.entry import Entry
from panorad.access.gate.open_sessions import Limits, Origin
from panorad.access.gate.second_factor import CodeRefused
from panorad.kit.errors import PanoradError
from panorad.kit.vault import KeyUnreadable, SecretUnreadable, Vault
from panorad.model.actor import SYSTEM
from panorad.testing import Site

PASSWORD = "correct horse battery"
NOW = 1_800_000_015.0
"""The middle of a time step."""
HERE = Origin()


class Person:
    """An account with a second factor, and the app on its phone."""

    def __init__(self, site: Site, login: str = "wang") -> None:
        self.site, self.login = site, login
        with site.center.begin(SYSTEM) as tx:
            self.id = gate.add_account(tx, login, login.title(), PASSWORD, "CENTER").id
            self.secret = second_factor.propose(tx, site.center.vault, self.id, login).secret
            code = self.code(NOW - 3000)
            self.recovery = second_factor.accept(tx, site.center.vault, self.id, code, NOW - 3000)

    def code(self, at: float = NOW) -> str:
        return pyotp.TOTP(self.secret).at(int(at))

    def password(self, password: str = PASSWORD, origin: Origin = HERE) -> Entry:
        with self.site.center.begin(SYSTEM) as tx:
            return gate.sign_in(tx, self.login, password, origin)

    def finish(self, pending: str, code: str, at: float = NOW, origin: Origin = HERE) -> Entry:
        with self.site.center.begin(SYSTEM) as tx:
            return entry.finish(tx, self.site.center.vault, pending, code, origin, at=at)

    def enter(self, at: float = NOW) -> str:
        return self.finish(self.password().token, self.code(at), at).token


@pytest.fixture
def person(center: Site) -> Person:
    return Person(center)


def sql(site: Site, statement: str) -> list[tuple[object, ...]]:
    with site.center.owner() as begin, begin(SYSTEM) as tx:
        done = tx.connection.execute(statement)
        return list(done) if done.description else []


@pytest.mark.parametrize(
    ("at", "code"), [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")]
)
def test_the_vectors_of_the_standard(at: int, code: str) -> None:
    """RFC 6238 appendix B (SHA-1), the last six of its eight digits."""
    secret = base64.b32encode(b"12345678901234567890").decode()
    assert second_factor._step(secret, code, at) == at // 30
    assert second_factor._step(secret, f" {code[:3]} {code[3:]} ", at) == at // 30


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", "１２３４５６", "-12345", "1e5000", "\0" * 6, "x" * 10_000])
def test_what_is_no_code(code: str) -> None:
    assert second_factor._step(pyotp.random_base32(), code, NOW) is None


def test_the_password_alone_gives_no_session(person: Person) -> None:
    half = person.password()
    assert half.pending
    with person.site.center.begin(SYSTEM) as tx:
        assert gate.session(tx, half.token) is None
        assert open_sessions.standing(tx, half.token, Limits()) is None
    whole = person.finish(half.token, person.code())
    assert not whole.pending
    with person.site.center.begin(SYSTEM) as tx:
        assert gate.session(tx, whole.token) is not None
        assert gate.session(tx, half.token) is None
    with pytest.raises(gate.SignInRefused):
        person.finish(half.token, person.code(NOW + 60), NOW + 60)


def test_a_code_is_good_once_and_none_before_it_is_good_after_it(person: Person) -> None:
    person.enter()
    with pytest.raises(CodeRefused):
        person.enter()
    with pytest.raises(CodeRefused):
        person.finish(person.password().token, person.code(NOW - 30), NOW)
    person.enter(NOW + 30)


@pytest.mark.parametrize(("skew", "taken"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_one_step_of_skew_each_way(person: Person, skew: int, taken: bool) -> None:
    pending = person.password().token
    if taken:
        person.finish(pending, person.code(NOW + skew), NOW)
    else:
        with pytest.raises(CodeRefused):
            person.finish(pending, person.code(NOW + skew), NOW)


def test_a_recovery_code_is_good_once(person: Person) -> None:
    assert len(set(person.recovery)) == 10
    person.finish(person.password().token, person.recovery[3].upper().replace("-", " "))
    with pytest.raises(CodeRefused):
        person.finish(person.password().token, person.recovery[3])
    person.finish(person.password().token, person.recovery[4])
    with person.site.center.begin(SYSTEM) as tx:
        assert second_factor.state(tx, person.id).recovery_codes == 8
        fresh = second_factor.renew_recovery_codes(tx, person.site.center.vault, person.id)
        assert second_factor.state(tx, person.id).recovery_codes == 10
    with pytest.raises(CodeRefused):
        person.finish(person.password().token, person.recovery[5])
    person.finish(person.password().token, fresh[0])


def test_another_persons_codes_are_of_no_use(person: Person) -> None:
    other = Person(person.site, "li")
    for code in (other.code(), other.recovery[0]):
        with pytest.raises(CodeRefused):
            person.finish(person.password().token, code)


def test_guessing_codes_locks_the_account_although_the_password_is_known(person: Person) -> None:
    for _ in range(5):  # a right password between them forgives nothing
        with pytest.raises(CodeRefused):
            person.finish(person.password().token, "000000" if person.code() != "000000" else "000001")
    with pytest.raises(gate.SignInRefused):
        person.password()
    sql(person.site, "update account set locked_until = now() - interval '1 second'")
    person.enter()
    assert sql(person.site, "select failures, locked_until from account") == [(0, None)]


def test_a_pending_sign_in_is_over_after_five_minutes_and_when_another_begins(person: Person) -> None:
    first = person.password().token
    second = person.password().token
    with pytest.raises(gate.SignInRefused):
        person.finish(first, person.code())
    sql(person.site, "update sign_in_step set expires_at = now() - interval '1 second'")
    with pytest.raises(gate.SignInRefused):
        person.finish(second, person.code())


def test_a_locked_session_cannot_step_up_with_the_right_code(person: Person) -> None:
    token = person.enter()
    for _ in range(5):
        with pytest.raises(CodeRefused), person.site.center.begin(SYSTEM) as tx:
            second_factor.confirm(tx, person.site.center.vault, person.id, token, "12", NOW)
    with pytest.raises(CodeRefused), person.site.center.begin(SYSTEM) as tx:
        second_factor.confirm(tx, person.site.center.vault, person.id, token, person.code(NOW + 60), NOW + 60)


def test_a_step_up_changes_the_token_and_ages(person: Person) -> None:
    token = person.enter()
    with person.site.center.begin(SYSTEM) as tx:
        fresh = second_factor.confirm(tx, person.site.center.vault, person.id, token, person.code(NOW + 60), NOW + 60)
    with person.site.center.begin(SYSTEM) as tx:
        assert gate.session(tx, token) is None
        assert gate.session(tx, token, reading=True), "frames under way with the token of a moment ago are answered"
        standing = open_sessions.standing(tx, fresh, Limits())
    assert standing is not None
    assert standing.fresh
    sql(person.site, "update session set rotated_at = now() - interval '11 seconds', second_factor_at = now() - interval '16 minutes'")
    with person.site.center.begin(SYSTEM) as tx:
        assert gate.session(tx, token, reading=True) is None
        standing = open_sessions.standing(tx, fresh, Limits())
    assert standing is not None
    assert not standing.fresh


def test_an_administrator_takes_a_lost_one_off_and_every_session_ends(person: Person) -> None:
    token = person.enter()
    with person.site.center.begin(SYSTEM) as tx:
        second_factor.reset(tx, person.id)
    with person.site.center.begin(SYSTEM) as tx:
        assert gate.session(tx, token) is None
    assert not person.password().pending
    with pytest.raises(second_factor.NotEnrolled), person.site.center.begin(SYSTEM) as tx:
        second_factor.reset(tx, person.id)


def test_a_dump_of_the_database_gives_no_secret(person: Person) -> None:
    token, half = person.enter(), person.password().token
    tables = ("account", "session", "second_factor", "recovery_code", "sign_in_step", "event")
    everything = str([sql(person.site, f"select * from {table}") for table in tables])
    for secret in (person.secret, token, half, *person.recovery, *(code.replace("-", "") for code in person.recovery)):
        assert secret not in everything
        assert secret.encode().hex() not in everything


def test_the_key_is_for_the_centers_user_alone_and_stays(center: Site, tmp_path: Path) -> None:
    key = center.settings.key
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    center.center.vault.make()
    assert key.read_bytes() == before
    assert list(key.parent.glob("secret.key*")) == [key]
    sealed = center.center.vault.seal("geheim")
    assert Vault(key).open(sealed) == "geheim"
    other = Vault(tmp_path / "other.key")
    with pytest.raises(KeyUnreadable):
        other.seal("x")
    other.make()
    with pytest.raises(SecretUnreadable):
        other.open(sealed)
    with pytest.raises(SecretUnreadable):
        Vault(key).open(sealed[:-4] + b"AAAA")


# -- spraying, timing, origins -----------------------------------------------------------------------------------------------------------


def test_spraying_one_password_over_many_accounts_is_stopped_by_its_address(person: Person) -> None:
    def spray(login: str, source: str, most: int = 8) -> type[PanoradError] | None:
        try:
            with person.site.center.begin(SYSTEM) as tx:
                gate.sign_in(tx, login, "spring is coming soon", Origin(source), most)
        except PanoradError as error:
            return type(error)
        return None

    seen = [spray(f"user{number}", f"2001:db8::{number:x}") for number in range(1, 11)]  # one network of IPv6
    assert seen == [gate.SignInRefused] * 8 + [proof.SourceRefused] * 2
    with pytest.raises(proof.SourceRefused), person.site.center.begin(SYSTEM) as tx:
        gate.sign_in(tx, person.login, PASSWORD, Origin("2001:db8::ffff"), 8)
    assert person.password(origin=Origin("192.0.2.4")).pending, "other addresses go on"
    sql(person.site, "update source_failure set since = now() - interval '16 minutes'")
    assert spray("user1", "2001:db8::1") is gate.SignInRefused
    assert sql(person.site, "select failures from source_failure") == [(1,)], "what is old is deleted"


def test_an_unknown_login_takes_as_long_as_a_known_one(person: Person) -> None:
    def spent(login: str) -> float:
        begun = time.process_time()
        with pytest.raises(gate.SignInRefused), person.site.center.begin(SYSTEM) as tx:
            gate.sign_in(tx, login, "spring is coming soon")
        return time.process_time() - begun

    sql(person.site, "update account set failures = -1000")
    pairs = [(spent("wang"), spent("nobody")) for _ in range(15)]
    known, unknown = (statistics.median(side) for side in zip(*pairs, strict=True))
    assert 0.6 < unknown / known < 1.6, (known, unknown)


# -- sessions ------------------------------------------------------------------------------------------------------------------------------


def test_reading_outlives_the_longest_time_and_pages_do_not(person: Person) -> None:
    token = person.enter()
    limits = Limits(idle_s=1800, longest_s=3600, grace_s=3600)

    def open_now() -> tuple[bool, bool]:
        with person.site.center.begin(SYSTEM) as tx:
            return (gate.session(tx, token, limits) is not None, gate.session(tx, token, limits, reading=True) is not None)

    assert open_now() == (True, True)
    sql(person.site, "update session set authenticated_at = now() - interval '61 minutes'")
    assert open_now() == (False, False), "nobody reads"
    sql(person.site, "update session set read_at = now() - interval '5 minutes'")
    assert open_now() == (False, True)
    with person.site.center.begin(SYSTEM) as tx:
        standing = open_sessions.standing(tx, token, limits, reading=True)
        assert standing is not None
        assert standing.over
        assert not open_sessions.awake(tx, token, limits, reading=False)
        assert open_sessions.awake(tx, token, limits, reading=True)
    sql(person.site, "update session set read_at = now() - interval '31 minutes'")
    assert open_now() == (False, False)
    sql(person.site, "update session set read_at = now(), authenticated_at = now() - interval '121 minutes'")
    assert open_now() == (False, False)


def test_a_script_that_asks_by_itself_keeps_no_session_alive(person: Person) -> None:
    token = person.enter()
    sql(person.site, "update session set seen_at = now() - interval '20 minutes'")
    with person.site.center.begin(SYSTEM) as tx:
        gate.session(tx, token, unattended=True)
    assert sql(person.site, "select seen_at < now() - interval '19 minutes' from session") == [(True,)]
    with person.site.center.begin(SYSTEM) as tx:
        gate.session(tx, token)
    assert sql(person.site, "select seen_at < now() - interval '19 minutes' from session") == [(False,)]


def test_signing_in_again_on_a_browser_replaces_its_session_but_only_of_the_same_person(person: Person) -> None:
    old = person.enter()
    new = person.finish(person.password().token, person.code(NOW + 60), NOW + 60, Origin("192.0.2.1", "Firefox, Linux", old)).token
    with person.site.center.begin(SYSTEM) as tx:
        assert gate.session(tx, old) is None
        assert gate.session(tx, old, reading=True)
        [row] = open_sessions.sessions_of(tx, person.id, Limits(), new)
        assert (row.source, row.browser, row.current, row.second_factor) == ("192.0.2.1", "Firefox, Linux", True, True)
        other = gate.add_account(tx, "li", "Li", PASSWORD, "CENTER")
        open_sessions.start(tx, other.id, Origin(after=new))
    with person.site.center.begin(SYSTEM) as tx:
        assert gate.session(tx, new, reading=True) is None, "what another person left open is closed, not inherited"


def test_one_session_is_ended_or_all_others(person: Person) -> None:
    with person.site.center.begin(SYSTEM) as tx:
        tokens = [open_sessions.start(tx, person.id) for _ in range(4)]
        number = next(one.number for one in open_sessions.sessions_of(tx, person.id, Limits(), tokens[1]) if one.current)
        open_sessions.end_one(tx, person.id, number)
        with pytest.raises(open_sessions.SessionAbsent):
            open_sessions.end_one(tx, person.id + 1, number + 1)
    with person.site.center.begin(SYSTEM) as tx:
        assert [gate.session(tx, token) is not None for token in tokens] == [True, False, True, True]
        assert open_sessions.end_others(tx, person.id, tokens[0]) == 2
    with person.site.center.begin(SYSTEM) as tx:
        assert [gate.session(tx, token) is not None for token in tokens] == [True, False, False, False]
    assert [event.kind for event in person.site.events()].count("account.session_ended") == 2
