"""Sending and showing messages: what the API answers when it says yes."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from msgspec.structs import replace

from heliograph.contracts import Administration, Changes, ListFilter, Update
from heliograph.errors import MessageUnreadable
from heliograph.model import State, id_time_us
from tests.accounts import ensure_account
from tests.ingress.house import House

TO = "+4915112345678"
GOOD: dict[str, Any] = {"to": TO, "from": "Helio", "text": "hello"}


async def test_a_message_is_accepted_and_shown(api: House) -> None:
    body = GOOD | {
        "to": "0049 1511 2345678",
        "type": "otp",
        "validity_s": 120,
        "client_ref": "order 7",
        "tags": ["a", "b"],
        "metadata": {"basket": {"size": 3}},
        "flash": True,
        "at_most_once": True,
        "max_segments": 2,
        "callback": {"url": "https://example.com/sms", "events": ["message.delivered"]},
    }
    answer = await api.call("POST", "/v1/messages", body)
    assert answer.status == 202
    accepted = answer.json
    assert accepted == {
        "id": accepted["id"],
        "state": "queued",
        "encoding": "gsm7",
        "segments": 1,
        "to": TO,
        "client_ref": "order 7",
    }
    shown = (await api.call("GET", f"/v1/messages/{accepted['id'].upper()}")).json
    assert shown["text"] == "hello"
    assert shown["from"] == "Helio"
    assert (shown["type"], shown["tags"], shown["metadata"]) == ("otp", ["a", "b"], {"basket": {"size": 3}})
    assert shown["flash"] is shown["at_most_once"] is True
    assert shown["attempts"] == []
    assert [segment["number"] for segment in shown["segment_list"]] == [1]
    assert not {"route", "connector", "route_reason"} & shown.keys()
    record = await api.store.message(1, accepted["id"])
    assert record is not None
    assert record.message.expires_us - record.message.accepted_us == 120_000_000
    assert record.message.entrance == "rest"
    assert abs(id_time_us(accepted["id"]) - record.message.accepted_us) < 60_000_000


async def test_operators_see_the_route_and_customers_do_not(api: House) -> None:
    answer = await api.call("POST", "/v1/messages", GOOD, key=api.operator)
    accepted = answer.json
    assert (accepted["route"], accepted["connector"]) == ("default", "main")
    assert accepted["route_reason"]
    seen = (await api.call("GET", f"/v1/messages/{accepted['id']}", key=api.operator)).json
    assert (seen["route"], seen["connector"]) == ("default", "main")
    hidden = (await api.call("GET", f"/v1/messages/{accepted['id']}")).body
    assert b"default" not in hidden
    assert b'"main"' not in hidden


@pytest.mark.parametrize(
    ("text", "encoding", "segments"),
    [
        ("x" * 160, "gsm7", 1),
        ("x" * 161, "gsm7", 2),
        ("ж" * 70, "ucs2", 1),
        ("ж" * 71, "ucs2", 2),
        ("€" * 81, "gsm7", 2),
    ],
)
async def test_encoding_and_segments_are_told(api: House, text: str, encoding: str, segments: int) -> None:
    accepted = (await api.call("POST", "/v1/messages", GOOD | {"text": text})).json
    assert (accepted["encoding"], accepted["segments"]) == (encoding, segments)


async def test_binary_messages_come_back_as_they_were(api: House) -> None:
    udh, data = base64.b64encode(b"\x06\x05\x04\x0b\x84\x23\xf0").decode(), base64.b64encode(b"\0\xff").decode()
    answer = await api.call("POST", "/v1/messages", {"to": TO, "from": "Helio", "data": data, "udh": udh})
    assert answer.json["encoding"] == "binary"
    shown = (await api.call("GET", f"/v1/messages/{answer.json['id']}")).json
    assert (shown["data"], shown["udh"]) == (data, udh)
    assert "text" not in shown


async def test_an_account_may_accept_possible_numbers_with_a_warning(api: House) -> None:
    account = await ensure_account(api.store, "demo", 0)
    lenient = replace(account, recipients="possible", default_region="DE")
    await api.store.administer(Administration(at_us=0, accounts=[(lenient, None)]))
    await api.services.keys.refresh()
    answer = await api.call("POST", "/v1/messages", GOOD | {"to": "+491911234567"})
    assert (answer.status, answer.json["warnings"]) == (202, ["number_unknown"])
    national = await api.call("POST", "/v1/messages", GOOD | {"to": "01511 2345678"})
    assert national.json["to"] == TO


async def test_both_forms_of_a_batch_answer_in_order(api: House) -> None:
    numbers = [f"+49151123456{at:02d}" for at in range(20)]
    different = [GOOD | {"to": to, "text": f"hello {to}"} for to in numbers]
    for body in ({"messages": different}, {"to": numbers, "from": "Helio", "text": "hello all", "tags": ["x"]}):
        answer = await api.call("POST", "/v1/messages/batch", body)
        assert answer.status == 202
        results = answer.json["results"]
        assert [result["to"] for result in results] == numbers
        assert len({result["id"] for result in results}) == 20
    newest = (await api.store.messages(1, ListFilter(limit=1))).records
    assert newest[0].message.entrance == "rest_batch"


async def test_a_list_is_newest_first_and_goes_on_where_it_ended(api: House) -> None:
    numbers = [f"+49151123456{at:02d}" for at in range(7)]
    sent = (await api.call("POST", "/v1/messages/batch", {"to": numbers, "from": "Helio", "text": "x"})).json["results"]
    newest = [result["id"] for result in reversed(sent)]
    first = (await api.call("GET", "/v1/messages?limit=3")).json
    second = (await api.call("GET", f"/v1/messages?limit=10&cursor={first['next']}")).json
    assert [one["id"] for one in (*first["messages"], *second["messages"])] == newest
    assert second["next"] is None
    assert "attempts" not in first["messages"][0]
    by_number = (await api.call("GET", f"/v1/messages?to={numbers[2].replace('+', '%2B')}&state=queued,sent")).json
    assert [one["id"] for one in by_number["messages"]] == [sent[2]["id"]]
    assert (await api.call("GET", "/v1/messages?state=delivered")).json == {"messages": [], "next": None}


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("cursor=nonsense", "cursor_invalid", "cursor"),
        ("cursor=", "field_invalid", "cursor"),
        ("cursor=AAAAAAAAAAAAAAAAAAAAAAAA", "cursor_invalid", "cursor"),
        ("cursor=m0r4q8kd1v7e2n5b9s3f", "cursor_invalid", "cursor"),
        ("cursor=%C3%A9", "cursor_invalid", "cursor"),
        ("tag=", "field_invalid", "tag"),
        ("tag=a&tag=b", "field_invalid", "tag"),
        ("client_ref=%00", "field_invalid", "client_ref"),
        (f"from={'x' * 65}", "field_invalid", "from"),
        ("accepted_from=yesterday", "field_invalid", "accepted_from"),
        ("accepted_to=2026-11-22T10:00:00", "field_invalid", "accepted_to"),
        ("accepted_to=99999-01-01", "field_invalid", "accepted_to"),
        ("acepted_to=2026-11-22", "field_unknown", "acepted_to"),
        ("limit=0", "field_invalid", "limit"),
        ("limit=501", "field_invalid", "limit"),
        ("limit=99999999999999999999", "field_invalid", "limit"),
        ("limit=%C2%B2", "field_invalid", "limit"),
        ("state=lost", "field_invalid", "state"),
        ("to=%00", "field_invalid", "to"),
        ("page=2", "field_unknown", "page"),
    ],
)
async def test_bad_queries_are_refused(api: House, query: str, code: str, field: str) -> None:
    answer = await api.call("GET", f"/v1/messages?{query}")
    status = 400 if code == "cursor_invalid" else 422
    assert (answer.status, answer.code, answer.json["field"]) == (status, code, field)


async def test_events_of_a_message_are_cloud_events(api: House) -> None:
    sent = (await api.call("POST", "/v1/messages", GOOD)).json
    [event] = (await api.call("GET", f"/v1/messages/{sent['id']}/events")).json["events"]
    assert (event["specversion"], event["type"], event["id"]) == ("1.0", "message.queued", f"{sent['id']}-1")
    assert event["data"]["id"] == sent["id"]


async def test_a_strangers_message_is_answered_as_none(api: House) -> None:
    mine = (await api.call("POST", "/v1/messages", GOOD)).json["id"]
    none = mine[:-1] + ("0" if mine[-1] != "0" else "1")
    for path in ("/v1/messages/{}", "/v1/messages/{}/events"):
        theirs = await api.call("GET", path.format(mine), key=api.stranger)
        nobodys = await api.call("GET", path.format(none), key=api.stranger)
        nonsense = await api.call("GET", path.format("batch"), key=api.stranger)
        assert theirs.status == 404
        assert theirs.code == "not_found"
        assert theirs.body == nobodys.body == nonsense.body
        assert theirs.headers == nobodys.headers
    assert (await api.call("GET", "/v1/messages", key=api.stranger)).json["messages"] == []


# --- once -------------------------------------------------------------------------------------------
ONCE = {"Idempotency-Key": "order-7"}


async def test_the_same_request_with_the_same_key_is_done_once(api: House) -> None:
    first = await api.call("POST", "/v1/messages", GOOD, headers=ONCE)
    again = await api.lean("/v1/messages", GOOD, headers=api.headers("", ONCE))
    assert again.body == first.body
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len((await api.store.messages(1, ListFilter())).records) == 1


async def test_one_key_for_two_requests_is_refused(api: House) -> None:
    await api.call("POST", "/v1/messages", GOOD, headers=ONCE)
    other = await api.call("POST", "/v1/messages", GOOD | {"text": "other"}, headers=ONCE)
    elsewhere = await api.call("POST", "/v1/inspect", {"text": "x"}, headers=ONCE)
    for answer in (other, elsewhere):
        assert (answer.status, answer.code, answer.json["field"]) == (409, "idempotency_mismatch", "Idempotency-Key")
    assert (await api.call("POST", "/v1/messages", GOOD, headers=ONCE, key=api.stranger)).status == 202


async def test_a_refusal_is_remembered_with_its_key(api: House) -> None:
    bad = GOOD | {"to": "+491911234567"}
    first = await api.call("POST", "/v1/messages", bad, headers=ONCE)
    again = await api.call("POST", "/v1/messages", bad, headers=ONCE)
    assert (first.status, first.code) == (422, "number_unknown")
    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_batch_with_a_key_is_done_once_with_its_refusals_in_place(api: House) -> None:
    body = {"messages": [GOOD, {"to": "x"}, GOOD | {"to": "hello"}, GOOD | {"text": "last"}]}
    first = await api.call("POST", "/v1/messages/batch", body, headers=ONCE)
    again = await api.call("POST", "/v1/messages/batch", body, headers=ONCE)
    assert [result.get("code") for result in first.json["results"]] == [None, "field_missing", "number_malformed", None]
    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"
    assert len((await api.store.messages(1, ListFilter())).records) == 2


async def test_the_same_key_at_the_same_time_is_done_once(api: House) -> None:
    answers = await asyncio.gather(*(api.call("POST", "/v1/messages", GOOD, headers=ONCE) for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [202] + [409] * 9
    assert all(
        answer.code == "idempotency_in_progress" and answer.headers["retry-after"] == "1"
        for answer in answers
        if answer.status == 409
    )


async def test_a_replay_says_what_was_said_then(api: House) -> None:
    """Also when the message has moved on since."""
    first = await api.call("POST", "/v1/messages", GOOD, headers=ONCE)
    record = await api.store.message(1, first.json["id"])
    assert record is not None
    sent = replace(record.progress, state=State.SENT, version=record.progress.version + 1, due_us=None, owner=1)
    update = Update(record.message.id, 1, record.progress.version, sent)
    assert not (await api.store.commit(Changes(updates=[update]))).stale
    assert (await api.call("POST", "/v1/messages", GOOD, headers=ONCE)).body == first.body


async def test_a_message_that_cannot_be_read_is_a_problem_of_its_own(
    api: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = (await api.call("POST", "/v1/messages", GOOD)).json

    async def damaged(account_id: int, message_id: str) -> None:
        raise MessageUnreadable(message_id)

    monkeypatch.setattr(api.store, "message", damaged)
    answer = await api.call("GET", f"/v1/messages/{sent['id']}")
    assert (answer.status, answer.json["code"]) == (500, "message_unreadable")
    assert "heliograph store check" in answer.json["detail"]
