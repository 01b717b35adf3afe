"""Each host of an account's callbacks has its share, and no more."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from heliograph.delivery.outbox.hosts import Hosts, postponed_us

SECOND = 1_000_000


class Word(NamedTuple):
    """What waits: an event of a message."""

    message_id: str
    number: int = 0


def hosts(connections: int = 8, held: int = 3, held_all: int = 5) -> Hosts[Word]:
    """Each host has a quarter of the ``connections`` until it has taken something."""
    return Hosts(connections, held, held_all)


def started(kept: Hosts[Word], busy: set[str] | None = None, now: float = 0.0) -> list[str]:
    words = []
    while (word := kept.next_held(busy or set(), now)) is not None:
        words.append(word.message_id)
    return words


def leave(kept: Hosts[Word], name: str, *, failed: bool = False, asked_s: float = 0.0, now: float = 0.0) -> None:
    kept.leave(name, failed=failed, asked_s=asked_s, now=now)


def test_a_host_has_its_requests_and_the_next_waits_for_one_to_end() -> None:
    kept = hosts()
    for name in "abc":
        assert kept.hold(Word(name), "one", 0.0)
    assert kept.startable() == 2
    assert started(kept) == ["a", "b"]
    assert (kept.held, kept.startable()) == (1, 0)
    leave(kept, "one")
    assert started(kept) == ["c"]


def test_hosts_take_turns() -> None:
    kept = hosts(connections=12, held=9, held_all=9)
    for number in range(3):
        for name in ("one", "two"):
            kept.hold(Word(f"{name}{number}"), name, 0.0)
    assert started(kept) == ["one0", "two0", "one1", "two1", "one2", "two2"]


def test_a_host_gets_more_requests_as_it_takes_them() -> None:
    kept = hosts(held=50, held_all=50)
    for _ in range(32):
        assert kept.enter("one", 0.0)
        leave(kept, "one")
    assert kept.slots_free("one", 0.0) == 4
    assert kept.slots_free("two", 0.0) == 2


def test_events_of_one_message_keep_their_order_and_others_pass_them_by() -> None:
    kept = hosts(connections=4)
    for word in (Word("a", 2), Word("a", 3), Word("b")):
        kept.hold(word, "one", 0.0)
    assert kept.next_held({"a"}, 0.0) == Word("b")
    assert kept.next_held({"a", "b"}, 0.0) is None
    leave(kept, "one")
    assert kept.next_held(set(), 0.0) == Word("a", 2)
    assert kept.next_held({"a"}, 0.0) is None
    leave(kept, "one")
    assert kept.next_held(set(), 0.0) == Word("a", 3)


def test_an_account_that_calls_one_host_waits_for_nobody_else() -> None:
    kept = hosts()
    assert all(kept.hold(Word(str(number)), "one", 0.0) for number in range(50))
    assert kept.single
    assert kept.hold(Word("x"), "two", 0.0) is False  # what waits in all is bounded from now on
    assert not kept.single
    assert kept.hold(Word("y"), "one", 0.0) is False


def test_what_waits_for_one_of_several_is_bounded() -> None:
    kept = hosts()
    kept.enter("two", 0.0)
    assert [kept.hold(Word(name), "one", 0.0) for name in "abcd"] == [True, True, True, False]
    assert kept.hold(Word("e"), "two", 0.0)


def test_a_host_that_fails_on_gets_fewer_requests_keeps_little_and_rests() -> None:
    kept = hosts(held=20, held_all=100)
    for name in "abcdefghijkl":
        kept.hold(Word(name), "one", 0.0)
    for _ in range(8):
        assert kept.enter("one", 0.0)
        leave(kept, "one", failed=True)
    assert [word.message_id for word in kept.excess("one")] == ["i", "j", "k", "l"]
    assert kept.excess("one") == []
    assert (kept.held, kept.hold(Word("m"), "one", 0.0)) == (8, False)
    assert started(kept) == []
    kept.wake(0.5)
    assert started(kept, now=0.5) == []
    kept.wake(1.0)
    assert started(kept, now=1.0) == ["a"]
    leave(kept, "one", now=1.0)
    assert started(kept, now=1.0) == ["b", "c"]
    assert not kept.enter("one", 1.0)


def test_a_host_rests_as_long_as_it_asks() -> None:
    kept = hosts()
    assert kept.enter("one", 0.0)
    leave(kept, "one", failed=True, asked_s=30.0)
    assert [kept.enter("one", now) for now in (29.0, 30.0)] == [False, True]


def test_what_is_known_of_hosts_is_bounded() -> None:
    kept = hosts()
    kept.enter("busy", 0.0)
    for number in range(5000):
        kept.enter(str(number), 0.0)
        leave(kept, str(number))
    assert len(kept._hosts) <= 4096
    leave(kept, "busy")


def test_nothing_waits_after_the_end() -> None:
    kept = hosts()
    kept.hold(Word("a"), "one", 0.0)
    kept.clear()
    kept.wake(0.0)
    assert (kept.held, kept.startable(), started(kept)) == (0, 0, [])


@pytest.mark.parametrize(("age_s", "wait_s"), [(0, 5), (4, 5), (60, 30), (3600, 1800), (86_400, 1800)])
def test_what_is_postponed_waits_longer_the_older_it_is(age_s: int, wait_s: int) -> None:
    assert postponed_us(0, age_s * SECOND) == wait_s * SECOND
