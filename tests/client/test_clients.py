"""Both clients against a whole house, over good lines and bad ones."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from heliograph import AsyncClient, Client
from heliograph.client import (
    Accepted,
    Conflict,
    InvalidRequest,
    NoAnswer,
    NotFound,
    Overloaded,
    ProblemError,
    RateLimited,
    Refused,
    Retries,
    Timeouts,
    Unauthorized,
    WebhookVerifier,
)
from tests.client.conftest import MakeFace
from tests.client.line import bad_line, refusal
from tests.dialogues.stage import HANDSET, NUMBER, Stage, stage


async def sent(s: Stage) -> int:
    """How many messages the house has."""
    return len((await s.ask("GET", "/v1/messages"))["messages"])


async def test_a_message_from_the_call_to_its_end(tmp_path: Path, client: MakeFace) -> None:
    async with stage(tmp_path) as s:
        c = client(s.server.url, s.key)
        accepted = await c.do("send", HANDSET, "hello", sender=NUMBER, client_ref="order 7", tags=["shop"])
        assert isinstance(accepted, Accepted)
        assert (accepted.to, accepted.segments, accepted.encoding) == (HANDSET, 1, "gsm7")
        await s.until(accepted.id, "delivered")
        message = await c.do("message", accepted.id)
        assert (message.state, message.sender, message.text, message.tags) == ("delivered", NUMBER, "hello", ("shop",))
        assert message.ended
        assert [attempt.number for attempt in message.attempts] == [1]
        events = await c.do("events", accepted.id)
        assert [event.type for event in events] == ["message.queued", "message.sent", "message.delivered"]
        assert [event.data.state for event in events] == ["queued", "sent", "delivered"]
        assert [one.id for one in await c.all(client_ref="order 7")] == [accepted.id]
        assert await c.all(client_ref="order 8") == []


async def test_binary_messages_and_dates(tmp_path: Path, client: MakeFace) -> None:
    async with stage(tmp_path) as s:
        c = client(s.server.url, s.key)
        data = await c.do("send", HANDSET, data=b"\x00\xff", udh=b"\x04\x05\x02\x00\x00")
        assert data.encoding == "binary"
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        later = await c.do("send", HANDSET, "tomorrow", send_at=tomorrow)
        assert later.state == "scheduled"
        moved = await c.do("reschedule", later.id, send_at=tomorrow + timedelta(days=1))
        assert moved.send_at is not None
        assert datetime.fromisoformat(moved.send_at) == tomorrow + timedelta(days=1)
        assert (await c.do("cancel", later.id)).state == "canceled"
        await s.until(data.id, "delivered")
        with pytest.raises(Conflict) as refused:
            await c.do("cancel", data.id)
        assert refused.value.code == "too_late"


async def test_a_batch_has_a_result_for_each(tmp_path: Path, client: MakeFace) -> None:
    async with stage(tmp_path) as s:
        c = client(s.server.url, s.key)
        good, bad, other = await c.do(
            "send_batch", [{"to": HANDSET, "text": "a"}, {"to": "123", "text": "b"}, {"to": HANDSET, "text": "c"}]
        )
        assert isinstance(good, Accepted)
        assert isinstance(other, Accepted)
        assert isinstance(bad, Refused)
        assert bad.code == "number_impossible"
        assert bad.field == "to"


async def test_inspection(tmp_path: Path, client: MakeFace) -> None:
    async with stage(tmp_path) as s:
        found = await client(s.server.url, s.key).do("inspect", "日本")
        assert (found.encoding, found.length, len(found.segments)) == ("ucs2", 2, 1)
        assert [one.character for one in found.forced_unicode] == ["日", "本"]


async def test_webhooks_are_made_heard_verified_and_deleted(tmp_path: Path, client: MakeFace) -> None:
    async with stage(tmp_path) as s:
        c = client(s.server.url, s.key)
        async with s.webhook("message.delivered") as sink:
            made = await c.do("create_webhook", sink.url, events=["message.sent"], batch=5)
            assert made.secret is not None
            WebhookVerifier(made.secret)
            listed = await c.do("webhooks")
            assert {one.id: one.secret for one in listed}[made.id] is None
            await c.do("delete_webhook", made.id)
            assert made.id not in {one.id for one in await c.do("webhooks")}
            with pytest.raises(NotFound):
                await c.do("delete_webhook", made.id)


async def test_a_page_starts_what_was_prepared(tmp_path: Path, client: MakeFace) -> None:
    origins = ["https://shop.example"]
    async with stage(tmp_path) as s, aiohttp.ClientSession() as page:
        c = client(s.server.url, s.key)
        made = await c.do("prepare", HANDSET, "hello", origins=origins, sender=NUMBER, expires_in_s=60)
        assert (made.state, made.origins, made.test) == ("open", tuple(origins), False)
        headers = {"Authorization": f"Bearer {made.token}", "Origin": origins[0]}
        async with page.post(f"{s.server.url}/v1/start", headers=headers) as answer:
            assert (answer.status, await answer.json()) == (202, {"status": "accepted"})
        found = await c.do("publishable_token", made.id)
        assert (found.state, found.token) == ("started", None)
        await s.until(found.message_id, "delivered")
        other = await c.do("prepare", HANDSET, "hello", origins=origins)
        await c.do("revoke_publishable_token", other.id)
        assert (await c.do("publishable_token", other.id)).state == "revoked"
        with pytest.raises(InvalidRequest) as refused:
            await c.do("prepare", HANDSET, "hello", origins=["shop.example"])
        assert refused.value.field == "origins[0]"


async def test_a_token_whose_answer_was_lost_is_made_again(tmp_path: Path, client: MakeFace) -> None:
    async with stage(tmp_path) as s, bad_line(s.server.url, "cut") as line:
        made = await client(line.url, s.key).do("prepare", HANDSET, "hello", origins=["https://shop.example"])
        assert made.token is not None
        assert len(line.requests) == 2
        assert await sent(s) == 0


async def test_refusals_are_typed_and_not_tried_again(tmp_path: Path, client: MakeFace) -> None:
    async with stage(tmp_path) as s, bad_line(s.server.url) as line:
        c = client(line.url, s.key)
        with pytest.raises(InvalidRequest) as invalid:
            await c.do("send", "123", "hello")
        assert (invalid.value.code, invalid.value.field, invalid.value.status) == ("number_impossible", "to", 422)
        with pytest.raises(NotFound):
            await c.do("message", "../../v1/webhooks")
        with pytest.raises(Unauthorized):
            await client(line.url, "hg_live_wrong").do("webhooks")
        assert len(line.requests) == 3


@pytest.mark.parametrize("deed", ["cut", "refuse", "hang"])
async def test_a_lost_answer_is_asked_for_again_and_the_message_goes_once(
    tmp_path: Path, client: MakeFace, deed: str
) -> None:
    async with stage(tmp_path) as s, bad_line(s.server.url, deed, deed) as line:
        c = client(line.url, s.key, timeouts=Timeouts(answer_s=2.0 if deed == "hang" else 30.0))
        accepted = await c.do("send", HANDSET, "hello")
        await s.until(accepted.id, "delivered")
        assert len(line.requests) == 3
        assert await sent(s) == 1
        assert [message.text for message in s.carrier.messages] == ["hello"]


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_server_is_asked_again_when_it_says(tmp_path: Path, client: MakeFace, status: int) -> None:
    busy = refusal(status, "overloaded", "Retry-After: 0")
    async with stage(tmp_path) as s, bad_line(s.server.url, busy, busy) as line:
        await client(line.url, s.key).do("send", HANDSET, "hello")
        assert len(line.requests) == 3
        assert await sent(s) == 1


async def test_a_server_that_stays_busy_is_an_error_of_its_kind(tmp_path: Path, client: MakeFace) -> None:
    async with stage(tmp_path) as s:
        for status, kind in ((429, RateLimited), (503, Overloaded)):
            busy = refusal(status, "overloaded", "Retry-After: 0")
            async with bad_line(s.server.url, *[busy] * 9) as line:
                with pytest.raises(kind):
                    await client(line.url, s.key).do("webhooks")
                assert len(line.requests) == 5
        async with bad_line(s.server.url, refusal(503, "overloaded", "Retry-After: 3600")) as line:
            with pytest.raises(Overloaded) as patience:  # longer than this client waits: not a try more
                await client(line.url, s.key).do("webhooks")
            assert patience.value.retry_after_s == 3600
            assert len(line.requests) == 1


async def test_no_answer_at_all_names_the_key_to_ask_with_again(tmp_path: Path, client: MakeFace) -> None:
    async with stage(tmp_path) as s, bad_line(s.server.url, *["cut"] * 5) as line:
        c = client(line.url, s.key)
        with pytest.raises(NoAnswer) as lost:
            await c.do("send", HANDSET, "hello")
        key = lost.value.idempotency_key
        assert lost.value.tries == 5
        assert key is not None
        again = await c.do("send", HANDSET, "hello", idempotency_key=key)
        assert await sent(s) == 1
        with pytest.raises(Conflict):
            await c.do("send", HANDSET, "something else", idempotency_key=key)
        await s.until(again.id, "delivered")


async def test_a_page_of_some_proxy_is_an_error_with_its_status(tmp_path: Path, client: MakeFace) -> None:
    page = b"HTTP/1.1 404 No\r\nContent-Length: 6\r\n\r\n<html>"
    strange = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"
    async with stage(tmp_path) as s, bad_line(s.server.url, page, strange) as line:
        c = client(line.url, s.key)
        with pytest.raises(ProblemError, match="http_404"):
            await c.do("webhooks")
        with pytest.raises(Exception, match="cannot read"):
            await c.do("webhooks")


async def test_pages_are_walked_to_their_end(tmp_path: Path, client: MakeFace) -> None:
    async with stage(tmp_path) as s:
        await s.carrier.down()
        c = client(s.server.url, s.key)
        numbers = [f"+1415555{number:04}" for number in range(100, 150)]
        results = await c.do("send_batch", [{"to": one, "text": "hello"} for one in numbers])
        found = await c.all(page=7, sender=NUMBER)
        assert [one.id for one in found] == [one.id for one in reversed(results)]


async def test_ten_thousand_messages_are_walked_page_by_page(tmp_path: Path, client: MakeFace) -> None:
    """Each once and in order, while newer ones arrive in front of them."""
    many = [{"to": f"+1415555{number:04}", "text": "hello"} for number in range(10_000)]
    async with stage(tmp_path) as s:
        await s.carrier.down()
        c = client(s.server.url, s.key)
        first, second = await c.do("send_batch", many), await c.do("send_batch", many[:100])
        sent = [one.id for one in (*first, *second)]
        walk, newer = asyncio.ensure_future(c.all(page=500)), c.do("send", HANDSET, "later")
        found, later = await asyncio.gather(walk, newer)
        assert [one.id for one in found if one.id != later.id] == sent[::-1]


def test_what_can_be_no_server_and_no_key_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match="url"):
            kind("sms.example.com", "hg_live_x")
        with pytest.raises(ValueError, match="key"):
            kind("https://sms.example.com")
        with pytest.raises(ValueError, match="key"):
            kind("https://sms.example.com", "two words\r\nX-Evil: 1")
    monkeypatch.setenv("HELIOGRAPH_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HELIOGRAPH_KEY", "hg_live_x")
    with Client(retries=Retries(tries=1)) as c, pytest.raises(NoAnswer):
        c.webhooks()


async def test_many_tasks_share_one_client(tmp_path: Path) -> None:
    async with stage(tmp_path) as s, AsyncClient(s.server.url, s.key) as c:
        await s.carrier.down()
        numbers = [f"+1415555{number:04}" for number in range(100, 164)]
        accepted = await asyncio.gather(*(c.send(one, "hello") for one in numbers))
        assert len({one.id for one in accepted}) == 64
