"""What a slice contributes, as one typed record; `panorad.app` lists them by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Nav:
    """An entry of the rail: its address, its English label (translated when shown) and the name of its icon.

    `needs` names (resource, action): the entry is shown to who may one of them, to everybody where it names none.
    `staff` leaves out what patients may do with what is their own.
    """

    path: str
    label: str
    icon: str
    needs: tuple[tuple[str, str], ...] = ()
    staff: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice: its name, the folder with its `templates` and `static`.

    Its routes (given the shell's dependencies) and its place in the rail.
    """

    name: str
    root: Path
    routes: Callable[[Any], Any]
    nav: tuple[Nav, ...] = ()
