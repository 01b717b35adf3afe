"""The receiver of webhooks that the demo and the dialogues use."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import aiohttp
import pytest
from standardwebhooks import Webhook

from heliograph.cli.webhooksink import WebhookSink
from heliograph.delivery.standard_webhooks import new_secret


async def test_it_keeps_what_is_signed_and_waits_no_longer_than_it_may() -> None:
    async with WebhookSink() as sink, aiohttp.ClientSession() as http:
        sink.secret = new_secret()
        with pytest.raises(TimeoutError, match=r"came: none; 0 had a wrong signature"):
            await sink.wait_for(lambda _: True, timeout_s=0.0)
        body = json.dumps({"type": "message.sent", "subject": "m1"})
        now = int(time.time())
        signed = {"webhook-id": "m1-2", "webhook-timestamp": str(now), "webhook-signature": "v1,forged"}
        async with http.post(sink.url, data=body, headers=signed) as refused:
            assert refused.status == 400
        signature = Webhook(sink.secret).sign("m1-2", datetime.fromtimestamp(now, UTC), body)
        async with http.post(sink.url, data=body, headers=signed | {"webhook-signature": signature}) as taken:
            assert taken.status == 204
        assert (await sink.wait_for(lambda event: event["type"] == "message.sent"))["subject"] == "m1"
        with pytest.raises(TimeoutError, match=r"message.sent of m1; 1 had a wrong signature"):
            await sink.wait_for(lambda event: event["type"] == "message.read", timeout_s=0.01)
