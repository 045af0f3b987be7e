"""The busiest addresses, answered without the web framework's layers: one regular expression each, then the endpoint in a worker thread.

The same endpoints stand in the framework's router too, which takes whatever does not match here: other methods, unknown addresses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

_THREADS = 32


class Direct:
    """An ASGI application in front of another: it answers GET at its own places, in their order, and leaves the rest to `otherwise`.

    A place is an address with its parameters in braces, and a plain function. `around` puts the shell's middleware around what is
    answered here; `application` is what requests see as theirs.
    """

    def __init__(
        self,
        otherwise: ASGIApp,
        places: Iterable[tuple[str, Callable[[Request], Response]]],
        around: Callable[[ASGIApp], ASGIApp],
        application: object,
    ) -> None:
        self._otherwise = otherwise
        self._application = application
        self._inner = around(self._answer)
        self._pool = ThreadPoolExecutor(_THREADS, "direct")
        self._places = [(compile_path(path), endpoint) for path, endpoint in places]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "http" and scope["method"] == "GET":
            for (pattern, _, convertors), endpoint in self._places:
                if found := pattern.match(scope["path"]):
                    scope["app"], scope["endpoint"] = self._application, endpoint
                    scope["path_params"] = {name: convertors[name].convert(value) for name, value in found.groupdict().items()}
                    await self._inner(scope, receive, send)
                    return
        await self._otherwise(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        response = await asyncio.get_running_loop().run_in_executor(self._pool, scope["endpoint"], request)
        await response(scope, receive, send)
