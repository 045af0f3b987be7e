"""`panorad token` and `panorad client`: programs that come in; `panorad user link`: a person at the sign-in provider."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from panorad.cli.accounts import users
from panorad.cli.console import Home, center_of, out
from panorad.model.actor import SYSTEM

tokens = typer.Typer(help="Tokens with which programs come in.", no_args_is_help=True)
clients = typer.Typer(help="Programs that get access tokens by themselves (OAuth 2.0).", no_args_is_help=True)

Institution = Annotated[str | None, typer.Option(help="Code of the institution that it acts for; default: the center's own.")]
Scopes = Annotated[list[str], typer.Option("--scope", help="What it may do, such as studies.read; may be repeated.")]
Purpose = Annotated[str, typer.Option(help="The purpose that it acts for.")]


def _days(text: str) -> float:
    found = re.fullmatch(r"(\d{1,4})([dh])", text)
    if found is None:
        raise typer.BadParameter("a number with d for days or h for hours, such as 90d", param_hint="--expires")
    return int(found[1]) / (24 if found[2] == "h" else 1)


def _when(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


@tokens.command("add")
def add_token(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Scopes,
    institution: Institution = None,
    expires: Annotated[str, typer.Option(help="How long it lives: days or hours, at most 366d.")] = "90d",
    purpose: Purpose = "treatment",
    home: Home = None,
) -> None:
    """Make a token and show it, once."""
    from panorad.access import programs

    days = _days(expires)
    with center_of(home) as center, center.begin(SYSTEM) as tx:
        made, word = programs.add_token(tx, name, scope, days, institution or center.settings.institution, purpose)
    out.print(f"{word}\nthis is the token of {made.name} at {made.institution}; it is not shown again", markup=False, soft_wrap=True)


@tokens.command("list")
def list_tokens(home: Home = None) -> None:
    """List the tokens of programs and persons."""
    from panorad.access import programs

    table = Table("token", "for", "institution", "person", "scopes", "until", "last used", "revoked")
    with center_of(home) as center, center.begin(SYSTEM) as tx:
        for one in programs.tokens(tx):
            times = map(_when, (one.expires_at, one.used_at, one.revoked_at))
            table.add_row(one.prefix, one.name, one.institution, one.login or "", " ".join(one.scopes), *times)
    out.print(table)


@tokens.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(help="The token, or its first 13 letters as the list shows them.")], home: Home = None
) -> None:
    """Revoke a token; requests with it are refused within a second."""
    from panorad.access import programs

    with center_of(home) as center, center.begin(SYSTEM) as tx:
        programs.revoke_token(tx, token)
    out.print("revoked", markup=False)


@clients.command("add")
def add_client(
    name: Annotated[str, typer.Argument(help="Its client id: small letters, digits, dots and dashes.")],
    scope: Scopes,
    institution: Institution = None,
    key: Annotated[Path | None, typer.Option(help="File with its public key (JWK or JWK Set); it then signs and has no secret.")] = None,
    lifetime: Annotated[int, typer.Option(help="Seconds that its access tokens live, 60 to 3600.")] = 600,
    purpose: Purpose = "treatment",
    home: Home = None,
) -> None:
    """Add a client and show its secret, once."""
    from panorad.access import programs
    from panorad.access.gate.jose import KeysInvalid
    from panorad.cli.console import errors

    keys = None
    with errors():
        try:
            keys = json.loads(key.read_text("utf-8")) if key else None
        except (OSError, ValueError) as error:
            raise KeysInvalid from error
    with center_of(home) as center, center.begin(SYSTEM) as tx:
        secret = programs.add_client(tx, name, institution or center.settings.institution, scope, keys, lifetime, purpose)
    if secret:
        out.print(f"{secret}\nthis is the secret of {name}; it is not shown again", markup=False, soft_wrap=True)
    else:
        out.print(f"added {name}, which signs", markup=False)


@clients.command("list")
def list_clients(home: Home = None) -> None:
    """List the clients."""
    from panorad.access import programs

    table = Table("client", "institution", "proves itself by", "scopes", "seconds", "first used", "revoked")
    with center_of(home) as center, center.begin(SYSTEM) as tx:
        for one in programs.clients(tx):
            way, times = "signature" if one.signs else "secret", map(_when, (one.used_at, one.revoked_at))
            table.add_row(one.id, one.institution, way, " ".join(one.scopes), str(one.lifetime_s), *times)
    out.print(table)


@clients.command("revoke")
def revoke_client(name: Annotated[str, typer.Argument(help="Its client id.")], home: Home = None) -> None:
    """Revoke a client with all its access tokens; its name is never given again."""
    from panorad.access import programs

    with center_of(home) as center, center.begin(SYSTEM) as tx:
        programs.revoke_client(tx, name)
    out.print(f"revoked {name}", markup=False)


@users.command("link")
def link_user(
    login: Annotated[str, typer.Argument(help="Login of an account that is there.")],
    subject: Annotated[str, typer.Argument(help="The person's subject (`sub`) at the provider.")],
    issuer: Annotated[str, typer.Option(help="The provider's issuer; default: the one in the settings.")] = "",
    home: Home = None,
) -> None:
    """Let a person at the sign-in provider come in as an account that is there."""
    from panorad.access.oidc import service

    with center_of(home) as center, center.begin(SYSTEM) as tx:
        service.link(tx, login, issuer or center.settings.oidc_issuer, subject)
    out.print(f"linked {login}", markup=False)
