"""Numbers with an outcome each, and what handsets answer."""

from __future__ import annotations

import pytest

from heliograph.simulator import CarrierSettings, VirtualCarrier
from heliograph.simulator.behaviours import HandsetRule, NumberRange
from heliograph.simulator.outcomes import OUTCOMES, outcome_of
from tests.simulator.support import client, submit

REFUSED = [name for name, outcome in OUTCOMES.items() if outcome.status]
ENDED = [
    name
    for name, outcome in OUTCOMES.items()
    if outcome.stat and outcome.first_answer and not (outcome.receipt_delay_ms or outcome.first_status)
]


def ranges(*names: str) -> tuple[NumberRange, ...]:
    """The n-th outcome for numbers that end on n."""
    return tuple(NumberRange(outcome=name, suffix=f"{at:02}") for at, name in enumerate(names))


async def test_every_refusal_is_its_status() -> None:
    async with VirtualCarrier(ranges=ranges(*REFUSED)) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(f"+4917012345{at:02}"), name) for at, name in enumerate(REFUSED)])
        responses = await ear.hears("response", len(REFUSED))
        assert {one.context: one.status for one in responses} == {name: OUTCOMES[name].status for name in REFUSED}
        assert carrier.handsets.count == 0


async def test_every_final_state_is_in_its_receipt() -> None:
    names = [name for name in ENDED if not OUTCOMES[name].latency_ms]
    async with VirtualCarrier(ranges=ranges(*names)) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(f"+4917012345{at:02}"), name) for at, name in enumerate(names)])
        expected = sorted(stat for name in names for stat in (OUTCOMES[name].stat, OUTCOMES[name].second_stat) if stat)
        await ear.hears("receipt", len(expected))
        assert sorted(receipt.stat for receipt in ear.receipts) == expected
        answered = {one.context for one in ear.of("response")}
        await ear.until(lambda: len(ear.of("response")) == len(names) - 1)
        assert "no_response" not in answered


async def test_a_receipt_may_come_first_for_some_numbers() -> None:
    async with VirtualCarrier(ranges=ranges("receipt_first")) as carrier, client(carrier) as (link, ear):
        link.submit([(submit("+491701234500"), None)])
        await ear.hears("response", 1)
        assert [kind for kind, _ in ear.heard] == ["receipt", "response"]


async def test_no_receipt_comes_where_there_is_none() -> None:
    async with VirtualCarrier(ranges=ranges("no_receipt")) as carrier, client(carrier) as (link, ear):
        link.submit([(submit("+491701234500"), None), (submit("+491701234599"), None)])
        await ear.hears("response", 2)
        await carrier.settled()
        assert len(ear.receipts) == 1


def test_an_outcome_may_be_a_status() -> None:
    assert outcome_of("0x401").status == 0x401
    for wrong in ("0", "0x1ffffffff", "often", "-1"):
        with pytest.raises(ValueError, match=wrong):
            outcome_of(wrong)


async def test_the_same_seed_and_submits_give_the_same_answers() -> None:
    async def answers(seed: int) -> list[tuple[object, ...]]:
        settings = CarrierSettings(
            seed=seed,
            first_id=1,
            silent=0.05,
            ranges=(NumberRange(outcome="0x0B", share=0.2), NumberRange(outcome="contradiction", share=0.1)),
            rules=(HandsetRule(reply="STOP", probability=0.2, opt_out=True), HandsetRule(reply="yes", probability=0.3)),
        )
        async with VirtualCarrier(settings) as carrier, client(carrier) as (link, ear):
            link.submit([(submit(f"+4917012345{at:02}"), at) for at in range(60)])
            await ear.until(lambda: carrier.log.counts["submit"] == 60)
            await carrier.settled()
            kinds = ("response", "receipt", "mo")
            facts = [
                (fact.fact, fact.to, fact.id, fact.status, fact.stat, fact.text) for fact in carrier.log.of(*kinds)
            ]
            return sorted(facts)

    first = await answers(1)
    assert len({fact[0] for fact in first}) == 3
    assert await answers(1) == first != await answers(2)


async def test_a_handset_answers_by_keyword_and_after_a_delay() -> None:
    rules = (
        HandsetRule(keyword="Help", reply="What?", after_ms=20),
        HandsetRule(contains="price", reply="Too much."),
        HandsetRule(prefix="+49171", reply="I am elsewhere."),
    )
    async with VirtualCarrier(rules=rules) as carrier, client(carrier) as (link, ear):
        texts = (b"help me please", b"the PRICE is 4", b"helpless")
        link.submit([(submit("+491701234567", text), None) for text in texts])
        link.submit([(submit("+491711234567", b"hello"), None)])
        replies = await ear.hears("mo", 3)
        assert [pdu.short_message for pdu in replies] == [b"Too much.", b"I am elsewhere.", b"What?"]


async def test_who_opted_out_answers_no_more_and_what_comes_is_counted() -> None:
    rules = (HandsetRule(reply="STOP", opt_out=True),)
    async with VirtualCarrier(rules=rules) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(), None) for _ in range(3)])
        await ear.hears("receipt", 3)
        assert len(ear.of("mo")) == 1
        assert (carrier.owners.opted_out, carrier.owners.after_opt_out) == (1, 2)


async def test_a_rule_may_be_for_once() -> None:
    rules = (HandsetRule(reply="first", once=True), HandsetRule(reply="again"))
    async with VirtualCarrier(rules=rules) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(), None), (submit(), None), (submit("+491711234567"), None)])
        replies = await ear.hears("mo", 3)
        assert [pdu.short_message for pdu in replies] == [b"first", b"again", b"first"]


@pytest.mark.parametrize(("order", "numbers"), [("in_order", [1, 2, 3]), ("reversed", [3, 2, 1])])
async def test_parts_of_long_replies_come_in_any_order(order: str, numbers: list[int]) -> None:
    async with VirtualCarrier(reply_order=order) as carrier, client(carrier) as (_, ear):
        carrier.reply("+491701234567", "12345", "long " * 70)
        parts = await ear.hears("mo", 3)
        assert [pdu.short_message[5] for pdu in parts] == numbers


async def test_shuffled_parts_come_from_the_seed() -> None:
    async def order(seed: int) -> list[int]:
        async with VirtualCarrier(reply_order="shuffled", seed=seed) as carrier, client(carrier) as (_, ear):
            carrier.reply("+491701234567", "12345", "long " * 200)
            return [pdu.short_message[5] for pdu in await ear.hears("mo", 7)]

    first = await order(1)
    assert sorted(first) == list(range(1, 8)) != first
    assert await order(1) == first != await order(2)


async def test_a_carrier_changes_while_it_runs() -> None:
    async with VirtualCarrier() as carrier, client(carrier) as (link, ear):
        carrier.change(ranges=(NumberRange(outcome="system_error"),))
        link.submit([(submit(), None)])
        [response] = await ear.hears("response", 1)
        assert response.status == 0x08
        carrier.change(ranges=(), latency_ms=1, reply_text="thanks")
        link.submit([(submit(), None)])
        await ear.hears("mo", 1)
        with pytest.raises(ValueError, match="seed cannot be changed"):
            carrier.change(seed=3, latency_ms=5)
        assert carrier.settings.latency_ms == 1


async def test_a_first_try_may_be_refused_or_dropped_and_the_second_is_taken() -> None:
    async with (
        VirtualCarrier(ranges=ranges("throttled_once", "no_answer_once")) as carrier,
        client(carrier) as (
            link,
            ear,
        ),
    ):
        for _ in range(2):
            link.submit([(submit("+491701234500"), "refused"), (submit("+491701234501"), "dropped")])
        await ear.hears("response", 3)
        assert [(one.context, one.status) for one in ear.of("response")] == [
            ("refused", 0x58),
            ("refused", 0),
            ("dropped", 0),
        ]
        link.submit([(submit("+491701234500"), "a third")])
        await ear.hears("response", 4)
        assert ear.of("response")[-1].status == 0x58


async def test_receipts_of_a_range_have_its_err() -> None:
    numbers = (NumberRange(outcome="undelivered", suffix="1", err="10A"), NumberRange(outcome="undelivered"))
    async with VirtualCarrier(ranges=numbers) as carrier, client(carrier) as (link, ear):
        link.submit([(submit("+491701234501"), None), (submit("+491701234502"), None)])
        await ear.hears("receipt", 2)
        assert sorted(receipt.err for receipt in ear.receipts) == ["001", "10A"]
    assert [fault[0] for fault in NumberRange(outcome="usual", err="12").faults()] == ["err"]
