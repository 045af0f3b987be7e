"""Peers that break the rules: each is cut off with the abort that PS3.8 asks for, and the others are served on."""

import os
import socket
import threading
import time
from collections.abc import Callable

import pytest

from panorad.access.dimse import Server
from panorad.access.dimse.pdu import PduType
from panorad.access.dimse.places import REJECTING_EACH
from panorad.access.dimse.states import TABLE, Action, State, action
from panorad.access.dimse.upper_layer import LONGEST

from .archive import keep, make
from .conftest import Center
from .raw import Peer, command, pdata, pdv, request, store_command

ABORT = 7


def healthy(center: Center) -> None:
    with Peer(center.port) as peer:
        peer.associate()
        assert peer.echo() == 0
        peer.release()


def test_the_table_is_that_of_the_standard() -> None:
    """PS3.8 Table 9-10, the rows and columns of the states in which a PDU is awaited."""
    standard = {
        "Sta2": {1: "AE-6", 2: "AA-1", 3: "AA-1", 4: "AA-1", 5: "AA-1", 6: "AA-1", 7: "AA-2", 99: "AA-1"},
        "Sta5": {1: "AA-8", 2: "AE-3", 3: "AE-4", 4: "AA-8", 5: "AA-8", 6: "AA-8", 7: "AA-3", 99: "AA-8"},
        "Sta6": {1: "AA-8", 2: "AA-8", 3: "AA-8", 4: "DT-2", 5: "AR-2", 6: "AA-8", 7: "AA-3", 99: "AA-8"},
        "Sta7": {1: "AA-8", 2: "AA-8", 3: "AA-8", 4: "DT-2", 5: "AR-2", 6: "AR-3", 7: "AA-3", 99: "AA-8"},
        "Sta13": {2: "AA-6", 3: "AA-6", 4: "AA-6", 5: "AA-6", 6: "AA-6", 7: "AA-2"},
    }
    for state, row in standard.items():
        for kind, expected in row.items():
            assert expected in action(State(state), kind).value.split(", "), (state, kind)
    assert set(TABLE) == {State(state) for state in standard}
    assert action(State.AWAIT_CLOSE, PduType.ASSOCIATE_RQ) is Action.IGNORE


@pytest.mark.parametrize(
    "raw, source",
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 0),
        (bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0)), 0),
        (pdata(pdv(1, 3, b"x")), 0),
        (b"\x01\x00\xff\xff\xff\xff", 2),
        (b"\x01\x00\x00\x00\x00\x04abcd", 2),
        (request()[:6] + bytes(len(request()) - 6), 2),
    ],
    ids=["http", "tls", "release", "data", "giant", "short", "zeros"],
)
def test_a_connection_that_begins_otherwise_is_aborted(center: Center, raw: bytes, source: int) -> None:
    with Peer(center.port) as peer:
        peer.send(raw)
        kind, body = peer.ended() or (0, b"")
        assert (kind, body[2]) == (ABORT, source)
    healthy(center)


@pytest.mark.parametrize(
    "raw, reason",
    [
        (request(), 2),
        (b"\x09\x00\x00\x00\x00\x04abcd", 1),
        (b"\x04\x00\xff\xff\xff\xff", 6),
        (b"\x04\x00\x00\x00\x00\x03abc", 6),
        (b"\x04\x00\x00\x00\x00\x0a\xff\xff\xff\xff\x01\x03abcd", 6),
        (b"\x04\x00\x00\x00\x00\x0a\x00\x00\x00\x01\x01\x03abcd", 6),
        (b"\x04\x00\x00\x00\x00\x0c\x00\x00\x00\x02\x01\x03abcdef"[:18], 6),
        (pdata(pdv(1, 2, b"data without a command")), 6),
        (pdata(pdv(1, 3, b"not a command set")), 6),
        (pdata(pdv(99, 3, store_command("1.2"))), 6),
        (pdata(pdv(1, 3, store_command("1.2")), pdv(3, 0, b"data of another context")), 6),
        (pdata(pdv(1, 3, store_command("1.2")), pdv(1, 3, store_command("1.3"))), 6),
        (pdata(pdv(1, 1, bytes(60000))) * 3, 6),
        (bytes((5, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0)), 6),
    ],
)
def test_what_breaks_the_rules_of_an_association_is_aborted(center: Center, raw: bytes, reason: int) -> None:
    with Peer(center.port) as peer:
        peer.associate()
        peer.send(raw)
        kind, body = peer.ended() or (0, b"")
        assert (kind, tuple(body[2:])) == (ABORT, (2, reason))
    healthy(center)
    assert center.archive.instances == []


def test_random_bytes_after_a_good_start(center: Center) -> None:
    for seed in range(15):
        with Peer(center.port) as peer:
            peer.associate()
            peer.send(pdata(pdv(1, 3, store_command(f"1.{seed}"))))
            peer.send(os.urandom(3000))
            last = peer.ended()
            assert last is None or last[0] in (4, ABORT)
    healthy(center)


@pytest.mark.parametrize("cut", [1, 6, 30, 100])
def test_a_connection_cut_in_its_first_words(center: Center, cut: int) -> None:
    with Peer(center.port) as peer:
        peer.send(request()[:cut])
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.ended() is None
    center.wait(lambda: center.server.associations == 0)
    healthy(center)


def drip(peer: Peer, data: bytes) -> None:
    for byte in data:
        peer.send(bytes((byte,)))
        time.sleep(0.05)


def test_a_peer_that_drips_its_request_is_given_up(start: Callable[..., Center]) -> None:
    center = start(request_seconds=0.4)
    began = time.monotonic()
    with Peer(center.port) as peer:
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            drip(peer, request())
        assert time.monotonic() - began < 3
    healthy(center)


def test_a_silent_association_is_aborted(start: Callable[..., Center]) -> None:
    center = start(idle_seconds=0.3)
    with Peer(center.port) as peer:
        peer.associate()
        assert peer.ended() == (ABORT, bytes(4))
    center.wait(lambda: center.server.associations == 0)


def test_a_request_while_another_is_served_is_aborted(center: Center) -> None:
    find = "1.2.840.10008.5.1.4.1.2.2.1"
    with Peer(center.port) as peer:
        peer.associate(request([(find, ["1.2.840.10008.1.2"])]))
        identifier = b"\x08\x00\x52\x00\x06\x00\x00\x00STUDY " + b"\x20\x00\x0d\x00\x00\x00\x00\x00"
        keep(center.archive, make())
        order = command(e0002=find, e0100=0x20, e0110=1, e0700=0, e0800=0)
        peer.send(pdata(pdv(1, 3, order), pdv(1, 2, identifier)) + pdata(pdv(1, 3, order)))
        while (last := peer.ended()) is not None and last[0] == 4:
            pass
        assert last is not None
        assert (last[0], tuple(last[1][2:])) == (ABORT, (2, 2))
    healthy(center)


def test_more_associations_than_the_limit_are_rejected_for_the_moment(start: Callable[..., Center]) -> None:
    center = start(associations=2)
    with Peer(center.port) as first, Peer(center.port) as second:
        first.associate()
        second.associate()
        with Peer(center.port) as third:
            third.send(request())
            kind, body = third.pdu()
            assert (kind, tuple(body[1:])) == (3, (2, 3, 2))
        first.release()
        second.release()
    center.wait(lambda: center.server.associations == 0)
    healthy(center)


def rejected(port: int, calling: str = "PEER") -> tuple[int, ...] | None:
    """The reason with which one more association is rejected, or None when its connection is only closed."""
    with Peer(port) as peer:
        try:
            peer.send(request(calling=calling))
            kind, body = peer.pdu()
        except (EOFError, ConnectionError):
            return None
        assert kind == 3
        return tuple(body[1:])


def test_one_address_cannot_take_every_place(start: Callable[..., Center]) -> None:
    """More than its share is rejected for the moment, many more are closed without a word, and another address is served on."""
    center = start(associations=8, each=3)
    peers = [Peer(center.port) for _ in range(3)]
    for peer in peers[:2]:
        peer.associate()  # the third holds its place without a word
    assert rejected(center.port) == (2, 3, 2)
    crowd = [Peer(center.port) for _ in range(12)]
    center.wait(lambda: center.server.associations == 3 + REJECTING_EACH)
    assert rejected(center.port) is None
    with Peer(center.port, source="127.0.0.2") as other:
        other.associate()
        assert other.echo() == 0
    for peer in (*crowd, *peers):
        peer.socket.close()
    center.wait(lambda: center.server.associations == 0)
    healthy(center)
    assert "too many associations of this address" in {event.detail["reason"] for event in center.archive.events}


def test_one_node_cannot_take_every_place_from_many_addresses(start: Callable[..., Center]) -> None:
    center = start(associations=8, each=2)
    with Peer(center.port, source="127.0.0.2") as first, Peer(center.port, source="127.0.0.3") as second:
        first.associate()
        second.associate()
        assert rejected(center.port) == (2, 3, 2)
        with Peer(center.port) as other:
            other.associate(request(calling="OTHER"))
        first.release()
        center.wait(lambda: center.server.associations <= 1, 15)
        healthy(center)
        second.release()


def test_connections_that_say_nothing_are_closed_in_time(start: Callable[..., Center]) -> None:
    """Half-open connections, and half an A-ASSOCIATE-RQ: the ARTIM timer (PS3.8 section 9.1.5)."""
    center = start(request_seconds=0.5)
    peers = [Peer(center.port) for _ in range(6)]
    for peer in peers[3:]:
        peer.send(request()[:80])
    healthy(center)
    center.wait(lambda: center.server.associations == 0, 4)
    for peer in peers:
        peer.socket.close()


def test_a_pdu_that_drips_is_cut_and_what_came_of_it_dropped(start: Callable[..., Center]) -> None:
    center = start(pdu_seconds=0.4)
    with Peer(center.port) as peer:
        peer.associate()
        peer.send(pdata(pdv(1, 3, store_command("1.2.3"))))
        began = time.monotonic()
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            drip(peer, pdata(pdv(1, 2, bytes(500))))
        assert time.monotonic() - began < 3
    center.wait(lambda: center.archive.aborted == 1)
    healthy(center)


def test_pauses_between_pdus_do_not_count_as_dripping(start: Callable[..., Center]) -> None:
    center = start(pdu_seconds=0.3)
    with Peer(center.port) as peer:
        peer.associate()
        for _ in range(3):
            time.sleep(0.4)
            assert peer.echo() == 0
        peer.release()


def test_the_longest_request_is_read_and_a_longer_one_is_not(center: Center) -> None:
    most = LONGEST[PduType.ASSOCIATE_RQ]
    with Peer(center.port) as peer:
        peer.send(b"\x01\x00" + (most + 1).to_bytes(4, "big"))
        kind, body = peer.ended() or (0, b"")
        assert (kind, tuple(body[2:])) == (ABORT, (2, 6))
    filler = request()
    unknown = b"\x99\x00\xff\xff" + bytes(65535)
    body = filler[6:] + unknown * ((most - len(filler)) // len(unknown))
    with Peer(center.port) as peer:
        peer.associate(b"\x01\x00" + len(body).to_bytes(4, "big") + body)
        assert peer.echo() == 0


def test_two_servers_share_one_listening_socket(start: Callable[..., Center]) -> None:
    center = start()
    [(own, _)] = center.server._listeners.values()
    listener = own.dup()
    other = Server({listener: None}, center.archive.services())
    thread = threading.Thread(target=other.run, kwargs={"grace": 3})
    thread.start()
    peers = [Peer(center.port) for _ in range(6)]
    try:
        for peer in peers:
            peer.associate()
        assert center.server.associations + other.associations == 6
        assert min(center.server.associations, other.associations) >= 1
    finally:
        for peer in peers:
            peer.release()
            peer.socket.close()
        other.stop()
        thread.join(10)
        listener.close()
    healthy(center)
