"""The busiest addresses, answered without the web framework's layers: one regular expression each, then the endpoint in a worker thread.

The same endpoints stand in the framework's router too, which takes whatever does not match here: other methods, unknown addresses.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

_THREADS = 32
_Job = tuple["asyncio.Future[Response]", Callable[[Request], Response], Request]


class Threads:
    """Worker threads that endpoints run in: a queue, and a future for each call; every frame pays for them."""

    def __init__(self, count: int = _THREADS) -> None:
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        for n in range(count):
            threading.Thread(target=self._work, name=f"direct-{n}", daemon=True).start()

    def run(self, endpoint: Callable[[Request], Response], request: Request) -> asyncio.Future[Response]:
        """Have a thread call the endpoint; to be awaited on the loop that calls this."""
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._jobs.put((answer, endpoint, request))
        return answer

    def _work(self) -> None:
        while True:
            answer, endpoint, request = self._jobs.get()
            try:
                response, error = endpoint(request), None
            except Exception as raised:
                response, error = None, raised
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever asked
                answer.get_loop().call_soon_threadsafe(_settle, answer, response, error)
            del answer, request, response, error


def _settle(answer: asyncio.Future[Response], response: Response | None, error: Exception | None) -> None:
    if answer.cancelled():
        return
    if response is not None:
        answer.set_result(response)
    else:
        answer.set_exception(error or RuntimeError("no answer"))


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
        self._threads = Threads()
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
        response = await self._threads.run(scope["endpoint"], Request(scope, receive, send))
        await response(scope, receive, send)
