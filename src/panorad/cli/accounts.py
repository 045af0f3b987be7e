"""`panorad institution`, `panorad node`, `panorad user`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from panorad.cli.console import Home, center_of, out
from panorad.model.actor import SYSTEM
from panorad.model.certificate import Binding, fingerprint_of_pem

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
    tls: Annotated[bool, typer.Option("--tls", help="Send to it over TLS.")] = False,
    home: Home = None,
) -> None:
    """Register a node, or change it."""
    from panorad.access import gate

    with center_of(home) as center, center.begin(SYSTEM) as tx:
        gate.add_node(tx, ae_title, institution or center.settings.institution, host, port, description, tls)
    out.print(f"registered {ae_title}", markup=False)


Title = Annotated[str, typer.Argument(help="AE title of a registered node.")]
File = Annotated[Path | None, typer.Option("--certificate", help="PEM file of the certificate.")]
Sha256 = Annotated[str | None, typer.Option("--sha256", help="SHA-256 fingerprint of the certificate, with or without colons.")]
Name = Annotated[str | None, typer.Option(help="DNS name in the certificate, or where it has none its common name.")]
AnyOne = Annotated[bool, typer.Option("--any", help="Any certificate of an authority that we trust.")]


def _binding(certificate: Path | None, sha256: str | None, name: str | None, any_one: bool) -> Binding:
    if sum((certificate is not None, sha256 is not None, name is not None, any_one)) != 1:
        raise typer.BadParameter("give one of --certificate, --sha256, --name, --any")
    if certificate is not None:
        try:
            sha256 = fingerprint_of_pem(certificate.read_text("ascii", "replace"))
        except OSError as error:
            raise typer.BadParameter(f"{certificate}: {error.strerror}", param_hint="--certificate") from None
        if sha256 is None:
            raise typer.BadParameter(f"{certificate} holds no certificate in PEM form", param_hint="--certificate")
    if sha256 is not None:
        return Binding("sha256", sha256)
    return Binding("any") if name is None else Binding("name", name)


@nodes.command("bind")
def bind_node(
    ae_title: Title, certificate: File = None, sha256: Sha256 = None, name: Name = None, any_one: AnyOne = False, home: Home = None
) -> None:
    """Bind a node to a certificate: it calls over TLS only from then on. It may have several, such as its next one."""
    from panorad.access import gate

    binding = _binding(certificate, sha256, name, any_one)
    with center_of(home) as center, center.begin(SYSTEM) as tx:
        gate.bind(tx, ae_title, binding)
    out.print(f"bound {ae_title}", markup=False)


@nodes.command("unbind")
def unbind_node(
    ae_title: Title, certificate: File = None, sha256: Sha256 = None, name: Name = None, any_one: AnyOne = False, home: Home = None
) -> None:
    """Take a certificate from a node; without any it calls plainly only."""
    from panorad.access import gate

    binding = _binding(certificate, sha256, name, any_one)
    with center_of(home) as center, center.begin(SYSTEM) as tx:
        gate.unbind(tx, ae_title, binding)
    out.print(f"unbound {ae_title}", markup=False)


@nodes.command("list")
def list_nodes(home: Home = None) -> None:
    """List the nodes."""
    from panorad.access import gate

    table = Table("AE title", "institution", "address", Column("certificate", overflow="fold"), "description")
    with center_of(home) as center, center.begin(SYSTEM) as tx:
        for one in gate.nodes(tx):
            address = f"{one.host}:{one.port}{' TLS' if one.tls else ''}" if one.host else ""
            bound = "\n".join(map(str, gate.bindings(tx, one.ae_title)))
            table.add_row(one.ae_title, one.institution, address, bound, one.description)
    out.print(table)


roles = typer.Typer(help="What people are at institutions.", no_args_is_help=True)


@roles.command("give")
def give_role(
    login: Annotated[str, typer.Argument(help="Login.")],
    role: Annotated[str, typer.Argument(help="The role, such as radiologist or audit-administrator.")],
    institution: Annotated[str | None, typer.Option(help="Code of the institution; default: the center's own.")] = None,
    home: Home = None,
) -> None:
    """Give an account a role at an institution."""
    from panorad.access import gate

    with center_of(home) as center, center.begin(SYSTEM) as tx:
        gate.give_role(tx, login, institution or center.settings.institution, role)
    out.print(f"{login} is {role}", markup=False)


@roles.command("take")
def take_role(
    login: Annotated[str, typer.Argument(help="Login.")],
    role: Annotated[str, typer.Argument(help="The role.")],
    institution: Annotated[str | None, typer.Option(help="Code of the institution; default: the center's own.")] = None,
    home: Home = None,
) -> None:
    """Take a role away."""
    from panorad.access import gate

    with center_of(home) as center, center.begin(SYSTEM) as tx:
        gate.take_role(tx, login, institution or center.settings.institution, role)
    out.print(f"{login} is no {role} any more", markup=False)


@roles.command("list")
def list_roles(
    login: Annotated[str | None, typer.Argument(help="Login; default: everybody.")] = None,
    home: Home = None,
) -> None:
    """List who is what where."""
    from panorad.access import gate

    table = Table("login", "institution", "role", "since")
    with center_of(home) as center, center.begin(SYSTEM) as tx:
        for one in gate.held(tx, login):
            table.add_row(one.login, one.institution, one.role, f"{one.given_at:%Y-%m-%d}")
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
        gate.set_password_of(tx, login, password)
    out.print(f"password of {login} set", markup=False)
