"""The connector against an SMSC on loopback: real sockets, the server's own codec."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from heliograph.connectors.smpp import SmppConnector
from heliograph.contracts import InboundShort, Outcome, ReceiptNews, SegmentSubmission
from heliograph.errors import Retry
from heliograph.model import State
from heliograph.smpp import constants as c
from heliograph.smpp.pdus import BindReceiver, BindTransmitter, DeliverSm, SubmitSmResp
from heliograph.smpplink.server import Server, ServerLink, serve
from heliograph.smpplink.settings import LinkSettings, ServerSettings
from tests.connectors.build import live_of, smpp_settings, submissions
from tests.connectors.smsc import Carrier, Told


class Pipeline(Told):
    """The pipeline as a connector sees it; ``keeps`` None acknowledges nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes_told: list[Outcome] = []
        self.receipts_told: list[ReceiptNews] = []
        self.shorts_told: list[InboundShort] = []
        self.late_told: list[tuple[SegmentSubmission, str]] = []
        self.congestion_told: list[int] = []
        self.readies = 0
        self.keeps: bool | None = True

    def ready(self, connector: Any) -> None:
        self.readies += 1
        self._tell()

    def outcomes(self, connector: Any, outcomes: Sequence[Outcome]) -> None:
        self.outcomes_told += outcomes
        self._tell()

    def receipts(self, connector: Any, receipts: Sequence[ReceiptNews]) -> None:
        self.receipts_told += receipts
        if self.keeps is not None:
            connector.acknowledge([receipt.handle for receipt in receipts], kept=self.keeps)
        self._tell()

    def late(self, connector: Any, submissions: Sequence[tuple[SegmentSubmission, str]]) -> None:
        self.late_told += submissions
        self._tell()

    def congested(self, connector: Any, state: int) -> None:
        self.congestion_told.append(state)
        self._tell()

    def inbound(self, connector: Any, shorts: Sequence[InboundShort]) -> None:
        self.shorts_told += shorts
        if self.keeps is not None:
            connector.acknowledge([short.handle for short in shorts], kept=self.keeps)
        self._tell()


class Scene:
    def __init__(self, carrier: Carrier, server: Server, connector: SmppConnector, pipeline: Pipeline) -> None:
        self.carrier = carrier
        self.server = server
        self.connector = connector
        self.pipeline = pipeline

    async def submit(self, batch: list[SegmentSubmission]) -> list[Outcome]:
        """Hands over and waits for as many outcomes."""
        before = len(self.pipeline.outcomes_told)
        self.connector.submit(batch)
        await self.pipeline.until(lambda: len(self.pipeline.outcomes_told) >= before + len(batch))
        return self.pipeline.outcomes_told[before:]


@asynccontextmanager
async def scene(*, links: int = 1, **fields: Any) -> AsyncIterator[Scene]:
    carrier = Carrier()
    server = await serve("127.0.0.1", 0, lambda: carrier, settings=ServerSettings(window=50))
    settings = smpp_settings(port=server.port, links=links, reconnect_min_s=0.01, reconnect_max_s=0.02, **fields)
    connector = SmppConnector(settings, 3)
    pipeline = Pipeline()
    await connector.start(pipeline)
    wanted = links * (2 if settings.bind == "pair" else 1)
    try:
        await pipeline.until(lambda: pipeline.readies >= wanted)
        yield Scene(carrier, server, connector, pipeline)
    finally:
        for link in tuple(carrier.links):
            if carrier.unanswered:
                link.close()  # it would answer our unbind only after these
        await connector.stop(0)
        await server.close(0)


def one(text: str = "hello", **fields: Any) -> SegmentSubmission:
    return submissions(live_of(text, **fields))[0]


async def test_a_segment_is_taken_and_its_receipt_finds_it() -> None:
    async with scene() as s:
        assert (s.connector.bound, s.connector.free, s.connector.window) == (True, 10, 10)
        submission = one()
        (outcome,) = await s.submit([submission])
        assert outcome == Outcome(submission, "00B8BE19")
        assert s.carrier.submits[0].short_message == b"hello"
        s.carrier.receipt("12107289")
        await s.carrier.until(lambda: s.carrier.acks == [0])
        (receipt,) = s.pipeline.receipts_told
        assert receipt.state == State.DELIVERED
        assert s.connector.canonical("00B8BE19")[0] in receipt.canonical


async def test_a_receipt_before_its_response_is_told_before_it() -> None:
    async with scene() as s:

        def early(link: ServerLink, pdu: Any) -> Any:
            s.carrier.receipt("77", link=link)
            return SubmitSmResp("77")

        s.carrier.answer = early
        s.pipeline.keeps = None
        (outcome,) = await s.submit([one()])
        await s.pipeline.until(lambda: bool(s.pipeline.receipts_told))
        (receipt,) = s.pipeline.receipts_told
        assert s.connector.canonical(outcome.carrier_message_id or "")[0] in receipt.canonical
        assert s.carrier.acks == []
        s.connector.acknowledge([receipt.handle], kept=True)
        await s.carrier.until(lambda: s.carrier.acks == [0])


async def test_what_is_not_kept_is_asked_for_again() -> None:
    async with scene() as s:
        s.pipeline.keeps = False
        s.carrier.receipt("77")
        s.carrier.deliver(DeliverSm(source_addr="447700900123", destination_addr="1", short_message=b"hi"))
        await s.carrier.until(lambda: len(s.carrier.acks) == 2)
        assert s.carrier.acks == [c.ESME_RX_T_APPN] * 2


async def test_refusals_carry_their_number_and_what_to_do() -> None:
    async with scene(statuses={"0x4A1": "never:content_refused"}) as s:
        statuses = iter([c.ESME_RTHROTTLED, c.ESME_RINVDSTADR, 0x4A1, 0x4A2])
        s.carrier.answer = lambda link, pdu: next(statuses)
        outcomes = await s.submit([one(str(number)) for number in range(4)])
        failures = [outcome.failure for outcome in outcomes]
        assert [(f.code, f.status, f.retry, f.pauses_lane) for f in failures if f] == [
            ("carrier_throttled", 0x58, Retry.LATER, True),
            ("recipient_invalid", 0x0B, Retry.NEVER, False),
            ("content_refused", 0x4A1, Retry.NEVER, False),
            ("carrier_refused", 0x4A2, Retry.ELSEWHERE, False),
        ]


REGISTRATION = {"0x1400": "1234567890"}


async def test_tlvs_that_the_carrier_cannot_take_are_left_out_once() -> None:
    async with scene(tlvs=REGISTRATION) as s:
        s.carrier.answer = lambda link, pdu: c.ESME_ROPTPARNOTALLWD if pdu.tlvs else s.carrier.accept(link, pdu)
        live = live_of()
        (refused,) = await s.submit(submissions(live))
        failure = refused.failure
        assert failure is not None
        assert (failure.code, failure.retry, failure.retry_after_s) == ("message_refused", Retry.LATER, 1.0)
        (taken,) = await s.submit(submissions(live, attempt=2))
        assert taken.carrier_message_id
        assert [bool(pdu.tlvs) for pdu in s.carrier.submits] == [True, False]


async def test_a_carrier_that_does_not_state_its_version_gets_tlvs_all_the_same() -> None:
    async with scene(interface_version=0x33, tlvs=REGISTRATION) as s:
        assert s.carrier.binds[0].interface_version == 0x33  # who is told no sc_interface_version
        await s.submit([one()])
        assert s.carrier.submits[0].tlvs == {0x1400: b"1234567890"}


@pytest.mark.parametrize("range_", ["", "^4477"])
async def test_the_bind_asks_for_the_numbers_that_were_set_and_for_none_by_itself(range_: str) -> None:
    async with scene(**({"address_range": range_} if range_ else {})) as s:
        assert [bind.address_range for bind in s.carrier.binds] == [range_]


async def test_a_segment_that_is_refused_without_tlvs_too_has_ended() -> None:
    async with scene(tlvs=REGISTRATION) as s:
        s.carrier.answer = lambda link, pdu: c.ESME_RINVOPTPARAMVAL
        live = live_of()
        retries = [(await s.submit(submissions(live, attempt=number)))[0].failure for number in (1, 2)]
        assert [failure.retry for failure in retries if failure] == [Retry.LATER, Retry.NEVER]


async def test_without_tlvs_of_the_settings_or_with_a_word_of_the_operator_nothing_is_tried_again() -> None:
    for fields in ({"concatenation": "sar"}, {"tlvs": REGISTRATION, "statuses": {"0xC1": "never"}}):
        async with scene(**fields) as s:
            s.carrier.answer = lambda link, pdu: c.ESME_ROPTPARNOTALLWD
            live = live_of("x" * 200, reference_octets=s.connector.reference_octets)
            outcomes = await s.submit(submissions(live))
            assert [outcome.failure.retry for outcome in outcomes if outcome.failure] == [Retry.NEVER] * 2


async def test_what_carries_a_whole_message_stays_when_tlvs_are_left_out() -> None:
    async with scene(tlvs=REGISTRATION, concatenation="payload") as s:
        s.carrier.answer = lambda link, pdu: c.ESME_RINVPARLEN if 0x1400 in pdu.tlvs else s.carrier.accept(link, pdu)
        live = live_of("x" * 400, reference_octets=s.connector.reference_octets)
        await s.submit(submissions(live))
        outcomes = await s.submit(submissions(live, attempt=2)[::-1])
        assert {outcome.carrier_message_id for outcome in outcomes} == {"00B8BE19"}
        assert s.carrier.submits[1].tlvs == {c.TAG_MESSAGE_PAYLOAD: b"x" * 400}


async def test_a_lost_link_leaves_what_was_unanswered_unknown_and_comes_back() -> None:
    async with scene() as s:
        s.carrier.answer = lambda link, pdu: None
        batch = [one(str(number)) for number in range(3)]
        s.connector.submit(batch)
        await s.carrier.until(lambda: len(s.carrier.submits) == 3)
        assert s.connector.free == 7
        s.carrier.links[0].close()
        await s.pipeline.until(lambda: len(s.pipeline.outcomes_told) == 3)
        assert [o.submission for o in s.pipeline.outcomes_told if o.unknown] == batch
        await s.pipeline.until(lambda: s.pipeline.readies >= 2)
        assert s.connector.free == 10


async def test_no_answer_in_time_is_an_unknown_outcome_and_a_late_id_is_told() -> None:
    async with scene(response_timeout_s=1) as s:
        s.carrier.answer = lambda link, pdu: None
        batch = [one("a"), one("b")]
        assert [outcome.unknown for outcome in await s.submit(batch)] == [True, True]
        (first, taken), (second, refused) = s.carrier.unanswered
        second.respond([(refused, c.ESME_RSYSERR)])
        first.respond([(taken, SubmitSmResp("1"))])
        s.carrier.unanswered.clear()
        await s.pipeline.until(lambda: s.connector.late_answers == 2)
        assert s.pipeline.late_told == [(batch[0], "1")]
        assert len(s.pipeline.outcomes_told) == 2


async def test_more_than_fits_was_never_written() -> None:
    async with scene(window=2) as s:
        s.carrier.answer = lambda link, pdu: None
        batch = [one(str(number)) for number in range(3)]
        s.connector.submit(batch)
        await s.pipeline.until(lambda: len(s.pipeline.outcomes_told) == 1)
        assert s.pipeline.outcomes_told == [Outcome(batch[2], never_written=True)]


async def test_without_a_link_nothing_is_written() -> None:
    connector = SmppConnector(smpp_settings(port=1), 3)
    pipeline = Pipeline()
    connector._ear.news = pipeline
    assert not connector.bound
    connector.submit([one()])
    await pipeline.until(lambda: bool(pipeline.outcomes_told))
    assert pipeline.outcomes_told[0].never_written


async def test_what_smpp_cannot_say_fails_alone() -> None:
    async with scene() as s:
        bad = one("bad", sender="Δ", sender_kind=2)
        outcomes = await s.submit([one("a"), bad, one("b")])
        failed = [outcome for outcome in outcomes if outcome.failure]
        assert [outcome.submission for outcome in failed] == [bad]
        assert failed[0].failure is not None
        assert failed[0].failure.retry is Retry.NEVER
        assert len(s.carrier.submits) == 2


async def test_a_text_that_the_carrier_cannot_say_fails_alone() -> None:
    async with scene(default_alphabet="ascii") as s:
        outcomes = await s.submit([one("a"), one("é")])
        assert sorted(outcome.failure is not None for outcome in outcomes) == [False, True]


async def test_work_is_spread_over_links_by_their_free_slots() -> None:
    async with scene(links=3, window=4) as s:
        assert (s.connector.window, s.connector.free) == (12, 12)
        s.carrier.answer = lambda link, pdu: None
        s.connector.submit([one(str(number)) for number in range(6)])
        await s.carrier.until(lambda: len(s.carrier.submits) == 6)
        counts = [sum(link is other for other, _ in s.carrier.unanswered) for link in s.carrier.links]
        assert counts == [2, 2, 2]
        s.connector.submit([one(str(number)) for number in range(6)])
        await s.carrier.until(lambda: len(s.carrier.submits) == 12)
        assert s.connector.free == 0


async def test_a_pair_sends_on_one_bind_and_hears_on_the_other() -> None:
    async with scene(bind="pair") as s:
        assert {type(bind) for bind in s.carrier.binds} == {BindTransmitter, BindReceiver}
        assert s.connector.window == 10
        (outcome,) = await s.submit([one()])
        assert outcome.carrier_message_id == "00B8BE19"
        s.carrier.receipt("B8BE19")
        await s.carrier.until(lambda: s.carrier.acks == [0])
        assert s.connector.canonical("00B8BE19") == (s.pipeline.receipts_told[0].canonical[0],)


async def test_a_reply_is_told_with_its_numbers() -> None:
    async with scene() as s:
        pdu = DeliverSm(
            source_addr_ton=1, source_addr_npi=1, source_addr="447700900123", destination_addr="12345",
            short_message=b"yes",
        )  # fmt: skip
        s.carrier.deliver(pdu)
        await s.carrier.until(lambda: s.carrier.acks == [0])
        (short,) = s.pipeline.shorts_told
        assert (short.sender, short.recipient, short.text) == ("+447700900123", "12345", "yes")


async def test_a_long_message_whole_is_one_submission_and_every_segment_s_outcome() -> None:
    async with scene(concatenation="payload") as s:
        live = live_of("x" * 400, reference_octets=s.connector.reference_octets)
        outcomes = await s.submit(submissions(live))
        assert len(s.carrier.submits) == 1
        assert s.carrier.submits[0].tlvs[c.TAG_MESSAGE_PAYLOAD] == b"x" * 400
        assert [(o.carrier_message_id, o.submission.whole) for o in outcomes] == [("00B8BE19", True)] * 3
        s.carrier.receipt("12107289")
        await s.carrier.until(lambda: s.carrier.acks == [0])
        (receipt,) = s.pipeline.receipts_told
        assert s.connector.canonical("00B8BE19")[0] in receipt.canonical


async def test_stopping_waits_for_answers_and_reports_the_rest() -> None:
    async with scene() as s:
        s.carrier.answer = lambda link, pdu: None
        s.connector.submit([one("a"), one("b")])
        await s.carrier.until(lambda: len(s.carrier.unanswered) == 2)
        stopping = asyncio.create_task(s.connector.stop(5))
        link, sequence_number = s.carrier.unanswered[0]
        link.respond([(sequence_number, SubmitSmResp("1"))])
        await s.pipeline.until(lambda: len(s.pipeline.outcomes_told) == 1)
        assert not stopping.done()
        assert s.connector.free == 0
        link.close()
        await stopping
        assert [outcome.unknown for outcome in s.pipeline.outcomes_told] == [False, True]
        assert not s.connector.bound


def busy(state: bytes) -> Callable[[ServerLink, Any], Any]:
    """A carrier that says how busy it is with every response."""
    return lambda link, pdu: SubmitSmResp("7", {c.TAG_CONGESTION_STATE: state})


@pytest.mark.parametrize(("version", "told"), [("5.0", [95]), ("3.4", [])])
async def test_congestion_is_heard_where_the_bind_is_of_5_0(version: str, told: list[int]) -> None:
    async with scene(version=version) as s:
        assert s.carrier.binds[0].interface_version == (0x50 if version == "5.0" else 0x34)
        s.carrier.answer = busy(b"\x5f")
        (outcome,) = await s.submit([one()])
        assert outcome.carrier_message_id == "7"
        assert s.pipeline.congestion_told == told


@pytest.mark.parametrize(("octets", "told"), [(b"", []), (b"\0\x5f", []), (b"\xff", [100]), (b"\0", [0])])
async def test_a_congestion_state_that_is_none_is_passed_over(octets: bytes, told: list[int]) -> None:
    async with scene(version="5.0") as s:
        s.carrier.answer = busy(octets)
        assert (await s.submit([one()]))[0].failure is None
        assert s.pipeline.congestion_told == told


async def test_what_the_bind_says_can_be_set_apart_from_the_version() -> None:
    async with scene(interface_version=0x33) as s:
        assert s.carrier.binds[0].interface_version == 0x33


class StillLink:
    """A link that is bound when the test says so."""

    def __init__(self, settings: LinkSettings, listener: Any, name: str, on_trouble: Any) -> None:
        self.mode, self.listener = settings.bind, listener
        self.free, self.is_bound, self.heard_at = 0, False, 0.0


async def test_a_connector_is_bound_while_a_link_of_it_is_that_may_transmit() -> None:
    links: list[Any] = []

    def make(*arguments: Any) -> Any:
        links.append(StillLink(*arguments))
        return links[-1]

    connector = SmppConnector(smpp_settings(bind="pair", links=2), 1, make_link=make)
    first, second, receiver, _ = links
    seen = [connector.bound]
    for act, link in (
        ("bound", receiver), ("bound", first), ("bound", first), ("bound", second), ("unbound", first),
        ("unbound", first), ("unbound", receiver), ("unbound", second), ("bound", second),
    ):  # fmt: skip
        arguments: tuple[Any, ...] = () if act == "bound" else ([], "gone")
        getattr(link.listener, act)(link, *arguments)
        seen.append(connector.bound)
    assert seen == [False, False, True, True, True, True, True, True, False, True]
