"""Every refusal of the send endpoints, through both doors: the same status, code, field and sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from heliograph.contracts import Changes, ListFilter, Told
from heliograph.errors import StoreBusy
from heliograph.ingress.rest.services import Bounds
from heliograph.model import OptOut
from tests.accounts import ensure_account
from tests.ingress.house import Answer, House, call, house

TO = "+4915112345678"
GOOD: dict[str, Any] = {"to": TO, "from": "Helio", "text": "hello"}


class Case(NamedTuple):
    """A request and the problem that answers it."""

    body: bytes | object
    status: int
    code: str
    field: str | None = None
    path: str = "/v1/messages"
    headers: Mapping[str, str] = MappingProxyType({})


def one(code: str, field: str | None = None, status: int = 422, **changes: Any) -> Case:
    """A good message with changes that spoil it."""
    body = {key: value for key, value in (GOOD | changes).items() if value is not ...}
    return Case(body, status, code, field)


def batch(body: object, code: str, field: str | None = None, status: int = 422) -> Case:
    return Case(body, status, code, field, "/v1/messages/batch")


CASES = {
    "empty body": Case(b"", 400, "json_invalid"),
    "not json": Case(b"{", 400, "json_invalid"),
    "not utf-8": Case(b'{"to": "\xff\xfe"}', 400, "json_invalid"),
    "tail": Case(b'{"to":"x"} {}', 400, "json_invalid"),
    "lone surrogate": Case(b'{"to":"+4915112345678","from":"A","text":"\\ud800"}', 400, "json_invalid"),
    "deep": Case(b'{"to":"x","metadata":{"a":' + b"[" * 30_000, 400, "json_invalid"),
    "deep recipient": Case(b'{"to":' + b"[" * 30_000, 422, "field_invalid", "to"),
    "deep unknown field": Case(b'{"x":' + b"[" * 30_000, 422, "field_unknown", "x"),
    "deep metadata": one("field_invalid", "metadata", metadata={"a": {"b": [[[[[[[[1]]]]]]]]}}),
    "array": Case(b"[]", 422, "field_invalid"),
    "unknown field": one("field_unknown", "txt", txt="x"),
    "no recipient": one("field_missing", "to", to=...),
    "recipient of a wrong type": one("field_invalid", "to", to=4915112345678),
    "no text": one("field_missing", "text", text=...),
    "empty text": one("field_invalid", "text", text=""),
    "text and data": one("field_invalid", "data", data="AA=="),
    "text and udh": one("field_invalid", "udh", udh="AA=="),
    "data that is no base64": one("field_invalid", "data", text=..., data="$$$"),
    "udh with a wrong length": one("field_invalid", "udh", text=..., data="AAAA", udh="BQAD"),
    "data with an encoding": one("field_invalid", "encoding", text=..., data="AAAA", encoding="gsm7"),
    "unknown type": one("field_invalid", "type", type="spam"),
    "unknown encoding": one("field_invalid", "encoding", encoding="utf8"),
    "impossible encoding": one("encoding_impossible", "text", text="你好", encoding="gsm7"),
    "too long": one("message_too_long", "text", text="x" * 50_000),
    "too many segments": one("too_many_segments", "text", text="x" * 200, max_segments=1),
    "max_segments of none": one("field_invalid", "max_segments", max_segments=0),
    "validity too short": one("field_invalid", "validity_s", validity_s=59),
    "validity too long": one("field_invalid", "validity_s", validity_s=604_801),
    "validity in a wrong type": one("field_invalid", "validity_s", validity_s="60"),
    "number with letters": one("number_malformed", "to", to="hello"),
    "number of no country": one("number_impossible", "to", to="+99912345678"),
    "number too short": one("number_impossible", "to", to="+491"),
    "number in no range": one("number_unknown", "to", to="+491911234567"),
    "recipient too long to read": one("field_invalid", "to", to="+" + "1" * 80),
    "recipient that opted out": one("recipient_opted_out", "to", to="+4915112345679"),
    "no sender": one("sender_required", "from", **{"from": ...}),
    "sender too long": one("sender_invalid", "from", **{"from": "TwelveChars!"}),
    "sender outside gsm7": one("sender_invalid", "from", **{"from": "你好"}),
    "reference too long": one("field_invalid", "client_ref", client_ref="x" * 129),
    "reference with control characters": one("field_invalid", "client_ref", client_ref="a\0b"),
    "too many tags": one("field_invalid", "tags", tags=["x"] * 17),
    "metadata too large": one("field_invalid", "metadata", metadata={"a": "x" * 5_000}),
    "callback without a host": one("field_invalid", "callback.url", callback={"url": "https://"}),
    "callback of another scheme": one("field_invalid", "callback.url", callback={"url": "file:///etc/passwd"}),
    "callback with a password": one("field_invalid", "callback.url", callback={"url": "https://a:b@example.com/"}),
    "callback with a broken address": one("field_invalid", "callback.url", callback={"url": "http://[::1"}),
    "callback for an unknown event": one(
        "field_invalid", "callback.events", callback={"url": "https://example.com/", "events": ["message.lost"]}
    ),
    "unknown field in a callback": one("field_unknown", "callback.uri", callback={"url": "https://a.b/", "uri": "x"}),
    "no key": Case(GOOD, 401, "unauthorized", headers={"Authorization": ""}),
    "other scheme": Case(GOOD, 401, "unauthorized", headers={"Authorization": "Basic eDp5"}),
    "unknown key": Case(GOOD, 401, "unauthorized", headers={"Authorization": "Bearer hg_live_0"}),
    "endless key": Case(GOOD, 401, "unauthorized", headers={"Authorization": "Bearer " + "x" * 9_000}),
    "no token": Case(GOOD, 401, "token_invalid", headers={"Authorization": "Bearer x.y.z"}),
    "endless token": Case(GOOD, 401, "token_invalid", headers={"Authorization": "Bearer " + "x." * 9_000}),
    "empty idempotency key": Case(GOOD, 422, "field_invalid", "Idempotency-Key", headers={"Idempotency-Key": " "}),
    "long idempotency key": Case(
        GOOD, 422, "field_invalid", "Idempotency-Key", headers={"Idempotency-Key": "x" * 256}
    ),
    "large body": Case(b" " * 70_000 + b"{}", 413, "body_too_large"),
    "empty batch": batch({"messages": []}, "field_invalid", "messages"),
    "batch of nothing": batch({}, "field_missing", "messages"),
    "batch with both forms": batch({"messages": [GOOD], "text": "x"}, "field_invalid", "messages"),
    "batch with an unknown field": batch({"message": [GOOD]}, "field_unknown", "message"),
    "batch to nobody": batch({"to": [], "text": "x"}, "field_invalid", "to"),
    "batch over its bound": batch({"messages": [GOOD] * 31}, "too_many_messages", "messages"),
    "many recipients over the bound": batch({"to": [TO] * 31, "text": "x"}, "too_many_messages", "to"),
    "one text to many with a bad text": batch({"to": [TO], "text": ""}, "field_invalid", "text"),
    "one text to many, deep": Case(
        b'{"messages":' + b"[" * 60_000, 400, "json_invalid", path="/v1/messages/batch"
    ),
    "batch of scalars only": batch({"messages": 3}, "field_invalid", "messages"),
}  # fmt: skip


async def both(house: House, path: str, body: object, headers: Mapping[str, str], chunks: int = 1) -> list[Answer]:
    """The answers of the door and of the ASGI application."""
    lean = await house.lean(path, body, headers=headers, chunks=chunks)
    return [lean, await call(house.app, "POST", path, body, headers=dict(headers), chunks=chunks)]


def said(answer: Answer) -> tuple[int, str, str | None]:
    return answer.status, answer.code, answer.json.get("field")


@pytest.fixture
async def small(tmp_path: Path) -> Any:
    async with house(tmp_path, Bounds(batch_messages=30, batch_body_octets=200_000)) as made:
        demo = await ensure_account(made.store, "demo", 0)
        await made.store.add_opt_outs([OptOut(account_id=demo.id, recipient="+4915112345679", created_us=1)])
        yield made


async def test_every_refusal_is_the_same_through_both_doors(small: House) -> None:
    for name, case in CASES.items():
        headers = small.headers("", case.headers)
        lean = await small.lean(case.path, case.body, headers=headers)
        cold = await call(small.app, "POST", case.path, case.body, headers=headers)
        assert said(lean) == (case.status, case.code, case.field), name
        assert lean.json == cold.json, name
        assert lean.headers.get("www-authenticate") == cold.headers.get("www-authenticate"), name
    assert (await small.store.messages(1, ListFilter())).records == ()


async def test_every_refusal_is_counted_once(small: House) -> None:
    for case in CASES.values():
        await small.lean(case.path, case.body, headers=small.headers("", case.headers))
    assert sum(small.metrics.labelled["heliograph_refused_requests"].values()) == len(CASES)
    for case in CASES.values():
        await call(small.app, "POST", case.path, case.body, headers=small.headers("", case.headers))
    assert sum(small.metrics.labelled["heliograph_refused_requests"].values()) == 2 * len(CASES)


async def test_an_item_that_is_refused_has_its_problem_in_its_place(small: House) -> None:
    singles = [case for case in CASES.values() if case.path == "/v1/messages" and isinstance(case.body, dict)]
    spoiled = [case for case in singles if not case.headers]
    for at in range(0, len(spoiled), 15):
        group = spoiled[at : at + 15]
        items: list[object] = [GOOD, *(case.body for case in group), GOOD]
        answer = await small.call("POST", "/v1/messages/batch", {"messages": items})
        assert answer.status == 202
        results = answer.json["results"]
        assert len(results) == len(items)
        assert results[0]["state"] == results[-1]["state"] == "queued"
        assert [(r["status"], r["code"], r.get("field")) for r in results[1:-1]] == [
            (case.status, case.code, case.field) for case in group
        ]


async def test_a_batch_of_refusals_alone_is_answered(small: House) -> None:
    body = {"messages": [{"to": "x"}, 3, None, []]}
    answer = await small.call("POST", "/v1/messages/batch", body, headers={"Idempotency-Key": "k"})
    assert answer.status == 202
    assert [result["code"] for result in answer.json["results"]] == ["field_missing"] + ["field_invalid"] * 3
    again = await small.call("POST", "/v1/messages/batch", body, headers={"Idempotency-Key": "k"})
    assert again.body == answer.body
    many = await small.call("POST", "/v1/messages/batch", {"to": [1, "x"], "from": "Helio", "text": "x"})
    assert [result["code"] for result in many.json["results"]] == ["field_invalid", "number_malformed"]


async def test_a_callback_to_a_private_address_is_refused_unless_the_operator_allows_it(
    small: House, tmp_path: Path
) -> None:
    body = GOOD | {"callback": {"url": "http://10.0.0.1/sms"}}
    assert (await small.call("POST", "/v1/messages", body)).status == 202
    (tmp_path / "public").mkdir()
    async with house(tmp_path / "public", allow_private_addresses=False) as public:
        for answer in await both(public, "/v1/messages", body, public.headers("", None)):
            assert said(answer) == (422, "field_invalid", "callback.url")
        answer = await public.call("POST", "/v1/messages/batch", {"messages": [body, GOOD]})
        assert [result.get("field") for result in answer.json["results"]] == ["callback.url", None]
        many = await public.call("POST", "/v1/messages/batch", body | {"to": [TO]})
        assert said(many) == (422, "field_invalid", "callback.url")


async def test_a_key_without_the_scope_is_refused(small: House) -> None:
    reader = await small.make("demo", ("messages:read",))
    for answer in await both(small, "/v1/messages", GOOD, small.headers(reader, None)):
        assert (answer.status, answer.code) == (403, "forbidden")


async def test_a_busy_store_is_answered_with_when_to_come_back(small: House, monkeypatch: pytest.MonkeyPatch) -> None:
    full = StoreBusy("/var/lib/secret.db is full", retry_after_s=7)

    async def busy(*_: object) -> None:
        raise full

    def told(changes: Changes, hear: Told) -> None:
        hear(full)

    monkeypatch.setattr(small.store, "commit", busy)
    monkeypatch.setattr(small.store, "keep", told)
    for path, body in (("/v1/messages", GOOD), ("/v1/messages/batch", {"messages": [GOOD]})):
        for answer in await both(small, path, body, small.headers("", {"Idempotency-Key": "busy"})):
            assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "overloaded", "7")
            assert b"secret" not in answer.body


async def test_a_fault_of_ours_is_a_problem_that_tells_nothing(small: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(small.services.intake, "offer", broken)
    for answer in await both(small, "/v1/messages", GOOD, small.headers("", None)):
        assert (answer.status, answer.code) == (500, "internal")
        assert b"secret" not in answer.body
    assert small.metrics.labelled["heliograph_troubles"]["http"] == 2


async def test_bodies_in_many_pieces_are_joined_and_bounded(small: House) -> None:
    whole, headers = json.dumps(GOOD).encode(), small.headers("", None)
    for answer in await both(small, "/v1/messages", whole, headers, chunks=7):
        assert answer.status == 202
    for answer in await both(small, "/v1/messages", b" " * 100_000, headers, chunks=10):
        assert (answer.status, answer.code) == (413, "body_too_large")
    for answer in await both(small, "/v1/messages", whole, {}, chunks=7):
        assert (answer.status, answer.code) == (401, "unauthorized")


async def test_a_declared_length_over_the_bound_is_refused_unread(small: House) -> None:
    answer = await small.lean("/v1/messages", b"", headers=small.headers("", {"Content-Length": "70000"}))
    assert (answer.status, answer.code) == (413, "body_too_large")
    answer = await small.lean("/v1/messages", b"", headers={"Content-Length": "70000"})
    assert (answer.status, answer.code) == (401, "unauthorized")
