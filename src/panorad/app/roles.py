"""The process behind each role: `python -m panorad.app.roles web|dimse|worker`, started by the supervisor."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
from types import FrameType

from panorad.app.home import configure_log
from panorad.app.supervisor import DIMSE_SOCKET, DIMSE_TLS_SOCKET, ENVIRONMENT
from panorad.kit.errors import PanoradError
from panorad.settings import Settings, address, from_json

_PR_SET_PDEATHSIG = 1
_HTTP_BUFFER = 1 << 20
"""Bytes of a request's body handed over at once, at most; each handing over takes two changes of thread."""
_NOW_AND_THEN = 10
"""Rounds of the worker, about a second each, between looks for segments whose process died, and between seals on the event log."""


def end_with_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """Get a signal when the parent process goes away (Linux); a process that was forked has to ask for it anew."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def _stop_event() -> threading.Event:
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    return stopping


def web(settings: Settings) -> None:
    """Granian serving `panorad.app.web:application` in its worker processes."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings

    host, port = address(settings.http)
    Granian(
        "panorad.app.web:application", factory=True, address=host, port=port, interface=Interfaces.ASGI, workers=settings.web_workers,
        runtime_threads=1, blocking_threads=1, backpressure=128, log_enabled=settings.log_level == "debug", respawn_failed_workers=True,
        websockets=False, http1_settings=HTTP1Settings(max_buffer_size=_HTTP_BUFFER),
    ).serve()  # fmt: skip


def dimse(settings: Settings) -> None:
    """One DICOM server process on the listening sockets that all of them share."""
    from panorad.app.center import Center
    from panorad.app.dimse import server_of

    def inherited(name: str) -> socket.socket | None:
        return socket.socket(fileno=int(os.environ[name])) if name in os.environ else None

    with Center(settings, settings.database, blank_segments=True) as center:
        server = server_of(center, inherited(DIMSE_SOCKET), inherited(DIMSE_TLS_SOCKET))
        signal.signal(signal.SIGTERM, lambda number, frame: server.stop())
        server.run(grace=5)


def worker(settings: Settings) -> None:
    """Settles quiet series, indexes what a process that died left, seals events and hands them over, keeps blank segments ready."""
    import structlog

    from panorad.app.center import Center
    from panorad.data import process
    from panorad.data.imaging.recovery import recover
    from panorad.data.imaging.settling import settle_some
    from panorad.model.actor import SYSTEM

    log = structlog.get_logger()
    stopping = _stop_event()
    with Center(settings, settings.database) as center:
        if (collector := center.audit_collector()) is not None:
            arguments = (center.begin, collector, center.audit_source(), stopping)
            threading.Thread(target=process.keep_forwarding, args=arguments, name="audit trail", daemon=True).start()
        rounds = 0
        while not stopping.is_set():
            try:
                if rounds % 3600 == 0:
                    with center.begin(SYSTEM) as tx:
                        process.ensure_partitions(tx)
                if rounds % _NOW_AND_THEN == 0:
                    recover(center.begin, center.indexer, center.blobs, settings.open_marks, center.actor_of)
                    process.seal_some(center.begin)
                rounds += 1
                center.blanks.refill()
                if settle_some(center.begin, center.blobs, settings.cache, settings.settle_after_s):
                    continue
            except (PanoradError, OSError) as error:
                log.error("the worker will try again", reason=str(error))
            stopping.wait(1.0)


ROLES = {"web": web, "dimse": dimse, "worker": worker}


def main() -> None:
    """Run the role that the first argument names."""
    settings = from_json(os.environ[ENVIRONMENT])
    configure_log(settings.log_level)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # terminal interrupts are the supervisor's business
    end_with_parent()
    ROLES[sys.argv[1]](settings)


if __name__ == "__main__":
    main()
