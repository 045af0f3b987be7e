"""The busiest addresses, answered without the web framework's layers: one regular expression each, then the endpoint.

The same endpoints stand in the framework's router too, which takes whatever does not match here: other methods, unknown addresses.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from inspect import iscoroutinefunction
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

_THREADS = 32
Endpoint = Callable[[Request], Response] | Callable[[Request], Awaitable[Response]]
_Job = tuple["asyncio.Future[Response]", Callable[[Request], Response], Request]


class Threads:
    """Worker threads that endpoints run in. The one that was busy last goes first: its stack and its caches are warm."""

    def __init__(self, count: int = _THREADS) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[_Job] = deque()
        self._idle: list[_Worker] = []
        for n in range(count):
            self._idle.append(worker := _Worker())
            threading.Thread(target=self._work, args=(worker,), name=f"direct-{n}", daemon=True).start()

    def run(self, endpoint: Callable[[Request], Response], request: Request) -> asyncio.Future[Response]:
        """Have a thread call the endpoint; to be awaited on the loop that calls this."""
        job = asyncio.get_running_loop().create_future(), endpoint, request
        with self._lock:
            if self._idle:
                worker = self._idle.pop()
                worker.job = job
                worker.called.release()
            else:
                self._waiting.append(job)
        return job[0]

    def _work(self, worker: _Worker) -> None:
        while True:
            worker.called.acquire()
            job = worker.job
            while job is not None:
                worker.job = None
                _do(*job)
                with self._lock:
                    job = self._waiting.popleft() if self._waiting else None
                    if job is None:
                        self._idle.append(worker)


class _Worker:
    """A thread's place to wait for a job."""

    def __init__(self) -> None:
        self.called = threading.Lock()
        self.called.acquire()
        self.job: _Job | None = None


def _do(answer: asyncio.Future[Response], endpoint: Callable[[Request], Response], request: Request) -> None:
    try:
        response, error = endpoint(request), None
    except Exception as raised:
        response, error = None, raised
    with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever asked
        answer.get_loop().call_soon_threadsafe(_settle, answer, response, error)


def _settle(answer: asyncio.Future[Response], response: Response | None, error: Exception | None) -> None:
    if answer.cancelled():
        return
    if response is not None:
        answer.set_result(response)
    else:
        answer.set_exception(error or RuntimeError("no answer"))


class Direct:
    """An ASGI application in front of another: it answers at its own places, in their order, and leaves the rest to `otherwise`.

    A place is a method, an address with its parameters in braces, and an endpoint: a plain function, which is called in a worker thread,
    or a coroutine function. `around` puts the shell's middleware around what is answered here; `application` is what requests see.
    """

    def __init__(
        self,
        otherwise: ASGIApp,
        places: Iterable[tuple[str, str, Endpoint]],
        around: Callable[[ASGIApp], ASGIApp],
        application: object,
    ) -> None:
        self._otherwise = otherwise
        self._application = application
        self._inner = around(self._answer)
        self._threads = Threads()
        self._places = defaultdict(list)
        for method, path, endpoint in places:
            plain = cast("Callable[[Request], Response]", endpoint)
            answer = endpoint if iscoroutinefunction(endpoint) else partial(self._threads.run, plain)
            self._places[method].append((compile_path(path), answer))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "http":
            for (pattern, _, convertors), endpoint in self._places.get(scope["method"], ()):
                if found := pattern.match(scope["path"]):
                    scope["app"], scope["endpoint"] = self._application, endpoint
                    scope["path_params"] = {name: convertors[name].convert(value) for name, value in found.groupdict().items()}
                    await self._inner(scope, receive, send)
                    return
        await self._otherwise(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await scope["endpoint"](Request(scope, receive, send))
        await response(scope, receive, send)
