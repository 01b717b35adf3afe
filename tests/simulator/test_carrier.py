"""The virtual carrier with our own link as its client."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from heliograph.simulator import CarrierSettings, ReceiptSettings, Refusal, VirtualCarrier, read_log
from heliograph.smpp import constants as c
from heliograph.smpp.pdus import BroadcastSm
from heliograph.smpp.receipts import message_octets
from heliograph.smpplink.settings import BindMode
from heliograph.sms import Encoding, segment
from tests.simulator.support import client, submit


async def test_a_submit_reaches_the_handset_and_comes_back_as_response_and_receipt() -> None:
    async with VirtualCarrier() as carrier, client(carrier) as (link, ear):
        link.submit([(submit(text=b"hello"), "mine")])
        [message] = await carrier.received(1)
        assert (message.to, message.sender, message.text) == ("+491701234567", "Shop", "hello")
        [response] = await ear.hears("response", 1)
        assert (response.context, response.status, (response.message_id,)) == ("mine", 0, message.ids)
        await ear.hears("receipt", 1)
        assert [kind for kind, _ in ear.heard] == ["response", "receipt"]
        [receipt] = ear.receipts
        assert (receipt.message_id, receipt.stat, receipt.message_state) == (
            response.message_id,
            "DELIVRD",
            c.STATE_DELIVERED,
        )
        await carrier.settled()


async def test_a_receipt_may_come_before_its_response() -> None:
    receipts = ReceiptSettings(before_response=True)
    async with VirtualCarrier(receipts=receipts, latency_ms=1) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(), None)])
        await ear.hears("response", 1)
        await ear.hears("receipt", 1)
        assert [fact.fact for fact in carrier.log.of("receipt", "response")] == ["receipt", "response"]


async def test_receipts_wait_for_their_delay_and_latency_for_the_response() -> None:
    receipts = ReceiptSettings(delay_ms=30, jitter_ms=5)
    async with VirtualCarrier(receipts=receipts, latency_ms=20) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(), None)])
        await ear.hears("receipt", 1)
        [taken, answered, told] = carrier.log.of("submit", "response", "receipt")
        assert (taken.fact, answered.fact, told.fact) == ("submit", "response", "receipt")
        assert answered.at - taken.at > 0.015
        assert told.at - answered.at > 0.025


async def test_receipts_may_come_on_another_bind() -> None:
    async with (
        VirtualCarrier(receipts=ReceiptSettings(bind="other")) as carrier,
        client(carrier) as (link, ear),
        client(carrier) as (_, other),
    ):
        link.submit([(submit(), None)])
        await other.hears("receipt", 1)
        await ear.hears("response", 1)
        assert not ear.receipts


async def test_a_receipt_for_a_transmitter_goes_to_the_receiver_also_when_it_binds_later() -> None:
    async with VirtualCarrier() as carrier, client(carrier, bind=BindMode.TRANSMITTER) as (link, _):
        link.submit([(submit(), None)])
        await carrier.received(1)
        async with client(carrier, bind=BindMode.RECEIVER) as (_, receiver):
            await receiver.hears("receipt", 1)


@pytest.mark.parametrize(
    ("ids", "style", "first", "response_id", "receipt_id"),
    [
        ("hex", "decimal", 0xABCDEF, "abcdef", "11259375"),
        ("hex_upper", "", 0xABCDEF, "ABCDEF", "ABCDEF"),
        ("decimal", "hex_padded", 255, "255", "00000000000000ff"),
        ("decimal", "", 0, "0", "0"),
    ],
)
async def test_ids_are_written_in_hex_or_decimal(
    ids: str, style: str, first: int, response_id: str, receipt_id: str
) -> None:
    settings = CarrierSettings(ids=ids, first_id=first, receipts=ReceiptSettings(style=style))
    async with VirtualCarrier(settings) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(), None)])
        await ear.hears("receipt", 1)
        assert ear.of("response")[0].message_id == response_id
        assert ear.receipts[0].message_id == receipt_id


@pytest.mark.parametrize(
    ("registered", "stat", "told"),
    [
        (0x00, "DELIVRD", 0),
        (0x02, "DELIVRD", 0),
        (0x02, "UNDELIV", 1),
        (0x03, "DELIVRD", 1),
        (0x03, "UNDELIV", 0),
        (0x11, "DELIVRD", 1),  # with intermediate news, as Kannel asks
        (0x10, "DELIVRD", 0),
    ],
)
async def test_receipts_come_as_they_were_asked_for(registered: int, stat: str, told: int) -> None:
    receipts = ReceiptSettings(final_states=((stat, 1.0),))
    async with VirtualCarrier(receipts=receipts) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(registered_delivery=registered), None)])
        await ear.hears("response", 1)
        await carrier.settled()
        assert [receipt.stat for receipt in ear.receipts] == [stat] * told


async def test_each_part_has_a_receipt_of_its_own_or_none() -> None:
    parts = segment("x" * 200, Encoding.GSM7).with_udh(7)
    async with VirtualCarrier() as carrier, client(carrier) as (link, ear):
        for registered, (udh, part) in zip((1, 0), parts, strict=True):
            link.submit([(submit(text=udh + part, esm_class=c.ESM_UDHI, registered_delivery=registered), registered)])
        responses = await ear.hears("response", 2)
        await carrier.settled()
        assert [receipt.message_id for receipt in ear.receipts] == [responses[0].message_id]


@pytest.mark.parametrize("mode", range(4))
async def test_the_messaging_mode_beside_a_header_changes_nothing(mode: int) -> None:
    parts = segment("x" * 200, Encoding.GSM7).with_udh(7)
    async with VirtualCarrier() as carrier, client(carrier) as (link, _):
        link.submit([(submit(text=udh + part, esm_class=mode | c.ESM_UDHI), None) for udh, part in parts])
        [message] = await carrier.received(1)
        assert (message.text, message.segments) == ("x" * 200, 2)


async def test_a_receipt_says_in_tlvs_what_its_text_says() -> None:
    async with VirtualCarrier(receipts=ReceiptSettings(text_octets=20)) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(text=b"a text of more than twenty octets"), None)])
        [receipt] = await ear.hears("receipt", 1)
        [response] = ear.of("response")
        assert receipt.tlvs == {
            c.TAG_RECEIPTED_MESSAGE_ID: response.message_id.encode() + b"\0",
            c.TAG_MESSAGE_STATE: bytes((c.STATE_DELIVERED,)),
        }
        assert receipt.short_message.startswith(f"id:{response.message_id} sub:001 dlvrd:001 submit date:".encode())
        assert receipt.short_message.endswith(b" stat:DELIVRD err:000 text:a text of more than ")


async def test_a_text_that_is_said_twice_is_refused() -> None:
    tlvs = {c.TAG_MESSAGE_PAYLOAD: b"long"}
    async with VirtualCarrier() as carrier, client(carrier) as (link, ear):
        link.submit([(submit(text=b"short", tlvs=tlvs), "both"), (submit(text=b"", tlvs=tlvs), "one")])
        responses = await ear.hears("response", 2)
        assert {one.context: one.status for one in responses} == {"both": c.ESME_RINVMSGLEN, "one": 0}
        [message] = await carrier.received(1)
        assert message.text == "long"


async def test_no_receipts_where_there_are_none() -> None:
    async with VirtualCarrier(receipts=ReceiptSettings(send=False)) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(), None)])
        await ear.hears("response", 1)
        await carrier.settled()
        assert not ear.receipts


async def test_a_mix_of_final_states_is_the_same_for_the_same_seed() -> None:
    receipts = ReceiptSettings(final_states=(("DELIVRD", 0.7), ("UNDELIV", 0.2), ("EXPIRED", 0.1)))

    async def states(seed: int) -> list[str]:
        async with VirtualCarrier(receipts=receipts, seed=seed) as carrier, client(carrier) as (link, ear):
            link.submit([(submit(), None) for _ in range(50)])
            await ear.hears("receipt", 50)
            return [receipt.stat for receipt in ear.receipts]

    first = await states(1)
    assert set(first) == {"DELIVRD", "UNDELIV", "EXPIRED"}
    assert first == await states(1)
    assert first != await states(2)


async def test_refusals_go_by_prefix_suffix_and_share() -> None:
    refusals = (
        Refusal(status=c.ESME_RINVDSTADR, prefix="+1"),
        Refusal(status=c.ESME_RMSGQFUL, suffix="99"),
        Refusal(status=c.ESME_RSYSERR, prefix="+44", fraction=0.5),
    )
    numbers = ["+12025550123", "+491701234599", "+491701234500", *["+447700900123"] * 40]
    async with VirtualCarrier(refusals=refusals) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(number), number) for number in numbers])
        statuses = [response.status for response in await ear.hears("response", len(numbers))]
        assert statuses[:3] == [c.ESME_RINVDSTADR, c.ESME_RMSGQFUL, c.ESME_ROK]
        assert set(statuses[3:]) == {c.ESME_ROK, c.ESME_RSYSERR}
        assert carrier.handsets.count == statuses.count(0)
        assert [fact.status for fact in carrier.log.of("submit")] == statuses


async def test_above_the_throughput_submits_are_throttled() -> None:
    async with VirtualCarrier(throughput=10, burst_s=0.5) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(), None) for _ in range(20)])
        statuses = [response.status for response in await ear.hears("response", 20)]
        assert statuses == [c.ESME_ROK] * 5 + [c.ESME_RTHROTTLED] * 15


async def test_a_silent_carrier_takes_and_never_answers() -> None:
    async with VirtualCarrier(silent=1) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(), None)])
        await ear.hears("receipt", 1)
        assert not ear.of("response")
        assert carrier.handsets.count == 1


async def test_a_link_breaks_on_its_nth_submit_and_receipts_come_after_the_next_bind() -> None:
    async with VirtualCarrier(drop_after=3) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(f"+4917012345{n:02}"), n) for n in range(10)])
        await ear.until(lambda: ear.binds == 2)
        assert set(range(2, 10)) <= set(ear.lost)
        await carrier.settled()
        assert carrier.handsets.count == 3
        assert {receipt.message_id for receipt in ear.receipts} == {fact.id for fact in carrier.log.of("submit")}


async def test_dropped_links_come_back_and_an_outage_ends() -> None:
    async with VirtualCarrier() as carrier, client(carrier) as (_, ear):
        carrier.drop_links()
        await ear.until(lambda: ear.binds == 2)
        port = carrier.port
        await carrier.down()
        assert carrier.binds == 0
        carrier.reply("+491701234567", "12345", "anybody there?")
        await carrier.up()
        assert carrier.port == port
        [reply] = await ear.hears("mo", 1)
        assert reply.short_message == b"anybody there?"


async def test_wrong_credentials_are_refused() -> None:
    async with VirtualCarrier(password="other") as carrier:
        wrong = VirtualCarrier(password="wrong")
        wrong.port = carrier.port
        async with client(wrong, wait=False) as (_, ear):
            await ear.until(lambda: bool(ear.troubles))
            assert carrier.log.of("bind")[0].status == c.ESME_RINVPASWD
            assert not ear.binds


async def test_refused_deliveries_come_again_until_they_are_taken() -> None:
    async with VirtualCarrier(redeliver_ms=5) as carrier, client(carrier) as (link, ear):
        ear.deliver_status = c.ESME_RX_T_APPN
        link.submit([(submit(), None)])
        await ear.hears("receipt", 2)
        ear.deliver_status = c.ESME_ROK
        await carrier.settled()
        statuses = [fact.status for fact in carrier.log.of("receipt_response")]
        assert statuses[-1] == c.ESME_ROK
        assert set(statuses[:-1]) == {c.ESME_RX_T_APPN}


async def test_a_final_no_to_a_delivery_is_the_end_of_it() -> None:
    async with VirtualCarrier(redeliver_ms=1) as carrier, client(carrier) as (link, ear):
        ear.deliver_status = c.ESME_RX_P_APPN
        link.submit([(submit(), None)])
        await ear.hears("receipt", 1)
        await carrier.settled()
        assert len(ear.receipts) == 1


async def test_the_window_holds_and_everything_arrives_in_the_end() -> None:
    async with VirtualCarrier(window=2) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(), None) for _ in range(50)])
        await ear.hears("receipt", 50)
        await carrier.settled()


@pytest.mark.parametrize("way", ["udh", "sar", "payload"])
async def test_long_replies_go_in_parts(way: str) -> None:
    text = "This reply is long. " * 20
    async with VirtualCarrier(long_replies=way) as carrier, client(carrier) as (_, ear):
        carrier.reply("+491701234567", "12345", text)
        parts = await ear.hears("mo", 1 if way == "payload" else 3)
        assert {(part.source_addr, part.destination_addr) for part in parts} == {("491701234567", "12345")}
        header = 6 if way == "udh" else 0
        assert b"".join(message_octets(part)[header:] for part in parts).decode() == text
        await carrier.settled()


async def test_handsets_answer_by_themselves_when_told_to() -> None:
    async with VirtualCarrier(reply_text="thank you") as carrier, client(carrier) as (link, ear):
        link.submit([(submit(source_addr="12345", source_addr_ton=3), None)])
        [reply] = await ear.hears("mo", 1)
        assert (reply.destination_addr, reply.short_message) == ("12345", b"thank you")


async def test_a_receipt_can_be_sent_for_anything() -> None:
    async with VirtualCarrier() as carrier, client(carrier) as (_, ear):
        carrier.receipt("no such id", "UNDELIV", to="+491701234567", sender="Shop")
        await ear.hears("receipt", 1)
        assert (ear.receipts[0].message_id, ear.receipts[0].stat) == ("no such id", "UNDELIV")


async def test_what_is_not_offered_is_refused() -> None:
    from heliograph.smpp.pdus import CancelSm, QuerySm, ReplaceSm

    async with VirtualCarrier() as carrier, client(carrier) as (link, ear):
        link.submit([(QuerySm("1"), None), (CancelSm(message_id="1"), None), (ReplaceSm("1"), None)])
        statuses = [response.status for response in await ear.hears("response", 3)]
        assert statuses == [c.ESME_RQUERYFAIL, c.ESME_RCANCELFAIL, c.ESME_RREPLACEFAIL]


async def test_the_log_file_is_the_truth(tmp_path: Path) -> None:
    path = tmp_path / "carrier.jsonl"
    parts = segment("x" * 200, Encoding.GSM7).with_udh(7)
    async with VirtualCarrier(log=str(path)) as carrier, client(carrier) as (link, ear):
        batch = [submit(text=udh + part, esm_class=c.ESM_UDHI) for udh, part in parts]
        link.submit([(pdu, None) for pdu in batch])
        await ear.hears("receipt", 2)
        carrier.reply("+491701234567", "12345", "yes")
        await ear.hears("mo", 1)
        await carrier.settled()
    facts = read_log(path)
    kinds = ["submit", "response", "message", "receipt", "receipt_response", "mo", "mo_response"]
    assert {kind: len(read_log(path, [kind])) for kind in kinds} == dict(zip(kinds, [2, 2, 1, 2, 2, 1, 1], strict=True))
    submits = [fact for fact in facts if fact.fact == "submit"]
    assert [(fact.to, fact.sender, fact.part, len(fact.text)) for fact in submits] == [
        ("+491701234567", "Shop", "1/2", 153),
        ("+491701234567", "Shop", "2/2", 47),
    ]
    assert [fact.id for fact in facts if fact.fact == "response"] == [fact.id for fact in submits]
    assert facts[0].fact == "bind"


async def test_the_log_can_do_without_texts(tmp_path: Path) -> None:
    path = tmp_path / "carrier.jsonl"
    async with VirtualCarrier(log=str(path), log_texts=False) as carrier, client(carrier) as (link, _):
        link.submit([(submit(text=b"private"), None)])
        await carrier.received(1)
    [fact] = read_log(path, ["submit"])
    assert (fact.text, fact.hash) == ("", hashlib.sha256(b"private").hexdigest())
    assert b"private" not in path.read_bytes()


async def test_waiting_for_too_much_says_what_there_is() -> None:
    async with VirtualCarrier() as carrier:
        with pytest.raises(TimeoutError, match=r"no 1 messages within .* there are 0 messages, 0 binds"):
            await carrier.received(1, timeout_s=0.01)


async def test_memory_is_bounded() -> None:
    async with VirtualCarrier(keep_messages=5, keep_facts=7) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(text=b"%d" % n), None) for n in range(20)])
        await ear.hears("receipt", 20)
        assert [message.text for message in carrier.messages] == ["15", "16", "17", "18", "19"]
        assert carrier.handsets.count == 20
        assert len(carrier.log.facts) == 7
        assert carrier.log.counts["submit"] == 20


@pytest.mark.parametrize(("version", "tlvs"), [(0x50, {c.TAG_CONGESTION_STATE: b"\x5f"}), (0x34, {})])
async def test_clients_of_5_0_hear_how_busy_the_carrier_is(version: int, tlvs: dict[int, bytes]) -> None:
    async with VirtualCarrier(congestion=95) as carrier, client(carrier, interface_version=version) as (link, ear):
        link.submit([(submit(text=b"hello"), "mine")])
        [response] = await ear.hears("response", 1)
        assert (response.status, response.tlvs) == (0, tlvs)


@pytest.mark.parametrize(("version", "status"), [(0x50, c.ESME_RPROHIBITED), (0x34, c.ESME_RINVCMDID)])
async def test_a_broadcast_is_refused(version: int, status: int) -> None:
    async with VirtualCarrier(congestion=0) as carrier, client(carrier, interface_version=version) as (link, ear):
        link.submit([(BroadcastSm(broadcast_area_identifiers=(b"\0North",)), "mine")])
        [response] = await ear.hears("response", 1)
        assert response.status == status
