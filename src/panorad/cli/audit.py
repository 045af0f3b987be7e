"""`panorad audit`: what can be proved of the event log."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
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


@audit.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="File to write.")],
    form: Annotated[str, typer.Option("--format", help="dicom (PS3.15 A.5, XML), fhir (AuditEvent, one a line) or csv.")] = "csv",
    since: Annotated[str | None, typer.Option("--from", help="First day, such as 2026-03-01, in UTC.", metavar="DAY")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last day, in UTC.", metavar="DAY")] = None,
    home: Home = None,
) -> None:
    """Write the audit trail to a file, oldest first. That it was written is an event."""
    from panorad.data import process
    from panorad.management.audit.export import FORMATS
    from panorad.model.actor import SYSTEM
    from panorad.model.event import Event

    if form not in FORMATS:
        raise typer.BadParameter(f"{form}: one of {', '.join(FORMATS)}", param_hint="--format")
    last = _day(until, "--to")
    wanted = process.Wanted(since=_day(since, "--from"), until=last + timedelta(days=1) if last else None)
    with ExitStack() as stack:
        center = stack.enter_context(center_of(home))
        with center.begin(SYSTEM) as tx:
            tx.emit(Event("audit.exported", {}, {"format": form, "from": since, "to": until}))
        bar = stack.enter_context(progress())
        task = bar.add_task("writing events", total=None)
        count = 0
        with file.open("wb") as out_file:
            for piece in FORMATS[form][0](process.walk(center.begin, SYSTEM, wanted), center.audit_source()):
                out_file.write(piece)
                count += 1
                if count % 1000 == 0:
                    bar.update(task, completed=count)
    out.print(f"the audit trail was written to {file}", markup=False, soft_wrap=True)


def _day(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise typer.BadParameter(f"{text} is not a day such as 2026-03-01", param_hint=name) from None
