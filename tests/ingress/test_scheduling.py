"""Dates over HTTP: what is taken, what is refused and how, and what can be done with a message that waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.ingress.house import House

GOOD: dict[str, Any] = {"to": "+4915112345678", "from": "Helio", "text": "hello"}


def instant(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).replace(microsecond=0).isoformat()


def shown(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


async def test_a_message_is_scheduled_moved_listed_and_canceled(api: House) -> None:
    first, second = instant(days=1), instant(days=2)
    answer = await api.call("POST", "/v1/messages", GOOD | {"send_at": first}, headers={"Idempotency-Key": "a"})
    assert answer.status == 202
    accepted = answer.json
    assert (accepted["state"], accepted["send_at"]) == ("scheduled", shown(first))
    path = f"/v1/messages/{accepted['id']}"
    moved = await api.call("POST", f"{path}/reschedule", {"send_at": second}, headers={"Idempotency-Key": "b"})
    assert (moved.status, moved.json["send_at"]) == (200, shown(second))
    replay = await api.call("POST", f"{path}/reschedule", {"send_at": second}, headers={"Idempotency-Key": "b"})
    assert replay.headers["idempotent-replayed"] == "true"
    due = (await api.call("GET", "/v1/messages/due")).json
    assert [one["id"] for one in due["messages"]] == [accepted["id"]]
    assert (await api.call("GET", "/v1/messages?state=scheduled")).json["messages"] == due["messages"]
    assert (await api.call("GET", "/v1/messages/due", key=api.stranger)).json["messages"] == []
    canceled = await api.call("POST", f"{path}/cancel")
    assert (canceled.status, canceled.json["state"], canceled.json["error"]) == (200, "canceled", "canceled")
    assert (await api.call("POST", f"{path}/cancel")).status == 200
    late = await api.call("POST", f"{path}/reschedule", {"send_at": second})
    assert (late.status, late.code) == (409, "too_late")
    again = await api.call("POST", "/v1/messages", GOOD | {"send_at": first}, headers={"Idempotency-Key": "a"})
    assert again.json == accepted
    events = (await api.call("GET", f"{path}/events")).json["events"]
    assert [(one["type"], one["data"]["send_at"]) for one in events] == [
        ("message.scheduled", shown(first)),
        ("message.scheduled", shown(second)),
        ("message.canceled", shown(second)),
    ]


async def test_a_batch_mixes_dates_and_none(api: House) -> None:
    local = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT12:00")
    batch = {
        "messages": [
            GOOD,
            GOOD | {"send_at": instant(hours=1)},
            GOOD | {"send_at_local": local},
            GOOD | {"send_at": "tomorrow"},
            GOOD | {"deliver_within": {"days": ["sun"], "hours": ["03:00-03:01"]}},
        ]
    }
    results = (await api.call("POST", "/v1/messages/batch", batch)).json["results"]
    assert [one.get("state", one.get("code")) for one in results] == [
        "queued", "scheduled", "scheduled", "field_invalid", "scheduled",
    ]  # fmt: skip
    view = (await api.call("GET", f"/v1/messages/{results[2]['id']}")).json["schedule"]
    assert (view["send_at_local"], view["time_zone"]) == (f"{local}:00", "Europe/Berlin")
    assert view["zone_data"]
    view = (await api.call("GET", f"/v1/messages/{results[4]['id']}")).json["schedule"]
    assert view == {
        "deliver_within": {
            "time_zones": ["Europe/Berlin"], "days": ["sun"], "hours": ["03:00-03:01"], "holidays": None,
        }
    }  # fmt: skip


LOCAL = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT12:00")
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"send_at": "2027-01-15T09:00:00"}, "field_invalid", "send_at"),
    ({"send_at": "2027-02-30T09:00:00Z"}, "field_invalid", "send_at"),
    ({"send_at": "2027-01-15"}, "field_invalid", "send_at"),
    ({"send_at": 1_800_000_000}, "field_invalid", "send_at"),
    ({"send_at": instant(hours=-1)}, "send_at_out_of_range", "send_at"),
    ({"send_at": instant(days=401)}, "send_at_out_of_range", "send_at"),
    ({"send_at": "9999-12-31T23:59:59-23:59"}, "send_at_out_of_range", "send_at"),
    ({"send_at": "0001-01-01T00:00:00+23:59"}, "send_at_out_of_range", "send_at"),
    ({"send_at": instant(days=1), "send_at_local": LOCAL}, "field_invalid", "send_at_local"),
    ({"send_at": instant(days=1), "time_zone": "Europe/Berlin"}, "field_invalid", "time_zone"),
    ({"time_zone": "Europe/Berlin"}, "field_missing", "send_at"),
    ({"send_at_local": "2027-01-15T09:00Z"}, "field_invalid", "send_at_local"),
    ({"send_at_local": "2020-01-15T09:00"}, "send_at_out_of_range", "send_at_local"),
    ({"send_at_local": "0001-01-01T00:00"}, "send_at_out_of_range", "send_at_local"),
    ({"send_at_local": "9999-12-31T23:59"}, "send_at_out_of_range", "send_at_local"),
    ({"send_at_local": LOCAL, "time_zone": "Europe/Berlim"}, "time_zone_unknown", "time_zone"),
    ({"send_at_local": LOCAL, "time_zone": "../../etc/passwd"}, "time_zone_unknown", "time_zone"),
    ({"send_at_local": LOCAL, "to": "+61412345678"}, "time_zone_required", "time_zone"),
    ({"deliver_within": {"day": ["mon"]}}, "field_unknown", "deliver_within.day"),
    ({"deliver_within": {"days": []}}, "field_invalid", "deliver_within.days"),
    ({"deliver_within": {"days": ["monday"]}}, "field_invalid", "deliver_within.days"),
    ({"deliver_within": {"hours": ["20:00-08:00"]}}, "field_invalid", "deliver_within.hours"),
    ({"deliver_within": {"hours": ["09:00-12:00", "11:00-13:00"]}}, "field_invalid", "deliver_within.hours"),
    ({"deliver_within": {"hours": ["9-12"]}}, "field_invalid", "deliver_within.hours"),
    ({"deliver_within": {"hours": ["24:00-24:30"]}}, "field_invalid", "deliver_within.hours"),
    ({"deliver_within": {"holidays": "XX"}}, "field_invalid", "deliver_within.holidays"),
    ({"deliver_within": {"holidays": "DE-XYZ"}}, "field_invalid", "deliver_within.holidays"),
    ({"deliver_within": {"holidays": "de"}}, "field_invalid", "deliver_within.holidays"),
    (
        {"deliver_within": {"hours": ["09:00-10:00"]}, "to": "+79161234567"},
        "window_never_opens",
        "deliver_within",
    ),
]


@pytest.mark.parametrize(("asked", "code", "field"), REFUSED, ids=range(len(REFUSED)))
async def test_what_makes_no_date_is_refused_with_a_sentence(
    api: House, asked: dict[str, Any], code: str, field: str
) -> None:
    answer = await api.call("POST", "/v1/messages", GOOD | asked)
    assert (answer.status, answer.code) == (422, code)
    assert answer.json["field"] == field


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "field_missing"),
        ({"send_at": instant(days=500)}, "send_at_out_of_range"),
        ({"when": "soon"}, "field_unknown"),
        (b"{", "json_invalid"),
    ],
    ids=("nothing", "too far", "unknown", "no JSON"),
)
async def test_a_bad_new_date_changes_nothing(api: House, body: Any, code: str) -> None:
    accepted = (await api.call("POST", "/v1/messages", GOOD | {"send_at": instant(days=1)})).json
    path = f"/v1/messages/{accepted['id']}"
    assert (await api.call("POST", f"{path}/reschedule", body)).code == code
    assert (await api.call("GET", path)).json["send_at"] == accepted["send_at"]


async def test_strangers_keys_and_ids_find_nothing(api: House) -> None:
    accepted = (await api.call("POST", "/v1/messages", GOOD | {"send_at": instant(days=1)})).json
    for how in ("cancel", "reschedule"):
        body = {"send_at": instant(days=2)}
        stranger = await api.call("POST", f"/v1/messages/{accepted['id']}/{how}", body, key=api.stranger)
        unknown = await api.call("POST", f"/v1/messages/m{'0' * 19}/{how}", body)
        nonsense = await api.call("POST", f"/v1/messages/nonsense/{how}", body)
        assert {(one.status, one.code) for one in (stranger, unknown, nonsense)} == {(404, "not_found")}
        assert (await api.call("POST", f"/v1/messages/{accepted['id']}/{how}", body, key=None)).status == 401


async def test_the_pages_of_what_is_due_go_on_where_they_ended(api: House) -> None:
    sent = [
        (await api.call("POST", "/v1/messages", GOOD | {"send_at": instant(days=9 - n)})).json["id"] for n in range(5)
    ]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await api.call("GET", f"/v1/messages/due?limit=2{cursor}")).json
        seen += [one["id"] for one in page["messages"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == sent[::-1]
    before = instant(days=6, hours=1).replace("+00:00", "Z")
    page = (await api.call("GET", f"/v1/messages/due?before={before}")).json
    assert [one["id"] for one in page["messages"]] == sent[:2:-1]
    for query, code in (("cursor=1", "cursor_invalid"), ("limit=0", "field_invalid"), ("before=x", "field_invalid"),
                        ("state=sent", "field_unknown")):  # fmt: skip
        assert (await api.call("GET", f"/v1/messages/due?{query}")).code == code
