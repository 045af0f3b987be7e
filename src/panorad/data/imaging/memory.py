"""What a process remembers of the index it writes, so that it need not ask again."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

_MOST = 8192


class Memory:
    """Ids of series, objects, SOP classes and transfer syntaxes by what names them.

    What a transaction learns is fresh until `keep`, which is called when it has committed. Used by one thread.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._fresh: dict[tuple[Any, ...], Any] = {}

    def get(self, *name: Any) -> Any:
        """The id under a name, or None."""
        return self._fresh.get(name) or self._kept.get(name)

    def learn(self, *name: Any, id: Any) -> None:
        """Remember an id for the rest of the transaction."""
        self._fresh[name] = id

    def keep(self) -> None:
        """The transaction has committed: what it learned counts; what was learned first is forgotten first."""
        self._kept.update(self._fresh)
        self._fresh.clear()
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)

    def drop(self) -> None:
        """The transaction is not, or begins anew: forget what it learned."""
        self._fresh.clear()

    def clear(self) -> None:
        """Forget everything: the index may be another one."""
        self._kept.clear()
        self._fresh.clear()
