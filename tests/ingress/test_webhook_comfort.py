"""Webhooks over HTTP with a real receiver: changed, paused, tested, replayed, shown, signed with two secrets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from standardwebhooks import Webhook

from heliograph.contracts import Acceptance, Changes
from tests.ingress.house import House

HOUR_US = 3_600_000_000


class Sink:
    """A receiver on loopback: answers ``status`` and keeps what it got."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.url = ""
        self.gate = asyncio.Event()
        """Closed, it keeps answers back."""
        self.gate.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head)}
                body = await reader.readexactly(int(headers["content-length"]))
                self.got.append((headers, body))
                await self.gate.wait()
                said = b'{"for": "+14155550100", "key": "whsec_c2VjcmV0"}'
                writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%b" % (self.status, len(said), said))
        except asyncio.IncompleteReadError:
            writer.close()

    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for _, body in self.got]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.got) < count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def sink() -> AsyncIterator[Sink]:
    made = Sink()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield made
    finally:
        server.close()


async def begin(api: House) -> None:
    """Joins store, outbox and webhooks, as the house does."""
    services = api.services
    outbox = services.outbox

    async def load() -> None:
        outbox.set_endpoints(await api.store.endpoints())

    services.webhooks.changed = load
    services.webhooks._position = api_position(api)
    api.store.on_facts = lambda position, facts, lives: outbox.told(position, facts, lives)
    await outbox.start()


def api_position(api: House) -> Any:
    return lambda: api.services.outbox._desk.position


async def make(api: House, url: str, **fields: Any) -> Any:
    answer = await api.call("POST", "/v1/webhooks", {"url": url, **fields})
    assert answer.status == 201, answer.body
    return answer.json


async def send(api: House, **fields: Any) -> str:
    body = {"to": "+14155550123", "from": "12345", "text": "secret words", **fields}
    answer = await api.call("POST", "/v1/messages", body)
    assert answer.status == 202, answer.body
    return f"{answer.json['id']}-1"


async def ask(api: House, method: str, path: str, body: Any = b"", status: int = 200) -> Any:
    answer = await api.call(method, path, body)
    assert answer.status == status, answer.body
    return answer.json if answer.body else None


async def test_a_webhook_is_changed_paused_and_goes_on_without_a_gap(api: House) -> None:
    await begin(api)
    async with sink() as old, sink() as new:
        hook = await make(api, old.url)
        path = f"/v1/webhooks/{hook['id']}"
        first = await send(api)
        await old.until(1)
        changed = await ask(api, "PATCH", path, {"url": new.url, "tags": ["vip"], "paused": True})
        assert (changed["url"], changed["tags"], changed["health"]["state"]) == (new.url, ["vip"], "paused")
        assert changed["paused_at"]
        wanted = await send(api, tags=["other", "vip"])
        await send(api, tags=["other"])
        await send(api)
        await asyncio.sleep(0.1)
        assert (old.ids(), new.ids()) == ([first], [])
        resumed = await ask(api, "PATCH", path, {"paused": False})
        assert "paused_at" not in resumed
        await new.until(1)
        all_again = await ask(api, "PATCH", path, {"tags": []})
        assert "tags" not in all_again
        last = await send(api)
        await new.until(2)
        assert new.ids() == [wanted, last]
        assert (await ask(api, "GET", path)) == (await ask(api, "GET", "/v1/webhooks"))["webhooks"][0]


async def test_a_new_secret_and_the_one_before_both_verify(api: House) -> None:
    await begin(api)
    async with sink() as there:
        hook = await make(api, there.url)
        path = f"/v1/webhooks/{hook['id']}/secret"
        changed = await ask(api, "POST", path, {"old_valid_s": 3600})
        assert changed["secret"] != hook["secret"]
        assert changed["old_secret_until"]
        await send(api)
        await there.until(1)
        headers, body = there.got[0]
        for secret in (hook["secret"], changed["secret"]):
            assert Webhook(secret).verify(body, headers)
        at_once = await ask(api, "POST", path, {"old_valid_s": 0})
        await send(api)
        await there.until(2)
        headers, body = there.got[1]
        assert Webhook(at_once["secret"]).verify(body, headers)
        assert " " not in headers["webhook-signature"]


async def test_a_secret_is_shown_once_and_changed_once_a_key(api: House) -> None:
    hook = await make(api, "https://example.com/hook")
    path = f"/v1/webhooks/{hook['id']}/secret"
    first = await api.call("POST", path, headers={"Idempotency-Key": "k"})
    again = await api.call("POST", path, headers={"Idempotency-Key": "k"})
    assert first.json["secret"].startswith("whsec_")
    assert (again.json["secret_shown"], "secret" in again.json) == (False, False)
    assert again.headers["idempotent-replayed"] == "true"
    callbacks = await ask(api, "POST", "/v1/webhooks/callbacks/secret")
    assert (await ask(api, "GET", "/v1/webhooks/callbacks"))["secret"] == callbacks["secret"]


async def test_a_test_event_goes_out_at_once_and_says_what_came_back(api: House) -> None:
    async with sink() as there:
        hook = await make(api, there.url)
        done = await ask(api, "POST", f"/v1/webhooks/{hook['id']}/test")
        assert (done["outcome"], done["answer"]["status"]) == ("delivered", 200)
        headers, body = there.got[0]
        assert Webhook(hook["secret"]).verify(body, headers)["type"] == "webhook.test"
        there.status = 500
        failed = await ask(api, "POST", f"/v1/webhooks/{hook['id']}/test")
        assert (failed["outcome"], failed["error"]) == ("failed", "status_500")


async def test_deliveries_show_request_and_answer_without_secrets_texts_and_numbers(api: House) -> None:
    await begin(api)
    async with sink() as there:
        hook = await make(api, there.url)
        event = await send(api)
        await there.until(1)
        there.status = 503
        failed = await send(api)
        await there.until(2)
        path = f"/v1/webhooks/{hook['id']}/deliveries"
        async with asyncio.timeout(10):
            while len(found := (await ask(api, "GET", path))["deliveries"]) < 2:
                await asyncio.sleep(0.01)
        by_id = {one["id"]: one for one in found}
        assert (by_id[event]["outcome"], by_id[failed]["outcome"]) == ("delivered", "failed")
        assert by_id[failed]["error"] == "status_503"
        assert by_id[event]["request"]["headers"]["webhook-signature"] == "[redacted]"
        assert by_id[event]["request"]["events"][0]["data"]["text"] == "[redacted]"
        shown = json.dumps(found)
        for hidden in ("secret words", "4155550123", "4155550100", "c2VjcmV0", "v1,"):
            assert hidden not in shown
        async with asyncio.timeout(10):
            while not (pending := (await ask(api, "GET", path + "?state=pending"))["deliveries"]):
                await asyncio.sleep(0.01)
        assert [(one["events"], one["tries"], one["error"]) for one in pending] == [([failed], 1, "status_503")]


async def test_one_event_all_failed_and_a_span_are_told_again_under_their_ids(api: House) -> None:
    await begin(api)
    async with sink() as there:
        hook = await make(api, there.url, events=["message.queued"])
        path = f"/v1/webhooks/{hook['id']}"
        before = (await ask(api, "GET", "/v1/webhooks"))["webhooks"][0]["created_at"]
        events = [await send(api) for _ in range(3)]
        await there.until(3)
        assert await ask(api, "POST", path + "/replay", {"events": [events[1]]}, 202) == {
            "replayed": 1,
            "next_since": None,
        }
        await there.until(4)
        assert there.ids()[3:] == [events[1]]
        assert there.got[3][0]["heliograph-replay"] == "true"
        assert there.got[3][1] == there.got[there.ids().index(events[1])][1]
        assert (await ask(api, "POST", path + "/replay", {"since": before}, 202))["replayed"] == 3
        await there.until(7)
        assert sorted(there.ids()[4:]) == sorted(events)
        there.status = 410  # a dead letter is put there by hand: its 28 hours are others' tests
        endpoint = await api.services.webhooks.get(1, hook["id"])
        dead = await bury(api, endpoint, events[0])
        listed = (await ask(api, "GET", path + "/deliveries?state=dead"))["deliveries"]
        assert [(one["outcome"], one["events"], one["error"]) for one in listed] == [("dead", [events[0]], "timeout")]
        there.status = 200
        assert (await ask(api, "POST", path + "/replay", {"failed": True}, 202))["replayed"] == 1
        await there.until(8)
        assert there.ids()[7:] == [events[0]]
        assert (await ask(api, "GET", path + "/deliveries?state=dead"))["deliveries"] == []
        assert dead


async def test_a_test_event_goes_out_once_a_key_and_its_outcome_is_told_again(api: House) -> None:
    async with sink() as there:
        hook = await make(api, there.url)
        path, key = f"/v1/webhooks/{hook['id']}/test", {"Idempotency-Key": "once"}
        first = await api.call("POST", path, headers=key)
        there.status = 500
        again = await api.call("POST", path, headers=key)
        assert (first.json["outcome"], "idempotent-replayed" in first.headers) == ("delivered", False)
        assert (again.json["outcome"], again.headers["idempotent-replayed"]) == ("delivered", "true")
        assert (again.json["id"], again.json["at"]) == (first.json["id"], first.json["at"])
        assert "request" not in again.json
        assert [headers["webhook-id"] for headers, _ in there.got] == [first.json["id"]]
        other = await api.call("POST", path, b'{"x": 1}', headers=key)
        assert (other.status, other.code) == (409, "idempotency_mismatch")
        fresh = await api.call("POST", path, headers={"Idempotency-Key": "another"})
        assert fresh.json["id"] != first.json["id"]


async def test_a_second_test_while_the_first_is_running_is_told_to_come_again(api: House) -> None:
    async with sink() as there:
        hook = await make(api, there.url)
        path, key = f"/v1/webhooks/{hook['id']}/test", {"Idempotency-Key": "slow"}
        there.gate.clear()
        first = asyncio.create_task(api.call("POST", path, headers=key))
        await there.until(1)
        second = await api.call("POST", path, headers=key)
        assert (second.status, second.code) == (409, "idempotency_in_progress")
        assert second.headers["retry-after"] == "1"
        there.gate.set()
        assert (await first).json["outcome"] == "delivered"
        assert (await api.call("POST", path, headers=key)).headers["idempotent-replayed"] == "true"


async def test_a_replay_with_a_key_puts_back_once_and_answers_the_same(api: House) -> None:
    await begin(api)
    async with sink() as there:
        hook = await make(api, there.url)
        path = f"/v1/webhooks/{hook['id']}/replay"
        event = await send(api)
        await there.until(1)
        for body in ({"events": [event]}, {"failed": True}, {"since": hook["created_at"]}):
            if "failed" in body:
                await bury(api, await api.services.webhooks.get(1, hook["id"]), event)
            key = {"Idempotency-Key": f"replay {next(iter(body))}"}
            answers = await asyncio.gather(*(api.call("POST", path, body, headers=key) for _ in range(3)))
            assert [answer.json["replayed"] for answer in answers] == [1, 1, 1]
            assert sum("idempotent-replayed" in answer.headers for answer in answers) == 2
            other = await api.call("POST", path, {"events": [event, event]}, headers=key)
            assert (other.status, other.code) == (409, "idempotency_mismatch")
        await there.until(4)
        last = await send(api)
        await there.until(5)
        assert there.ids() == [event] * 4 + [last]


async def bury(api: House, endpoint: Any, event: str) -> bool:
    from heliograph.model import DEAD_FROM_US, PendingDelivery

    message_id, _, sequence = event.partition("-")
    now_us = api.services.now_us()
    dead = PendingDelivery(
        endpoint_id=endpoint.id, id=f"{event}@{endpoint.id}", account_id=endpoint.account_id,
        events=((message_id, int(sequence)),), tries=8, next_us=DEAD_FROM_US + now_us, first_us=now_us - HOUR_US,
        last_error="timeout",
    )  # fmt: skip
    await api.store.commit(Changes(acceptances=[Acceptance(())], deliveries=[dead]))
    return True


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "field"),
    [
        ("PATCH", "", {"url": "nowhere"}, "field_invalid", "url"),
        ("PATCH", "", {"events": ["message.eaten"]}, "field_invalid", "events"),
        ("PATCH", "", {"tags": [""]}, "field_invalid", "tags[0]"),
        ("PATCH", "", {"batch": 101}, "field_invalid", "batch"),
        ("PATCH", "", {"secret": "mine"}, "field_unknown", "secret"),
        ("POST", "/secret", {"old_valid_s": -1}, "field_invalid", "old_valid_s"),
        ("POST", "/replay", {}, "field_invalid", "events"),
        ("POST", "/replay", {"failed": True, "events": ["x"]}, "field_invalid", "events"),
        ("POST", "/replay", {"events": []}, "field_invalid", "events"),
        ("POST", "/replay", {"events": ["m0r4q8kd1v7e2n5b9s3f-1"]}, "field_invalid", "events"),
        ("POST", "/replay", {"events": ["a@b-²"]}, "field_invalid", "events"),
        ("POST", "/replay", {"since": "yesterday"}, "field_invalid", "since"),
        ("POST", "/replay", {"since": "2026-03-01T12:00:00"}, "field_invalid", "since"),
        ("POST", "/replay", {"until": "2026-03-01T12:00:00Z"}, "field_invalid", "since"),
        ("GET", "/deliveries?state=lost", b"", "field_invalid", "state"),
        ("GET", "/deliveries?limit=101", b"", "field_invalid", "limit"),
        ("GET", "/deliveries?state=dead&cursor=1", b"", "cursor_invalid", "cursor"),
        ("GET", "/deliveries?page=1", b"", "field_unknown", "page"),
    ],
)
async def test_what_cannot_be_done_is_refused(
    api: House, method: str, path: str, body: Any, code: str, field: str
) -> None:
    hook = await make(api, "https://example.com/hook")
    answer = await api.call(method, f"/v1/webhooks/{hook['id']}{path}", body)
    assert (answer.code, answer.json["field"]) == (code, field)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", b""),
        ("PATCH", "", {"paused": True}),
        ("POST", "/secret", {}),
        ("POST", "/test", b""),
        ("POST", "/replay", {"failed": True}),
        ("GET", "/deliveries", b""),
    ],
)
async def test_a_strangers_webhook_is_none(api: House, method: str, path: str, body: Any) -> None:
    hook = await make(api, "https://example.com/hook")
    answer = await api.call(method, f"/v1/webhooks/{hook['id']}{path}", body, key=api.stranger)
    assert (answer.status, answer.code) == (404, "not_found")
