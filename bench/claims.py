"""What a claim is, how it is measured, and how it is judged."""

import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .rivals import NAMES, Name, Side, running


@dataclass(frozen=True)
class Claim:
    """A sentence with a number: at least ``ratio`` times the rival, or within ``bound`` of its own unit."""

    title: str
    unit: str
    better: Literal["more", "less"]
    ratio: float | None = None
    bound: float | None = None


@dataclass
class Result:
    """All repetitions of one claim, by side."""

    claim: Claim
    values: dict[Name, list[float]] = field(default_factory=dict)
    note: str = ""

    def median(self, name: Name) -> float | None:
        """Return the median of a side, or None where it was not measured."""
        return statistics.median(self.values[name]) if self.values.get(name) else None

    @property
    def ratio(self) -> float | None:
        """Say how many times better we are than the rival: above 1 is better whatever the unit."""
        ours, theirs = self.median("panorad"), self.median("orthanc")
        if not ours or not theirs:
            return None
        return ours / theirs if self.claim.better == "more" else theirs / ours

    @property
    def holds(self) -> bool | None:
        """Say whether the claim holds; None where this run cannot tell."""
        ours, verdicts = self.median("panorad"), list[bool]()
        if self.claim.ratio is not None and self.ratio is not None:
            verdicts.append(self.ratio >= self.claim.ratio)
        if self.claim.bound is not None and ours is not None:
            verdicts.append(ours >= self.claim.bound if self.claim.better == "more" else ours <= self.claim.bound)
        return all(verdicts) if verdicts else None


@dataclass
class Lab:
    """One run of one bench: where it works, how large, which sides, and what came out.

    ``tiny`` makes everything small enough for every build; the figures then say only that the bench still works.
    """

    folder: Path
    tiny: bool
    repeat: int
    names: tuple[Name, ...] = NAMES
    results: list[Result] = field(default_factory=list)

    def size(self, full: int, tiny: int) -> int:
        """Return the number of things to use: ``full``, or ``tiny`` in a tiny run."""
        return tiny if self.tiny else full

    @contextmanager
    def sides(self) -> Iterator[dict[Name, Side]]:
        """Start the sides of this run, each in an empty home."""
        with ExitStack() as stack:
            yield {name: stack.enter_context(running(name, self.folder)) for name in self.names}

    def compare(self, claim: Claim, sides: dict[Name, Side], measure: Callable[[Side, int], float], note: str = "") -> Result:
        """Measure every side ``repeat`` times, in alternating order, from clean buffers.

        ``measure(side, repetition)`` returns the figure in the unit of the claim.
        """
        result = Result(claim, {name: [] for name in sides}, note)
        for repetition in range(self.repeat):
            order = list(sides)[:: 1 if repetition % 2 == 0 else -1]
            for name in order:
                os.sync()
                result.values[name].append(measure(sides[name], repetition))
        self.results.append(result)
        return result
