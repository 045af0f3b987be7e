"""From claims to roles, as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from panorad.access.oidc.mapping import ADMINISTRATORS, NoRole, RuleInvalid, TwoAdministrators, granted, rules, values, vouched
from panorad.app.provider import provider_of
from panorad.cli import app
from panorad.settings import SettingInvalid, Settings, load

TABLE = rules(
    (
        "readers=COUNTY:radiologist", "readers=TOWN:radiologist", "CN=heads,OU=x=*:department-head", "root=COUNTY:system-administrator",
        "guards=COUNTY:security-administrator", "root2=TOWN:system-administrator",
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("claims", "grants"),
    [
        ({"groups": ["readers"]}, [("COUNTY", "radiologist"), ("TOWN", "radiologist")]),
        ({"groups": "readers"}, [("COUNTY", "radiologist"), ("TOWN", "radiologist")]),
        ({"groups": ["CN=heads,OU=x"], "place": "TOWN"}, [("TOWN", "department-head")]),
        ({"groups": ["CN=heads,OU=x"], "place": ["A", "B"]}, [("A", "department-head"), ("B", "department-head")]),
        ({"groups": ["root", "root2"]}, [("COUNTY", "system-administrator"), ("TOWN", "system-administrator")]),
        ({"groups": ["root", 5, None, {}]}, [("COUNTY", "system-administrator")]),
    ],
)
def test_what_claims_give(claims: dict[str, Any], grants: list[tuple[str, str]]) -> None:
    assert list(granted(claims, TABLE, "groups", "place")) == grants


@pytest.mark.parametrize(
    "claims", [{}, {"groups": []}, {"groups": ["Readers"]}, {"groups": {"readers": True}}, {"groups": ["CN=heads,OU=x"]}]
)
def test_who_gets_nothing(claims: dict[str, Any]) -> None:
    with pytest.raises(NoRole):
        granted(claims, TABLE, "groups", "place")


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({"amr": ["pwd", "mfa"], "auth_time": 1000}, True),
        ({"amr": ["pwd", "mfa"], "auth_time": 1050}, True),
        ({"amr": ["pwd", "mfa"], "auth_time": 99}, False),
        ({"amr": ["pwd", "mfa"], "auth_time": 2000}, False),
        ({"amr": ["pwd", "mfa"]}, False),
        ({"amr": ["pwd", "mfa"], "auth_time": True}, False),
        ({"amr": ["pwd", "mfa"], "auth_time": "1000"}, False),
        ({"amr": ["pwd"], "auth_time": 1000}, False),
        ({"amr": 5, "auth_time": 1000}, False),
        ({}, False),
    ],
)
def test_the_provider_vouches_for_a_second_factor_only_of_just_now(claims: dict[str, Any], good: bool) -> None:
    assert vouched(claims, 1000.0) is good


def test_two_administrators_are_one_too_many() -> None:
    with pytest.raises(TwoAdministrators):
        granted({"groups": ["root", "guards"]}, TABLE, "groups", "")


@given(st.lists(st.sampled_from([rule.value for rule in TABLE]), min_size=1, unique=True))
def test_no_claims_ever_give_two_kinds_of_administrators(held: list[str]) -> None:
    try:
        found = granted({"groups": held, "place": "X"}, TABLE, "groups", "place")
    except TwoAdministrators:
        assert {"root", "root2"} & set(held)
        assert "guards" in held
    else:
        assert len({role for _, role in found} & ADMINISTRATORS) <= 1


def test_a_claim_may_lie_in_an_object() -> None:
    assert values({"realm_access": {"roles": ["a"]}}, "realm_access.roles") == ("a",)
    assert values({"https://x.example/roles": ["a"]}, "https://x.example/roles") == ("a",)
    assert values({"realm_access": 5}, "realm_access.roles") == ()


@pytest.mark.parametrize("line", ["readers", "readers=COUNTY", "readers=COUNTY:king", "readers=county:nurse", "=COUNTY:nurse", ""])
def test_rules_that_are_refused(line: str) -> None:
    with pytest.raises(RuleInvalid):
        rules((line,))


GOOD = {"oidc_issuer": "https://id.example", "oidc_client_id": "panorad", "oidc_client_secret": "x"}


@pytest.mark.parametrize(
    "more",
    [
        {"oidc_issuer": "http://id.example"},
        {"oidc_issuer": "id.example"},
        {"oidc_client_id": ""},
        {"oidc_client_secret": ""},
        {"oidc_client_secret": "file:nowhere"},
        {"oidc_scopes": "profile"},
        {"oidc_roles": ("readers",)},
    ],
)
def test_settings_that_cannot_work(more: dict[str, Any], tmp_path: Path) -> None:
    assert provider_of(Settings(home=tmp_path, **GOOD)) is not None  # type: ignore[arg-type]
    with pytest.raises(SettingInvalid):
        provider_of(Settings(home=tmp_path, **{**GOOD, **more}))


def test_a_center_does_not_start_with_settings_that_cannot_work(tmp_path: Path) -> None:
    (tmp_path / "panorad.toml").write_text('oidc_issuer = "http://id.example"\n')
    try:
        done = CliRunner().invoke(app, ["serve", "--home", str(tmp_path)])
    finally:
        structlog.reset_defaults()  # the command has configured the log of this process
    assert done.exit_code == 1
    assert "oidc_issuer is an https address" in done.output


def test_the_table_may_be_written_as_one(tmp_path: Path) -> None:
    (tmp_path / "panorad.toml").write_text('[oidc_roles]\n"CN=readers,OU=x" = "COUNTY:radiologist"\nnurses = "*:nurse"\n')
    assert load(tmp_path, {}).oidc_roles == ("CN=readers,OU=x=COUNTY:radiologist", "nurses=*:nurse")
    assert [rule.code for rule in rules(load(tmp_path, {}).oidc_roles)] == ["COUNTY", "*"]
