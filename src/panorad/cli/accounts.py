"""`panorad institution`, `panorad node`, `panorad user`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.table import Table

from panorad.cli.console import Home, center_of, out
from panorad.model.actor import SYSTEM

institutions = typer.Typer(help="The members of the region.", no_args_is_help=True)
nodes = typer.Typer(help="DICOM nodes: AE titles, the institution each belongs to, and where to send to.", no_args_is_help=True)
users = typer.Typer(help="Local accounts.", no_args_is_help=True)


@institutions.command("add")
def add_institution(
    code: Annotated[str, typer.Argument(help="Short code: capital letters, digits, dash, underscore.")],
    name: Annotated[str, typer.Option(help="Name for people; default: the code.")] = "",
    name_zh: Annotated[str, typer.Option("--name-zh", help="Name in Chinese.")] = "",
    issuer: Annotated[str, typer.Option(help="Issuer of Patient ID for images that carry none; default: the code.")] = "",
    parent: Annotated[str | None, typer.Option(help="Code of the institution above it.")] = None,
    home: Home = None,
) -> None:
    """Add an institution."""
    from panorad.access import gate

    with center_of(home) as center, center.begin(SYSTEM) as tx:
        gate.add_institution(tx, code, name or code, name_zh, issuer, parent)
    out.print(f"added {code}", markup=False)


@institutions.command("list")
def list_institutions(home: Home = None) -> None:
    """List the institutions."""
    from panorad.access import gate

    table = Table("code", "name", "中文名", "issuer of patient ID", "under")
    with center_of(home) as center, center.begin(SYSTEM) as tx:
        for one in gate.institutions(tx):
            table.add_row(one.code, one.name, one.name_zh, one.issuer, one.parent or "")
    out.print(table)


@nodes.command("add")
def add_node(
    ae_title: Annotated[str, typer.Argument(help="AE title, at most 16 characters.")],
    institution: Annotated[str | None, typer.Option(help="Code of its institution; default: the center's own.")] = None,
    host: Annotated[str | None, typer.Option(help="Host, when images may be sent to it (C-MOVE).")] = None,
    port: Annotated[int | None, typer.Option(help="Port.")] = None,
    description: Annotated[str, typer.Option(help="What it is.")] = "",
    home: Home = None,
) -> None:
    """Register a node, or change it."""
    from panorad.access import gate

    with center_of(home) as center, center.begin(SYSTEM) as tx:
        gate.add_node(tx, ae_title, institution or center.settings.institution, host, port, description)
    out.print(f"registered {ae_title}", markup=False)


@nodes.command("list")
def list_nodes(home: Home = None) -> None:
    """List the nodes."""
    from panorad.access import gate

    table = Table("AE title", "institution", "address", "description")
    with center_of(home) as center, center.begin(SYSTEM) as tx:
        for one in gate.nodes(tx):
            table.add_row(one.ae_title, one.institution, f"{one.host}:{one.port}" if one.host else "", one.description)
    out.print(table)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt("Password (at least 12 characters)", hide_input=True, confirmation_prompt=True))


@users.command("add")
def add_user(
    login: Annotated[str, typer.Argument(help="Login.")],
    institution: Annotated[str | None, typer.Option(help="Code of the person's institution; default: the center's own.")] = None,
    name: Annotated[str, typer.Option(help="The person's name; default: the login.")] = "",
    role: Annotated[list[str] | None, typer.Option(help="A role there, such as radiologist; may be repeated.")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")] = False,
    home: Home = None,
) -> None:
    """Make an account."""
    from panorad.access import gate

    password = _password(password_stdin)
    with center_of(home) as center, center.begin(SYSTEM) as tx:
        center.breaches.check(password)
        gate.add_account(tx, login, name, password, institution or center.settings.institution, role or ())
    out.print(f"added {login}", markup=False)


@users.command("passwd")
def change_password(
    login: Annotated[str, typer.Argument(help="Login.")],
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")] = False,
    home: Home = None,
) -> None:
    """Set an account's password and end its sessions."""
    from panorad.access import gate

    password = _password(password_stdin)
    with center_of(home) as center, center.begin(SYSTEM) as tx:
        center.breaches.check(password)
        gate.set_password_of(tx, login, password)
    out.print(f"password of {login} set", markup=False)


@users.command("reset-second-factor")
def reset_second_factor(login: Annotated[str, typer.Argument(help="Login.")], home: Home = None) -> None:
    """Take the second factor off an account whose owner has lost it, and end its sessions."""
    from panorad.access.gate import second_factor, service

    with center_of(home) as center, center.begin(SYSTEM) as tx:
        second_factor.reset(tx, service.account(tx, login).id)
    out.print(f"second factor of {login} removed; a new one can be set up after signing in", markup=False)


@users.command("end-sessions")
def end_sessions(login: Annotated[str, typer.Argument(help="Login.")], home: Home = None) -> None:
    """End every session of an account, within a second."""
    from panorad.access.gate import open_sessions, service

    with center_of(home) as center, center.begin(SYSTEM) as tx:
        count = open_sessions.end_others(tx, service.account(tx, login).id)
    out.print(f"{count} sessions of {login} ended", markup=False)
