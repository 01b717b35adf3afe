"""Short messages that come again: told once, and a second message to the letter is told too."""

from __future__ import annotations

import pytest

from heliograph.connectors.smpp.repeats import Arrival, Repeats
from heliograph.contracts import InboundShort
from heliograph.smpp import constants as c
from heliograph.smpp.pdus import DeliverSm, Tlvs
from tests.connectors.test_smpp import Scene, scene

YES = DeliverSm(source_addr="14155550123", destination_addr="12345", short_message=b"YES")
NEW, KEPT, WAITS = Arrival.NEW, Arrival.KEPT, Arrival.WAITS


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def repeats(time: Time) -> Repeats:
    return Repeats(time)


def test_what_is_written_twice_is_told_twice(repeats: Repeats, time: Time) -> None:
    for number in range(3):
        assert repeats.arrived(("a", number), YES) is NEW
        time.now += 1
        assert repeats.answered([("a", number)], kept=True) == []
        time.now += 30
    repeats.lost("a", time.now)  # the link was heard of long after these were answered
    assert repeats.arrived(("b", 9), YES) is NEW


def test_an_answer_on_a_dying_link_is_expected_to_be_asked_for_once_more(repeats: Repeats, time: Time) -> None:
    assert repeats.arrived(("a", 1), YES) is NEW
    repeats.answered([("a", 1)], kept=True)
    time.now += 60
    repeats.lost("a", heard_at=1000.0)  # it was silent for a minute, and is given up
    assert repeats.arrived(("b", 1), YES) is KEPT
    time.now += 30
    assert repeats.arrived(("b", 2), YES) is NEW
    repeats.answered([("b", 2)], kept=True)


def test_a_repeat_whose_answer_is_lost_too_is_told_no_more_than_before(repeats: Repeats, time: Time) -> None:
    assert repeats.arrived(("a", 1), YES) is NEW
    repeats.answered([("a", 1)], kept=True)
    for link in ("b", "c", "d"):
        repeats.lost(chr(ord(link) - 1), heard_at=time.now)
        assert repeats.arrived((link, 1), YES) is KEPT


def test_a_repeat_while_the_first_is_being_kept_is_answered_with_it(repeats: Repeats, time: Time) -> None:
    assert repeats.arrived(("a", 1), YES) is NEW
    repeats.lost("a", heard_at=time.now)
    assert repeats.arrived(("b", 1), YES) is WAITS
    assert repeats.answered([("a", 1)], kept=True) == [("b", 1)]
    assert repeats.arrived(("b", 2), YES) is NEW


def test_a_repeat_on_the_same_link_because_we_are_slow_is_answered_with_the_first(repeats: Repeats, time: Time) -> None:
    assert repeats.arrived(("a", 1), YES) is NEW
    time.now += 2
    assert repeats.arrived(("a", 2), YES) is NEW  # somebody is quick with the keys
    time.now += 10
    assert repeats.arrived(("a", 3), YES) is WAITS
    assert repeats.answered([("a", 2), ("a", 1)], kept=False) == [("a", 3)]


def test_what_was_not_kept_is_taken_when_it_comes_again(repeats: Repeats, time: Time) -> None:
    assert repeats.arrived(("a", 1), YES) is NEW
    repeats.answered([("a", 1)], kept=False)
    repeats.lost("a", heard_at=time.now)
    assert repeats.arrived(("b", 1), YES) is NEW


def test_a_late_yes_is_asked_for_again(repeats: Repeats, time: Time) -> None:
    assert repeats.arrived(("a", 1), YES) is NEW
    time.now += 11
    repeats.answered([("a", 1)], kept=True)
    assert repeats.arrived(("a", 2), YES) is KEPT


def test_nothing_is_expected_for_ever(repeats: Repeats, time: Time) -> None:
    for number in range(20_000):
        text = DeliverSm(source_addr="1", destination_addr="2", short_message=b"%d" % number)
        assert repeats.arrived(("a", number), text) is NEW
        repeats.lost("a", heard_at=time.now)
        repeats.answered([("a", number)], kept=True)
    assert len(repeats._unheard) == 10_000
    time.now += 601
    assert repeats.arrived(("b", 1), text) is NEW


@pytest.mark.parametrize(
    "other",
    [
        DeliverSm(source_addr="14155550124", destination_addr="12345", short_message=b"YES"),
        DeliverSm(source_addr="14155550123", destination_addr="12346", short_message=b"YES"),
        DeliverSm(source_addr="14155550123", destination_addr="12345", short_message=b"YES!"),
        DeliverSm(
            source_addr="14155550123",
            destination_addr="12345",
            short_message=b"YES",
            tlvs=Tlvs([(c.TAG_USER_MESSAGE_REFERENCE, b"\0\7")]),
        ),
    ],
)
def test_another_message_is_no_repeat(repeats: Repeats, time: Time, other: DeliverSm) -> None:
    assert repeats.arrived(("a", 1), YES) is NEW
    repeats.answered([("a", 1)], kept=True)
    repeats.lost("a", heard_at=time.now)
    assert repeats.arrived(("b", 1), other) is NEW


async def again(s: Scene, acks: int) -> None:
    """The link breaks, and the message comes over the next one."""
    readies = s.pipeline.readies
    s.carrier.links[0].close()
    await s.pipeline.until(lambda: s.pipeline.readies > readies)
    s.carrier.deliver(YES)
    await s.carrier.until(lambda: len(s.carrier.acks) == acks)


async def test_over_real_links_a_repeat_is_answered_and_told_once() -> None:
    async with scene() as s:
        s.carrier.deliver(YES)
        await s.carrier.until(lambda: s.carrier.acks == [0])
        await again(s, 2)
        assert s.carrier.acks == [0, 0]
        assert [short.text for short in s.pipeline.shorts_told] == ["YES"]
        s.carrier.deliver(YES)
        await s.carrier.until(lambda: s.carrier.acks == [0, 0, 0])
        assert [short.text for short in s.pipeline.shorts_told] == ["YES", "YES"]


async def test_a_message_that_was_being_kept_when_its_link_broke_is_told_once() -> None:
    async with scene() as s:
        s.pipeline.keeps = None
        s.carrier.deliver(YES)
        await s.pipeline.until(lambda: bool(s.pipeline.shorts_told))
        readies = s.pipeline.readies
        s.carrier.links[0].close()
        await s.pipeline.until(lambda: s.pipeline.readies > readies)
        s.carrier.deliver(YES)
        first: InboundShort = s.pipeline.shorts_told[0]
        s.connector.acknowledge([first.handle], kept=True)
        await s.carrier.until(lambda: s.carrier.acks == [0])
        assert len(s.pipeline.shorts_told) == 1
