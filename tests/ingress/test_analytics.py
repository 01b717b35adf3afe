"""Counts over HTTP: the figures of the counter, within bounds, and nobody else's."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from heliograph.contracts import ACCEPTED, Tally
from heliograph.ingress.rest import analytics
from heliograph.model import CUSTOMER_SCOPES, OptOut, State
from heliograph.rules.delays import bucket_of
from tests.ingress.house import House

HOUR = 3_600_000_000
DAY = 24 * HOUR
NOON = 1_795_348_800_000_000
"""2026-11-22T12:00:00Z"""
RANGE = {"from": "2026-11-21", "to": "2026-11-24"}


def tally(at_us: int = NOON, account: int = 1, event: int = ACCEPTED, **more: Any) -> Tally:
    of = {"country": "DE", "sender": "INFO", "connector": 1, "was": 0, "error": "", "waited": -1, "direction": 0} | more
    return (
        at_us, account, of["direction"], of["country"], "", of["sender"], of["connector"], 1, event, of["was"],
        of["error"], of["waited"],
    )  # fmt: skip


async def count(api: House, counts: dict[Tally, tuple[int, int]]) -> None:
    place = await api.store.counts_position()
    assert await api.store.add_tallies(place, place, 0, counts)


async def ask(api: House, key: str = "", **query: str) -> Any:
    answer = await api.call("GET", f"/v1/analytics?{urlencode(RANGE | query)}", key=key)
    assert answer.status == 200, answer.body
    return answer.json


async def a_day(api: House) -> None:
    seconds = bucket_of(4_000_000)
    await count(
        api,
        {
            tally(): (10, 14),
            tally(NOON + DAY, country="FR"): (5, 5),
            tally(event=State.SENT): (9, 12),
            tally(event=State.DELIVERED, waited=bucket_of(100_000)): (4, 4),
            tally(event=State.DELIVERED, waited=seconds): (1, 1),
            tally(event=State.UNKNOWN): (3, 3),
            tally(event=State.DELIVERED, was=State.UNKNOWN, waited=seconds): (1, 1),
            tally(event=State.UNDELIVERED, error="recipient_invalid", waited=seconds): (2, 2),
            tally(event=State.DELIVERED, was=State.UNDELIVERED, error="recipient_invalid"): (1, 1),
            tally(event=State.FAILED, error="no_route"): (1, 1),
            tally(event=State.RECEIVED, direction=1, country="", sender=""): (6, 6),
            tally(account=2): (100, 100),
        },
    )
    await api.store.add_opt_outs([OptOut(account_id=1, recipient="+491", created_us=NOON + 1)])


async def test_every_figure_of_a_day(api: House) -> None:
    await a_day(api)
    found = await ask(api)
    assert (found["from"], found["to"], found["step"]) == (
        "2026-11-21T00:00:00.000000Z",
        "2026-11-24T00:00:00.000000Z",
        "day",
    )
    first, second, third = found["rows"]
    assert (first["accepted"], first["delivery_rate"], first["receipt_p50_ms"]) == (0, None, None)
    assert (third["at"], third["accepted"], third["coverage"]) == ("2026-11-23T00:00:00.000000Z", 5, None)
    assert 90 <= second.pop("receipt_p50_ms") <= 115
    assert 3_500 <= second.pop("receipt_p95_ms") <= 4_500
    assert second == {
        "at": "2026-11-22T00:00:00.000000Z",
        "accepted": 10,
        "segments": 14,
        "sent": 9,
        "segments_sent": 12,
        "delivered": 7,
        "failed": 2,
        "unknown": 2,
        "delivery_rate": 0.875,
        "coverage": 0.888889,
        "replies": 6,
        "opt_outs": 1,
    }


async def test_figures_are_told_apart_as_asked(api: House) -> None:
    await a_day(api)
    by_country = (await ask(api, group_by="country", metric="accepted,failed", step="all"))["rows"]
    assert by_country == [
        {"country": None, "accepted": 0, "failed": 0},
        {"country": "DE", "accepted": 10, "failed": 2},
        {"country": "FR", "accepted": 5, "failed": 0},
    ]
    by_error = (await ask(api, group_by="error", metric="failed", step="all"))["rows"]
    assert by_error == [{"error": "no_route", "failed": 1}, {"error": "recipient_invalid", "failed": 1}]
    hours = (await ask(api, step="hour", metric="accepted"))["rows"]
    assert len(hours) == 72
    assert [row["at"] for row in hours if row["accepted"]] == [
        "2026-11-22T12:00:00.000000Z",
        "2026-11-23T12:00:00.000000Z",
    ]
    kinds = (await ask(api, group_by="type,sender", metric="accepted,opt_outs", step="all"))["rows"]
    assert {"sender": "INFO", "type": "transactional", "accepted": 15, "opt_outs": 0} in kinds


async def test_others_counts_and_connectors_are_for_operators(api: House) -> None:
    await a_day(api)
    admin = await api.make("demo", (*CUSTOMER_SCOPES, "routes:read", "admin"))
    assert sum(row["accepted"] for row in (await ask(api, api.stranger))["rows"]) == 100
    for query in ("accounts=all", "group_by=connector"):
        answer = await api.call("GET", f"/v1/analytics?{query}")
        assert (answer.status, answer.code) == (403, "forbidden"), query
    for query in ("accounts=other", "accounts=nobody"):
        answer = await api.call("GET", f"/v1/analytics?{query}")
        assert (answer.status, answer.code, answer.json["field"]) == (422, "field_invalid", "accounts"), query
    own = (await ask(api, group_by="account", metric="accepted", step="all"))["rows"]
    assert own == [{"account": "demo", "accepted": 15}]
    by_connector = (await ask(api, api.operator, group_by="connector", metric="sent", step="all"))["rows"]
    assert {"connector": "main", "sent": 9} in by_connector
    by_account = (await ask(api, admin, group_by="account", metric="accepted", step="all"))["rows"]
    assert by_account == [{"account": "demo", "accepted": 15}, {"account": "other", "accepted": 100}]
    assert [row["accepted"] for row in (await ask(api, admin, accounts="all", step="all"))["rows"]] == [115]


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("metric=lost", "field_invalid", "metric"),
        ("group_by=moon", "field_invalid", "group_by"),
        ("group_by=error&metric=accepted", "field_invalid", "metric"),
        ("step=minute", "field_invalid", "step"),
        ("from=2026-11-22&to=2026-11-22", "field_invalid", "from"),
        ("from=1960-01-01&to=1961-01-01", "field_invalid", "from"),
        ("from=2026-11-22T10:00", "field_invalid", "from"),
        ("from=2025-01-01&to=2026-11-22", "answer_too_large", "step"),
        ("from=2026-10-01&to=2026-11-22&step=hour", "answer_too_large", "step"),
        ("stepp=day", "field_unknown", "stepp"),
    ],
)
async def test_bad_questions_are_refused(api: House, query: str, code: str, field: str) -> None:
    answer = await api.call("GET", f"/v1/analytics?{query}")
    assert (answer.status, answer.code, answer.json["field"]) == (422, code, field)


async def test_an_answer_with_too_many_rows_says_how_to_ask_for_less(
    api: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analytics, "_MOST_ROWS", 20)
    await count(api, {tally(sender=f"S{n}"): (1, 1) for n in range(21)})
    answer = await api.call("GET", f"/v1/analytics?{urlencode(RANGE)}&group_by=sender")
    assert (answer.status, answer.code) == (422, "answer_too_large")
    assert "step=all" in answer.json["detail"]
    assert len((await ask(api))["rows"]) == 3
