"""The commands of `panorad`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from panorad import __version__
from panorad.cli import accounts, archive
from panorad.cli.audit import audit
from panorad.cli.console import Home, err, errors, out, settings_of

app = typer.Typer(
    name="panorad", help="A regional clinical imaging data center.", no_args_is_help=True, add_completion=False, rich_markup_mode=None,
    pretty_exceptions_enable=False,
)  # fmt: skip
app.add_typer(accounts.institutions, name="institution")
app.add_typer(accounts.nodes, name="node")
app.add_typer(accounts.users, name="user")
app.add_typer(accounts.roles, name="role")
app.add_typer(audit, name="audit")
archive.add_to(app)

ROLES = ("web", "dimse", "worker")


@app.command()
def serve(
    home: Home = None,
    http: Annotated[str | None, typer.Option(help="Address and port of the web server.", show_default="127.0.0.1:8080")] = None,
    dimse: Annotated[str | None, typer.Option(help="Address and port of the DICOM server.", show_default="127.0.0.1:11112")] = None,
    dimse_tls: Annotated[
        str | None, typer.Option("--dimse-tls", help="Address and port of the DICOM server over TLS.", show_default="none")
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option(help="Only this role: web, dimse or worker; may be repeated.", show_default="all")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="No sign-in, any calling AE title accepted; loopback addresses only.")] = False,
) -> None:
    """Run the center until SIGTERM or Ctrl-C."""
    from panorad.app.supervisor import Supervisor

    unknown = set(role or ()) - set(ROLES)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: a role is one of {', '.join(ROLES)}", param_hint="--role")
    with errors():
        settings = settings_of(home, http=http, dimse=dimse, dimse_tls=dimse_tls, open=open_ or None)
        Supervisor(settings, tuple(role or ROLES), lambda text: print(text, flush=True)).run()


@app.command()
def status(home: Home = None) -> None:
    """Say what the center holds and whether it runs."""
    from panorad.cli.status import show

    show(home)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(f"panorad {__version__}, Python {sys.version.split()[0]}", markup=False)


__all__ = ["app", "err"]
