"""Misbehaviours: how often they strike, when they are over, and that their page is theirs."""

from __future__ import annotations

from pathlib import Path

from heliograph.simulator import MISBEHAVIOURS, VirtualCarrier
from heliograph.simulator.mischief import Mischief, Moment
from heliograph.simulator.reference import page
from heliograph.smpp import constants as c
from tests.simulator.support import client, submit

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "simulator.md"


def test_the_page_of_the_simulator_is_the_codes() -> None:
    assert PAGE.read_text() == page()


def test_there_are_many_kinds_and_each_does_something() -> None:
    assert len(MISBEHAVIOURS) >= 60
    for name, kind in MISBEHAVIOURS.items():
        assert name == kind.name
        assert kind.does or kind.bind_status or kind.submit_status


def test_a_share_strikes_so_often_and_a_seed_repeats_it() -> None:
    def strikes(seed: int) -> list[bool]:
        mischief = Mischief(seed)
        mischief.begin(MISBEHAVIOURS["no_response"], 0.25, 0.0)
        return [mischief.strikes(Moment.SUBMIT) for _ in range(2_000)]

    assert 400 < sum(strikes(1)) < 600
    assert strikes(1) == strikes(1) != strikes(2)


def test_a_throttle_takes_two_a_second() -> None:
    mischief = Mischief(0)
    mischief.begin(MISBEHAVIOURS["throttle"], 1.0, 0.0)
    taken = [at for at in range(1_000) if mischief.submit_status(at / 100) == c.ESME_ROK]
    assert 20 <= len(taken) <= 21  # in ten seconds


async def test_a_carrier_behaves_again_when_it_is_told_to() -> None:
    async with VirtualCarrier(misbehaviour="response_twice") as carrier, client(carrier) as (link, ear):
        link.submit([(submit(), 1)])
        await ear.hears("receipt", 1)
        assert carrier.mischief.done["response_twice"] == 1
        carrier.misbehave(None)
        link.submit([(submit(), 2)])
        await ear.hears("receipt", 2)
        assert carrier.mischief.done["response_twice"] == 1
        assert [one.context for one in ear.of("response")] == [1, 2]


async def test_answers_in_any_order_all_arrive() -> None:
    async with VirtualCarrier(misbehaviour="shuffled_responses", seed=3) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(), at) for at in range(20)])
        responses = await ear.hears("response", 20)
        order = [one.context for one in responses]
        assert order != sorted(order)
        assert sorted(order) == list(range(20))


async def test_slow_octets_keep_their_order() -> None:
    async with VirtualCarrier(misbehaviour="slow_octets") as carrier, client(carrier) as (link, ear):
        link.submit([(submit(), at) for at in range(3)])
        await ear.hears("receipt", 3)
        assert [kind for kind, _ in ear.heard] == ["response"] * 3 + ["receipt"] * 3
