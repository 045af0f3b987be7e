"""How commands speak: one console, errors as one sentence and exit status 1, a center opened for a command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from panorad.app.home import configure_log, prepare_home
from panorad.kit.errors import PanoradError
from panorad.settings import Settings, load

if TYPE_CHECKING:
    from panorad.app.center import Center

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Home = Annotated[Path | None, typer.Option("--home", help="Home folder of the center.", envvar="PANORAD_HOME", show_default="panorad-home")]


@contextmanager
def errors() -> Iterator[None]:
    """An error of ours is told in one sentence."""
    try:
        yield
    except PanoradError as error:
        err.print(f"panorad: {error.message}", style="red", markup=False)
        raise typer.Exit(1) from None


def settings_of(home: Path | None, **given: Any) -> Settings:
    """The settings in force for this command."""
    settings = load(home, **given)
    configure_log(settings.log_level)
    return settings


@contextmanager
def center_of(home: Path | None, *, alone: bool = False) -> Iterator[Center]:
    """The center of a home folder, running or not, for one command; with `alone`, only when none is running."""
    from panorad.app.center import Center
    from panorad.app.embedded import database_of
    from panorad.app.prepare import fill

    with errors():
        settings = settings_of(home)
        prepare_home(settings)
        with database_of(settings, alone=alone) as dsn, Center(settings, dsn) as center:
            fill(center)
            yield center


def progress() -> Progress:
    """A progress bar on standard error; plain lines are left to the end where there is no terminal."""
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=err,
        transient=True, disable=not sys.stderr.isatty(),
    )  # fmt: skip
