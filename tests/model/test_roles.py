"""Role x resource x action, against a table written by hand."""

from __future__ import annotations

import pytest

from panorad.model.roles import ACTIONS, ADMINISTRATORS, RESOURCES, ROLES, actions_of, may, purposes_of

TABLE = """
                       rad tec cli nur phy reg hea qua res pat sys sec aud
    study read          x   x   x   x   x   x   x   x   x   x   .   .   .
    study store         x   x   .   .   .   .   x   .   .   .   .   .   .
    study export        x   .   .   .   .   .   x   .   .   .   .   .   .
    intake read         x   x   .   .   .   x   x   x   .   .   .   .   .
    intake take         .   x   .   .   .   .   x   .   .   .   .   .   .
    grant read          x   .   .   .   .   .   x   .   .   .   .   x   x
    grant give          x   .   .   .   .   .   x   .   .   .   .   .   .
    grant revoke        .   .   .   .   .   .   x   .   .   .   .   x   .
    consent read        x   .   x   x   .   x   x   .   .   x   .   .   x
    consent record      .   .   x   x   .   x   x   .   .   x   .   .   .
    link read           x   .   x   .   .   .   x   .   .   x   .   x   .
    link give           x   .   x   .   .   .   x   .   .   x   .   .   .
    link revoke         .   .   .   .   .   .   x   .   .   x   .   x   .
    break-glass use     x   .   x   .   .   .   x   .   .   .   .   .   .
    break-glass review  .   .   .   .   .   .   x   x   .   .   .   .   x
    event read          .   .   .   .   .   .   x   x   .   .   .   .   x
    event export        .   .   .   .   .   .   .   .   .   .   .   .   x
    institution read    .   .   .   .   .   .   .   .   .   .   x   x   .
    institution change  .   .   .   .   .   .   .   .   .   .   x   .   .
    node read           .   x   .   .   x   .   x   .   .   .   x   x   .
    node change         .   .   .   .   .   .   .   .   .   .   x   .   .
    account read        .   .   .   .   .   .   .   .   .   .   x   x   x
    account change      .   .   .   .   .   .   .   .   .   .   x   .   .
    account lock        .   .   .   .   .   .   .   .   .   .   .   x   .
    role read           .   .   .   .   .   .   .   .   .   .   x   x   x
    role change         .   .   .   .   .   .   .   .   .   .   .   x   .
    policy read         .   .   .   .   .   .   .   .   .   .   .   x   x
    policy change       .   .   .   .   .   .   .   .   .   .   .   x   .
    client read         .   .   .   .   .   .   .   .   .   .   .   x   x
    client change       .   .   .   .   .   .   .   .   .   .   .   x   .
    center read         .   .   .   .   .   .   .   .   .   .   x   .   .
"""
HEAD, *LINES = [line.split() for line in TABLE.strip().splitlines()]
CASES = [(role, resource, action, mark == "x") for resource, action, *marks in LINES for role, mark in zip(ROLES, marks, strict=True)]


@pytest.mark.parametrize("role,resource,action,answer", CASES)
def test_the_matrix(role: str, resource: str, action: str, answer: bool) -> None:
    assert may({role}, resource, action) is answer


def test_the_matrix_leaves_nothing_out() -> None:
    assert [(role if role != "department-head" else "head")[:3] for role in ROLES] == [*HEAD[:10], "sys", "sec", "aud"] == HEAD
    assert {(resource, action) for resource, action, *_ in LINES} == {(one, action) for one in RESOURCES for action in actions_of(one)}
    assert {action for _, action, *_ in LINES} == set(ACTIONS)
    assert all(set(role.may) <= set(RESOURCES) for role in ROLES.values())


def test_administrators_read_no_studies_and_only_they_change_accounts_roles_and_policies() -> None:
    for role in ADMINISTRATORS:
        assert not any(may({role}, "study", action) for action in actions_of("study"))
        assert purposes_of({role}) == ()
    for resource in ("account", "role", "policy", "institution", "node", "client"):
        assert {role for role in ROLES if any(may({role}, resource, action) for action in ("change", "lock"))} <= ADMINISTRATORS


def test_no_administrator_does_the_work_of_another() -> None:
    """Who makes accounts gives no roles, who gives roles makes no accounts, and neither reads the event log."""
    assert not may({"system-administrator"}, "role", "change")
    assert not may({"security-administrator"}, "account", "change")
    assert not may({"system-administrator", "security-administrator"}, "event", "read")
    watching = {action for actions in ROLES["audit-administrator"].may.values() for action in actions}
    assert watching == {"read", "export", "review"}


def test_numbers_of_roles_are_for_good() -> None:
    assert [role.number for role in ROLES.values()] == list(range(1, 14))
