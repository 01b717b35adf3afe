"""What carriers do on bad days, and what becomes of messages then: nothing is lost, and order is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliograph.simulator import CarrierSettings, ReceiptSettings, Refusal, VirtualCarrier
from heliograph.smpp import constants as c
from heliograph.telemetry import journal
from tests.dialogues.stage import HANDSET, NUMBER, configuration, eventually, stage


async def test_what_is_sent_while_the_carrier_is_down_arrives_in_order(tmp_path: Path) -> None:
    texts = [f"number {at}" for at in range(50)]
    async with stage(tmp_path) as s:
        await s.carrier.down()
        accepted = [await s.send(text=text) for text in texts]
        assert (await s.show(accepted[0]["id"]))["state"] == "queued"

        await s.carrier.up()
        assert [message.text for message in await s.carrier.received(50)] == texts
        for message in accepted:
            shown = await s.until(message["id"], "delivered")
            assert shown["possible_duplicate"] is False  # none of them was on the lost link


async def test_what_was_on_a_link_when_it_broke_is_repeated_and_marked(tmp_path: Path) -> None:
    async with stage(tmp_path, VirtualCarrier(drop_after=2)) as s:
        # Each link breaks on its second submission, which the handset has and we never hear of.
        before = await s.send(text="first")
        await s.until(before["id"], "delivered")
        wondering = await s.send(text="did you get this?")
        repeated = await s.until(wondering["id"], "delivered")
        once = await s.send(text="never twice, please", at_most_once=True)
        ended = await s.until(once["id"], "unknown")

        assert (await s.show(before["id"]))["possible_duplicate"] is False
        assert repeated["possible_duplicate"] is True
        assert [one["error"] for one in repeated["attempts"]] == ["outcome_unknown", None]
        assert (ended["error"], ended["possible_duplicate"]) == ("outcome_unknown", False)
        told = [message.text for message in s.carrier.messages]
        assert told == ["first", "did you get this?", "did you get this?", "never twice, please"]


async def test_a_carrier_that_throttles_gets_everything_more_slowly(tmp_path: Path) -> None:
    async with stage(tmp_path, VirtualCarrier(throughput=40, burst_s=0.1)) as s:
        body = {"to": [f"+1415555{number:04}" for number in range(100, 140)], "text": "slowly"}
        answer = await s.ask("POST", "/v1/messages/batch", body, status=202)
        ids = [one["id"] for one in answer["results"]]

        async def skip_the_rests() -> bool:
            s.clock.skip(1)  # a lane rests for seconds when its carrier complains
            s.server.pipeline.dispatch.lanes[1].plan_turn()
            return s.carrier.handsets.count == len(ids)

        await eventually(skip_the_rests)
        shown = [await s.until(one, "delivered") for one in ids]
        complaints = sum(fact.status == c.ESME_RTHROTTLED for fact in s.carrier.log.of("submit"))
        assert 0 < complaints == sum(len(one["attempts"]) - 1 for one in shown)
        assert not any(one["possible_duplicate"] for one in shown)


async def test_where_one_carrier_cannot_another_takes_over(tmp_path: Path) -> None:
    carriers = {
        "cheap": VirtualCarrier(refusals=(Refusal(status=c.ESME_RINVSERTYP, prefix="+1415555"),)),
        "dear": VirtualCarrier(),
    }
    async with stage(tmp_path, carriers) as s:
        accepted = await s.send()
        assert accepted["connector"] == "cheap"
        shown = await s.until(accepted["id"], "delivered")
        assert shown["connector"] == "dear"
        assert [one["connector"] for one in shown["attempts"]] == ["cheap", "dear"]
        assert shown["attempts"][0]["carrier_status"] == c.ESME_RINVSERTYP
        assert [carrier.handsets.count for carrier in carriers.values()] == [0, 1]


async def test_a_refusal_for_good_ends_the_message(tmp_path: Path) -> None:
    async with stage(tmp_path, VirtualCarrier(refusals=(Refusal(status=c.ESME_RINVDSTADR),))) as s:
        shown = await s.until((await s.send())["id"], "rejected")
        assert (shown["error"], shown["carrier_status"]) == ("recipient_invalid", c.ESME_RINVDSTADR)


RECEIPTS = {
    "before the response": ReceiptSettings(before_response=True),
    "on another bind": ReceiptSettings(bind="other", delay_ms=20),
    "in hex": ReceiptSettings(style="hex", delay_ms=20),
    "in upper-case hex with zeros": ReceiptSettings(style="hex_padded", jitter_ms=20),
    "all of it at once": ReceiptSettings(before_response=True, bind="other", style="hex"),
}


@pytest.mark.parametrize("receipts", RECEIPTS.values(), ids=RECEIPTS)
async def test_receipts_find_their_message(tmp_path: Path, receipts: ReceiptSettings) -> None:
    carrier = VirtualCarrier(CarrierSettings(ids="decimal", receipts=receipts))
    async with stage(tmp_path, carrier, settings="links = 2", binds=2) as s:
        accepted = [await s.send(text=f"number {at}", to=f"+1415555{100 + at:04}") for at in range(20)]
        for message in accepted:
            shown = await s.until(message["id"], "delivered")
            assert shown["possible_duplicate"] is False
        assert carrier.log.counts["submit"] == 20


async def test_a_new_configuration_leaves_alone_what_it_does_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(journal, "connector_changed", lambda name, what: told.append((name, what)))
    carriers = {"stays": VirtualCarrier(), "changes": VirtualCarrier(), "goes": VirtualCarrier()}
    async with stage(tmp_path, carriers) as s:
        waiting = await s.send(text="before")
        await s.until(waiting["id"], "delivered")

        del carriers["goes"]
        changed = configuration(tmp_path, carriers, settings={"changes": "window = 7"})
        await s.server.reload(changed)
        await s.bound()
        assert [carrier.log.counts["bind"] for carrier in carriers.values()] == [1, 2]
        assert carriers["stays"].log.counts["lost"] == 0
        assert told == [("changes", "changed"), ("goes", "removed")]

        after = await s.send(text="after")
        await s.until(after["id"], "delivered")


async def test_numbers_of_a_new_configuration_hold_at_once(tmp_path: Path) -> None:
    async with stage(tmp_path) as s, s.webhook("message.received") as webhook:
        more = '[[numbers]]\nnumber = "777"\naccount = "shop"\n'
        await s.server.reload(configuration(tmp_path, s.carriers, settings={}, more=more))
        s.carrier.reply(HANDSET, "777", "hello?")
        assert (await webhook.wait_for(lambda event: True))["data"]["to"] == "777"
        assert s.carrier.log.counts["bind"] == 1


async def test_a_restart_takes_up_where_the_last_run_stopped(tmp_path: Path) -> None:
    async with VirtualCarrier() as carrier:
        settings = CarrierSettings(port=carrier.port)
    async with stage(tmp_path, VirtualCarrier(settings)) as s:
        await s.carrier.down()
        ids = [(await s.send(text=f"number {at}"))["id"] for at in range(10)]
    async with stage(tmp_path, VirtualCarrier(settings)) as s:
        assert [message.text for message in await s.carrier.received(10)] == [f"number {at}" for at in range(10)]
        for one in ids:
            assert (await s.until(one, "delivered"))["possible_duplicate"] is False


async def test_a_busy_account_holds_up_no_code_of_another(tmp_path: Path) -> None:
    async with stage(tmp_path, settings="segments_per_second = 20") as s:
        body = {"to": [f"+1415555{number:04}" for number in range(100, 199)], "text": "Sale!", "type": "promotional"}
        await s.ask("POST", "/v1/messages/batch", body, status=202)
        s.key = await s.make_key("bank")
        code = await s.send(sender="Bank", text="4711", type="otp")
        await s.until(code["id"], "delivered")
        assert s.carrier.handsets.count < 30
        assert NUMBER in {message.sender for message in s.carrier.messages}
