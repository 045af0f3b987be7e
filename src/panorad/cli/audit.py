"""`panorad audit`: what can be proved of the event log."""

from __future__ import annotations

from typing import Annotated

import typer

from panorad.cli.console import Home, center_of, err, out, progress

audit = typer.Typer(help="The log of everything that happened, and its seals.", no_args_is_help=True)


@audit.command("verify")
def verify(
    head: Annotated[str, typer.Option(help="A head that an earlier run printed; the chain must hold it.", metavar="NUMBER:DIGEST")] = "",
    home: Home = None,
) -> None:
    """Read the event log again against its seals, and name the first event that was changed, removed or added.

    Exit status 2 when something is wrong. Note the head that it prints somewhere else: whoever can write every table of the database
    can also seal it anew, and the noted head then shows that.
    """
    from panorad.data import process

    with center_of(home) as center, progress() as bar:
        process.seal_some(center.begin)
        task = bar.add_task("reading events", total=None)
        verdict = process.verify(center.begin, lambda done: bar.update(task, completed=done), head)
    if verdict.fault:
        err.print(verdict.fault, markup=False, soft_wrap=True)
    out.print(f"{verdict.events} events under {verdict.seals} seals agree; head {verdict.head}", markup=False, soft_wrap=True)
    if verdict.fault:
        raise typer.Exit(2)
