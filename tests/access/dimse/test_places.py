"""The bounds of one process: how many are served, rejected and closed, in all and for one."""

from panorad.access.dimse.places import REJECTING, REJECTING_EACH, Places


def test_places_come_back() -> None:
    places = Places(2, 2)
    for _ in range(5):
        held = [places.enter("192.0.2.1"), places.enter("192.0.2.1")]
        assert all(place is not None and not place.refusal and places.name(place, "CT1") for place in held)
        further = places.enter("192.0.2.1")
        assert further is not None
        assert further.refusal
        for place in (*held, further):
            assert place is not None
            places.leave(place)


def test_hosts_of_one_ipv6_network_count_as_one() -> None:
    places = Places(10, 1)
    first, second, third = (places.enter(address) for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"))
    assert first is not None and second is not None and third is not None  # noqa: PT018
    assert (first.refusal, second.refusal, third.refusal) == ("", "too many associations of this address", "")


def test_refusals_are_bounded_too() -> None:
    places = Places(0, 0)
    one = [places.enter("192.0.2.1") for _ in range(REJECTING_EACH + 1)]
    assert [place is not None for place in one] == [True] * REJECTING_EACH + [False]
    many = [places.enter(f"192.0.2.{number}") for number in range(2, 100)]
    assert sum(place is not None for place in many) == REJECTING - REJECTING_EACH


def test_without_a_bound_one_may_take_all() -> None:
    places = Places(50, 0)
    held = [places.enter("192.0.2.1") for _ in range(51)]
    assert [place is not None and not place.refusal for place in held] == [True] * 50 + [False]
