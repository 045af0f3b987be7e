"""Pages of a long list, and links that keep what else the address asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request

SIZE = 50
LAST = 10_000
"""No page beyond this one is served: an offset costs what it skips."""


@dataclass(frozen=True, slots=True)
class Paging:
    """Where a page stands in its list. `exact` is False when the list is longer than was counted."""

    number: int
    total: int
    size: int = SIZE
    exact: bool = True

    @property
    def first(self) -> int:
        """Place of the page's first row, from 1; 0 in an empty list."""
        return min(self.total, (self.number - 1) * self.size + 1)

    @property
    def last(self) -> int:
        """Place of the page's last row."""
        return min(self.total, self.number * self.size)

    @property
    def pages(self) -> int:
        """How many pages the counted rows fill."""
        return max(1, -(-self.total // self.size))

    @property
    def previous(self) -> int | None:
        """Number of the page before, if any."""
        return self.number - 1 if self.number > 1 else None

    @property
    def next(self) -> int | None:
        """Number of the page after, if any."""
        return self.number + 1 if self.number < self.pages else None


def page_number(request: Request) -> int:
    """The page that the address asks for, from 1; anything unreadable means the first."""
    text = request.query_params.get("page", "1")
    return max(1, min(LAST, int(text))) if text.isascii() and text.isdigit() and len(text) < 8 else 1


def link(request: Request, path: str | None = None, **changes: str | int | None) -> str:
    """This address with parameters changed; None drops one. Changing anything but the page goes back to page 1."""
    kept: Mapping[str, str] = dict(request.query_params)
    merged = {**kept, **({} if "page" in changes else {"page": ""}), **changes}
    query = urlencode({key: value for key, value in merged.items() if value not in ("", None)})
    where = path if path is not None else request.url.path
    return f"{where}?{query}" if query else where
