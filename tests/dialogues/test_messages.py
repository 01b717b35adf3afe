"""What a customer and a handset say to each other, and what the house tells of it."""

from __future__ import annotations

from pathlib import Path

from heliograph.model import OptOut
from heliograph.simulator import CarrierSettings, ReceiptSettings, VirtualCarrier
from tests.accounts import ensure_account
from tests.dialogues.stage import HANDSET, NUMBER, Sink, stage


async def test_a_one_time_code_reaches_a_handset_and_its_receipt_comes_back(tmp_path: Path) -> None:
    async with stage(tmp_path) as s, s.webhook() as webhook:
        # The shop sends a code, from the only number it has.
        accepted = await s.send(text="Your code is 4711", type="otp", client_ref="login-1")
        assert (accepted["state"], accepted["segments"], accepted["to"]) == ("queued", 1, HANDSET)

        # The handset shows it.
        [message] = await s.carrier.received(1)
        assert (message.to, message.sender, message.text) == (HANDSET, NUMBER, "Your code is 4711")

        # The carrier says so, and everybody hears of it in order.
        shown = await s.until(accepted["id"], "delivered")
        assert (shown["client_ref"], shown["possible_duplicate"], shown["error"]) == ("login-1", False, None)
        assert shown["accepted_at"] <= shown["sent_at"] <= shown["ended_at"]
        assert await s.events(accepted["id"]) == ["queued", "sent", "delivered"]
        await webhook.wait_for(lambda event: event["type"] == "message.delivered")
        assert [event["sequence"] for event in webhook.events] == [1, 2, 3]
        assert {event["subject"] for event in webhook.events} == {accepted["id"]}
        assert webhook.events[-1]["data"]["state"] == "delivered"


async def test_a_long_message_leaves_in_parts_and_arrives_whole(tmp_path: Path) -> None:
    text = "Grüße aus Łódź! " * 20  # one letter that GSM 7-bit lacks makes all of it Unicode
    async with stage(tmp_path) as s:
        looked_at = await s.ask("POST", "/v1/inspect", {"text": text})
        assert [one["character"] for one in looked_at["forced_unicode"]] == ["Ł", "ó", "ź"]

        accepted = await s.send(text=text)
        assert (accepted["encoding"], accepted["segments"]) == ("ucs2", len(looked_at["segments"]))

        [message] = await s.carrier.received(1)
        assert (message.text, message.segments) == (text, accepted["segments"])

        shown = await s.until(accepted["id"], "delivered")
        assert shown["segments_delivered"] == shown["segments"]
        assert [one["state"] for one in shown["segment_list"]] == ["delivered"] * shown["segments"]
        assert [one.part for one in s.carrier.log.of("submit")] == [f"{n}/5" for n in range(1, 6)]


async def test_a_reply_becomes_message_received(tmp_path: Path) -> None:
    async with stage(tmp_path) as s, s.webhook("message.received") as webhook:
        await s.send(text="Are you coming?")
        await s.carrier.received(1)
        s.carrier.reply(HANDSET, NUMBER, "Yes, " + "very " * 60 + "gladly 🎉")  # in parts, joined for us

        event = await webhook.wait_for(lambda event: True)
        reply = event["data"]
        assert event["type"] == "message.received"
        assert (reply["direction"], reply["from"], reply["to"]) == ("inbound", HANDSET, NUMBER)
        assert reply["text"].startswith("Yes, very")
        assert reply["text"].endswith("gladly 🎉")
        assert (await s.show(reply["id"]))["state"] == "received"
        await s.carrier.settled()  # the carrier was answered after we had it
        assert [fact.status for fact in s.carrier.log.of("mo_response")] == [0] * reply["segments"]


async def test_nobody_else_hears_of_a_message(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        accepted = await s.send()
        s.key = await s.make_key("stranger")
        async with s.webhook() as strangers:
            refused = await s.ask("GET", f"/v1/messages/{accepted['id']}", status=404)
            assert refused["code"] == "not_found"
            assert (await s.ask("GET", "/v1/messages"))["messages"] == []
            mine = await s.send(sender="Stranger")
            await strangers.wait_for(lambda event: event["type"] == "message.delivered")
            assert {event["subject"] for event in strangers.events} == {mine["id"]}


async def test_a_repeated_request_sends_once(tmp_path: Path) -> None:
    body = {"to": HANDSET, "text": "Your parcel is here"}
    async with stage(tmp_path) as s:
        first = await s.ask("POST", "/v1/messages", body, Idempotency_Key="parcel-7")
        again = await s.ask("POST", "/v1/messages", body, Idempotency_Key="parcel-7")
        assert again == first
        other = await s.ask("POST", "/v1/messages", body | {"text": "?"}, status=409, Idempotency_Key="parcel-7")
        assert other["code"] == "idempotency_mismatch"

        await s.until(first["id"], "delivered")
        assert s.carrier.log.counts["submit"] == 1


async def test_a_message_may_have_a_webhook_of_its_own(tmp_path: Path) -> None:
    async with stage(tmp_path) as s, s.webhook("message.delivered") as everything, Sink() as own:
        own.secret = await s.callback_secret()
        callback = {"url": own.url, "events": ["message.delivered"]}
        alone = await s.send(text="tell me of this one", callback=callback, metadata={"order": 7})
        other = await s.send(text="and not of this one")
        for message in (alone, other):
            await everything.wait_for(lambda event, id=message["id"]: event["subject"] == id)
        event = await own.wait_for(lambda event: True)
        assert (event["subject"], event["data"]["metadata"]) == (alone["id"], {"order": 7})
        assert len(own.events) == 1


async def test_who_opted_out_gets_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        shop = (await ensure_account(s.server.store, "shop", 0)).id
        await s.server.store.add_opt_outs([OptOut(account_id=shop, recipient=HANDSET, created_us=1)])
        refused = await s.ask("POST", "/v1/messages", {"to": HANDSET, "text": "Sale!"}, status=422)
        assert (refused["code"], refused["field"]) == ("recipient_opted_out", "to")

        # Another account's messages, and other handsets, are not concerned.
        await s.send(to="+14155550124", text="Sale!")
        s.key = await s.make_key("doctor")
        await s.send(sender="Doctor", text="Your appointment is tomorrow")
        assert sorted(message.to for message in await s.carrier.received(2)) == [HANDSET, "+14155550124"]


async def test_what_is_too_late_is_not_sent(tmp_path: Path) -> None:
    async with stage(tmp_path) as s, s.webhook("message.expired") as webhook:
        await s.carrier.down()
        accepted = await s.send(text="Your code is 4711", type="otp", validity_s=60)
        s.clock.skip(61)
        shown = await s.until(accepted["id"], "expired")
        assert shown["error"] == "expired"
        assert (await webhook.wait_for(lambda event: True))["subject"] == accepted["id"]

        await s.carrier.up()
        later = await s.send(text="Here I am again")
        await s.until(later["id"], "delivered")
        assert [message.text for message in s.carrier.messages] == ["Here I am again"]


async def test_a_carrier_that_gives_up_is_believed(tmp_path: Path) -> None:
    receipts = ReceiptSettings(final_states=(("UNDELIV", 1.0),))
    async with stage(tmp_path, VirtualCarrier(CarrierSettings(receipts=receipts))) as s:
        accepted = await s.send()
        shown = await s.until(accepted["id"], "undelivered")
        assert shown["error"]

        # And when the message arrived in the end, the end is corrected, once.
        [fact] = s.carrier.log.of("receipt")
        for _ in range(2):
            s.carrier.receipt(fact.id, "DELIVRD", to=HANDSET, sender=NUMBER)
        await s.until(accepted["id"], "delivered")
        await s.carrier.settled()
        assert await s.events(accepted["id"]) == ["queued", "sent", "undelivered", "delivered"]
