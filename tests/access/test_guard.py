"""Brute force: who fails waits, whoever else does not."""

from __future__ import annotations

import sys

import pytest

from heliograph.access.guard import MOST_ADDRESSES, MOST_NAMES, MOST_PAIRS, Guard, network_of
from heliograph.errors import RequestRejected

NOW_US = 1_800_000_000_000_000
NAME = "hg_live_0123abcd"


class Wall:
    def __init__(self) -> None:
        self.us = NOW_US

    def __call__(self) -> int:
        return self.us

    def advance(self, seconds: float) -> None:
        self.us += int(seconds * 1_000_000)


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def guard(wall: Wall) -> Guard:
    return Guard(wall)


def fails(guard: Guard, peer: str | None, name: str = NAME) -> int:
    """The seconds to wait that a failure is told; 0: an ordinary no."""
    try:
        guard.failed(peer, name)
    except RequestRejected as rejected:
        return rejected.retry_after_s or -1
    return 0


def gets_in(guard: Guard, peer: str | None, name: str = NAME) -> bool:
    try:
        guard.check(peer, name)
        guard.passed(peer, name)
    except RequestRejected:
        return False
    return True


def lock(guard: Guard, wall: Wall, peer: str) -> int:
    """Fails until the address is locked; gives how often it was looked at."""
    looked = 0
    while (wait_s := fails(guard, peer)) < 900:
        looked += not wait_s
        wall.advance(wait_s)
    return looked


def test_one_address_is_slowed_then_locked_for_whatever_it_sends(guard: Guard, wall: Wall) -> None:
    assert lock(guard, wall, "192.0.2.1") == 15
    assert not gets_in(guard, "192.0.2.1")
    assert not gets_in(guard, "192.0.2.1", "another")
    assert fails(guard, "192.0.2.1", "another") == 900
    wall.advance(900)
    assert gets_in(guard, "192.0.2.1")


def test_asking_on_does_not_make_a_wait_longer(guard: Guard, wall: Wall) -> None:
    lock(guard, wall, "192.0.2.1")
    for left in (900, 600, 300):
        assert [fails(guard, "192.0.2.1") for _ in range(50)] == [left] * 50
        wall.advance(300)
    assert gets_in(guard, "192.0.2.1")


def test_500_addresses_at_one_key_are_told_no_more_than_one_address(guard: Guard) -> None:
    told: list[tuple[str, str, int]] = []
    guard.on_lock = lambda *what: told.append(what)
    answers = [fails(guard, f"198.51.{at >> 8}.{at & 255}") for at in range(500)]
    assert answers[:10] == [0] * 10
    assert 0 not in answers[10:]
    assert answers[-1] == 900
    assert told == [("name", NAME, 900)]
    assert gets_in(guard, "203.0.113.9"), "an address that has not failed"
    assert not gets_in(guard, "198.51.0.7"), "one of the 500"
    assert gets_in(guard, "198.51.0.7", "another"), "which failed once, and may use another key"


def test_who_was_good_at_an_address_stays_good_there(guard: Guard, wall: Wall) -> None:
    assert gets_in(guard, "192.0.2.1")
    lock(guard, wall, "192.0.2.1")
    assert gets_in(guard, "192.0.2.1")
    assert not gets_in(guard, "192.0.2.1", "another")


@pytest.mark.parametrize("peer", [None, "127.0.0.1", "::1", "::ffff:127.0.0.9", "unix"])
def test_an_address_that_tells_nothing_locks_nobody_out(guard: Guard, peer: str | None) -> None:
    answers = [fails(guard, peer) for _ in range(30)]
    assert answers[:10] == [0] * 10
    assert 0 not in answers[10:]
    assert gets_in(guard, peer)


def test_behind_a_proxy_no_address_tells_anything(wall: Wall) -> None:
    guard = Guard(wall, shared=True)
    assert any(fails(guard, "10.0.0.1") for _ in range(30))
    assert gets_in(guard, "10.0.0.1")


def test_many_addresses_at_many_names_meet_the_count_of_all(guard: Guard, wall: Wall) -> None:
    answers = [fails(guard, f"10.1.{at >> 8}.{at & 255}", f"name-{at}") for at in range(1_100)]
    assert answers[:1_000] == [0] * 1_000
    assert 0 not in answers[1_001:]
    assert gets_in(guard, "203.0.113.9")
    assert not gets_in(guard, "10.1.0.5", "one")
    wall.advance(3_600)
    assert gets_in(guard, "10.1.0.5", "one")


def test_memory_is_bounded_under_100_000_addresses(guard: Guard) -> None:
    def sizes() -> tuple[int, int, int]:
        return guard.sizes()

    for at in range(100_000):
        peer = f"10.{at >> 16}.{at >> 8 & 255}.{at & 255}"
        fails(guard, peer, f"name-{at}" + "x" * 10_000)
        guard.passed("192.0.2.77", f"good-{at}")
    assert sizes() == (MOST_ADDRESSES, MOST_NAMES, sizes()[2])
    assert sizes()[2] <= 2 * MOST_PAIRS
    names = guard._names._of
    assert max(map(sys.getsizeof, names)) < 200


def test_ipv6_is_counted_by_its_64(guard: Guard, wall: Wall) -> None:
    for at in range(10):
        assert fails(guard, f"2001:db8::{at:x}") == 0
    assert fails(guard, "2001:db8::ffff") == 1
    assert fails(guard, "2001:db8:0:1::1", "another") == 0


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", None),
        ("::1", None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_stands_for_a_network(peer: str | None, network: str | None) -> None:
    assert network_of(peer) == network
