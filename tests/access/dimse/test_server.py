"""Stopping a server: what runs may end, what does not is cut; who waits in the kernel is served by another."""

import socket
import threading
import time
from collections.abc import Callable

from panorad.access.dimse import Limits, Server

from .conftest import Center
from .raw import Peer


def test_a_stopped_server_lets_associations_end(start: Callable[..., Center]) -> None:
    center = start()
    with Peer(center.port) as peer:
        peer.associate()
        center.server.stop()
        time.sleep(0.1)
        assert peer.echo() == 0
        peer.release()


def test_what_does_not_end_in_time_is_cut(start: Callable[..., Center]) -> None:
    archive = start().archive
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server({listener: None}, archive.services(), Limits())
        thread = threading.Thread(target=server.run, kwargs={"grace": 0.2})
        thread.start()
        with Peer(listener.getsockname()[1]) as peer:
            peer.associate()
            server.stop()
            thread.join(5)
            assert not thread.is_alive()
            assert peer.ended() is None
    assert server.associations == 0
