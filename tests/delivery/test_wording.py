"""A message and its events as JSON."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from heliograph.contracts import MessageRecord
from heliograph.delivery import wording
from heliograph.delivery.eventwords import EVENT_TYPES, event_json, events_of
from heliograph.model import (
    Attempt,
    Content,
    ContentKind,
    Direction,
    Encoding,
    Fact,
    Live,
    LoggedEvent,
    Message,
    Progress,
    SegmentProgress,
    State,
)

AT = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z
SECOND = 1_000_000


def message(**changes: Any) -> Message:
    return msgspec.structs.replace(
        Message(
            id="m0000000000000000001",
            account_id=7,
            sender="Shop",
            recipient="+4915112345678",
            accepted_us=AT,
            expires_us=AT + 3600 * SECOND,
            client_ref="order-1",
            tags='["a","b"]',
            metadata='{"k": 1}',
            route="default",
            route_reason="prefix 49",
        ),
        **changes,
    )


def progress(**changes: Any) -> Progress:
    return msgspec.structs.replace(
        Progress(
            state=State.DELIVERED,
            connector_id=3,
            attempts=1,
            sent_us=AT + SECOND,
            ended_us=AT + 2 * SECOND + 345_678,
            sent_seq=2,
            ended_seq=3,
            last_seq=3,
            carrier_message_id="c-1",
            status=0,
            segments_delivered=1,
        ),
        **changes,
    )


BINARY = Content(kind=ContentKind.DATA, octets=b"\x06\x05\x04\x0b\x84\x23\xf0payload", udh_octets=7)


def record(**changes: Any) -> MessageRecord:
    return msgspec.structs.replace(
        MessageRecord(message=message(), progress=progress(), content=Content(octets="Grüße".encode())), **changes
    )


def fact(sequence: int, state: State, at_us: int, corrects: int = 0, direction: int = 0) -> Fact:
    return Fact(
        "m0000000000000000001", 7, sequence, state, at_us, corrects, 3, direction, 1, None, None, "Shop", False, 1
    )


def test_get_shows_a_message_whole() -> None:
    assert json.loads(wording.message_json(record())) == {
        "id": "m0000000000000000001",
        "direction": "outbound",
        "channel": "sms",
        "state": "delivered",
        "to": "+4915112345678",
        "from": "Shop",
        "type": "transactional",
        "encoding": "gsm7",
        "segments": 1,
        "segments_delivered": 1,
        "client_ref": "order-1",
        "tags": ["a", "b"],
        "metadata": {"k": 1},
        "at_most_once": False,
        "flash": False,
        "possible_duplicate": False,
        "error": None,
        "accepted_at": "2026-03-01T12:00:00.000000Z",
        "expires_at": "2026-03-01T13:00:00.000000Z",
        "sent_at": "2026-03-01T12:00:01.000000Z",
        "ended_at": "2026-03-01T12:00:02.345678Z",
        "text": "Grüße",
        "segment_list": [
            {
                "number": 1,
                "state": "delivered",
                "sent_at": "2026-03-01T12:00:01.000000Z",
                "ended_at": "2026-03-01T12:00:02.345678Z",
                "error": None,
                "possible_duplicate": False,
            }
        ],
        "attempts": [{"segment": 1, "number": 1, "at": "2026-03-01T12:00:01.000000Z", "error": None}],
    }


def test_only_the_operator_sees_carriers_and_routes() -> None:
    row = record(
        progress=progress(attempts=2),
        attempts=(
            Attempt(
                message_id="m0000000000000000001",
                account_id=7,
                segment=1,
                number=1,
                connector_id=2,
                at_us=AT + 5,
                status=0x58,
                error="throttled",
            ),
        ),
    )
    plain = wording.message_json(row, connectors={2: "backup", 3: "main"})
    assert not any(word in plain for word in (b"main", b"backup", b"c-1", b"route", b"carrier"))
    assert [(a["number"], a["error"]) for a in json.loads(plain)["attempts"]] == [(1, "throttled"), (2, None)]
    seen = json.loads(wording.message_json(row, operator=True, connectors={2: "backup", 3: "main"}))
    assert (seen["connector"], seen["route"], seen["route_reason"]) == ("main", "default", "prefix 49")
    assert (seen["carrier_message_id"], seen["carrier_status"]) == ("c-1", 0)
    assert [(a["connector"], a["carrier_status"], a["carrier_message_id"]) for a in seen["attempts"]] == [
        ("backup", 0x58, None),
        ("main", 0, "c-1"),
    ]
    assert seen["segment_list"][0]["connector"] == "main"


def test_a_content_that_is_gone_is_null() -> None:
    shown = json.loads(wording.message_json(record(content=None)))
    assert shown["text"] is None
    assert "data" not in shown
    binary = record(content=None, message=message(encoding=Encoding.BINARY))
    shown = json.loads(wording.message_json(binary))
    assert shown["data"] is None
    assert "text" not in shown


def test_a_sealed_content_is_not_shown() -> None:
    assert json.loads(wording.message_json(record(content=Content(octets=b"x", key_id=4))))["text"] is None


def test_data_is_base64_beside_its_udh() -> None:
    shown = json.loads(wording.message_json(record(content=BINARY)))
    assert (shown["data"], shown["udh"]) == ("cGF5bG9hZA==", "BgUEC4Qj8A==")
    assert "text" not in shown


def test_an_event_is_a_cloudevent_about_the_message_then() -> None:
    event = json.loads(event_json(record(), fact(2, State.SENT, AT + SECOND)))
    data = event.pop("data")
    assert event == {
        "specversion": "1.0",
        "id": "m0000000000000000001-2",
        "source": "/v1/messages",
        "type": "message.sent",
        "subject": "m0000000000000000001",
        "time": "2026-03-01T12:00:01.000000Z",
        "sequence": 2,
        "datacontenttype": "application/json",
    }
    assert (data["state"], data["sent_at"], data["ended_at"]) == ("sent", "2026-03-01T12:00:01.000000Z", None)
    assert data["segments_delivered"] == 0
    assert data["text"] == "Grüße"
    assert not {"data", "segment_list", "attempts", "route"} & set(data)


def test_an_event_reads_the_same_at_every_telling() -> None:
    said = Content(octets="Grüße".encode())
    underway = progress(state=State.SENT, ended_us=None, ended_seq=0, last_seq=2, segments_delivered=0)
    early = Live(message(), underway, content=said)
    sent = fact(2, State.SENT, AT + SECOND)
    assert event_json(early, sent) == event_json(record(), sent)
    end = fact(3, State.UNDELIVERED, AT + 2 * SECOND)
    ended = progress(state=State.UNDELIVERED, ended_us=AT + 2 * SECOND, error="absent", segments_delivered=0)
    corrected = msgspec.structs.replace(ended, state=State.DELIVERED, last_seq=4, segments_delivered=1)
    assert event_json(Live(message(), ended, content=said), end) == event_json(record(progress=corrected), end)


def test_a_possible_duplicate_is_shown_as_soon_as_it_may_be_one() -> None:
    waiting = Progress(connector_id=3, attempts=1, version=2, possible_duplicate=True)
    row = record(progress=waiting)
    shown = json.loads(wording.message_json(row))
    assert (shown["state"], shown["possible_duplicate"]) == ("queued", True)
    assert [segment["possible_duplicate"] for segment in shown["segment_list"]] == [True]
    assert json.loads(msgspec.json.encode(wording.message_view(row, detail=False)))["possible_duplicate"] is True

    # Its first event tells of a moment at which it was none, at every telling; later ones of what it is since.
    later = record(progress=progress(possible_duplicate=True))
    for now in (row, later):
        assert events_of(now)[0].data.possible_duplicate is False
    assert [event.data.possible_duplicate for event in events_of(later)] == [False, True, True]


def test_an_event_holds_the_message_as_get_shows_it() -> None:
    for row in (record(), record(content=None), record(message=message(encoding=Encoding.BINARY), content=BINARY)):
        shown = json.loads(wording.message_json(row))
        data = json.loads(event_json(row, fact(3, State.DELIVERED, AT + 2_345_678)))["data"]
        assert data == {name: value for name, value in shown.items() if name not in ("segment_list", "attempts")}


def test_a_correction_says_what_it_corrects() -> None:
    event = json.loads(event_json(record(), fact(4, State.DELIVERED, AT + 9, corrects=State.UNKNOWN)))
    assert (event["type"], event["corrects"]) == ("message.delivered", "unknown")


def test_a_received_message_brings_its_text() -> None:
    row = record(
        message=message(direction=Direction.IN),
        progress=Progress(state=State.RECEIVED),
    )
    (event,) = events_of(row)
    told = json.loads(msgspec.json.encode(event))
    assert (told["type"], told["sequence"], told["data"]["text"]) == ("message.received", 1, "Grüße")
    assert (told["data"]["direction"], told["data"]["expires_at"]) == ("inbound", None)
    assert event_json(row, fact(1, State.RECEIVED, AT, direction=1)) == msgspec.json.encode(event)


def test_the_list_of_events_is_derived_from_the_columns() -> None:
    events = events_of(record())
    assert [(event.sequence, event.type) for event in events] == [
        (1, "message.queued"),
        (2, "message.sent"),
        (3, "message.delivered"),
    ]
    assert [event.data.state for event in events] == ["queued", "sent", "delivered"]
    assert msgspec.json.encode(events[2]) == event_json(record(), fact(3, State.DELIVERED, AT + 2_345_678))


def logged(sequence: int, kind: str, detail: str | None) -> LoggedEvent:
    return LoggedEvent(
        message_id="m0000000000000000001", account_id=7, sequence=sequence, at_us=AT + 9, kind=kind, detail=detail
    )


def test_logged_events_stand_between_the_derived_ones() -> None:
    row = record(progress=progress(ended_seq=4, ended_us=AT + 3 * SECOND, last_seq=5))
    events = events_of(
        row,
        [
            logged(5, "contradiction", '{"said": "expired"}'),
            logged(3, "undelivered", '{"error": "absent"}'),
        ],
    )
    assert [(event.sequence, event.type, event.data.state, event.data.error) for event in events] == [
        (1, "message.queued", "queued", None),
        (2, "message.sent", "sent", None),
        (3, "message.undelivered", "undelivered", "absent"),
        (4, "message.delivered", "delivered", None),
        (5, "message.contradiction", "delivered", None),
    ]
    assert [event.corrects for event in events] == [UNSET, UNSET, UNSET, "undelivered", UNSET]
    assert json.loads(msgspec.json.encode(events[4]))["detail"] == {"said": "expired"}


def test_reading_what_was_delivered_corrects_nothing() -> None:
    row = record(progress=progress(state=State.READ, ended_seq=4, ended_us=AT + 3 * SECOND, last_seq=4))
    events = events_of(row, [logged(3, "delivered", None)])
    assert [(event.type, event.corrects) for event in events[2:]] == [
        ("message.delivered", UNSET),
        ("message.read", UNSET),
    ]


def test_segments_of_a_long_message_are_shown_each() -> None:
    parts = (
        SegmentProgress(number=1, state=State.DELIVERED, attempts=1, sent_us=AT + 1, ended_us=AT + 5),
        SegmentProgress(number=2, state=State.UNDELIVERED, attempts=1, sent_us=AT + 2, ended_us=AT + 6, error="absent"),
    )
    row = record(
        message=message(segments=2),
        progress=progress(state=State.UNDELIVERED, segments_delivered=1, error="absent"),
        segments=parts,
    )
    shown = json.loads(wording.message_json(row))
    assert [(s["number"], s["state"], s["error"]) for s in shown["segment_list"]] == [
        (1, "delivered", None),
        (2, "undelivered", "absent"),
    ]
    assert [(a["segment"], a["error"]) for a in shown["attempts"]] == [(1, None), (2, None)]
    assert (shown["segments_delivered"], shown["segments"]) == (1, 2)
    event = json.loads(event_json(row, fact(3, State.UNDELIVERED, AT + 6)))
    assert event["data"]["segments_delivered"] == 1


@pytest.mark.parametrize(
    ("ended", "attempt"),
    [
        (progress(state=State.UNDELIVERED, status=27, error="absent"), {"error": None, "carrier_status": 0}),
        (progress(state=State.UNKNOWN, error="receipt_missing"), {"error": None, "carrier_status": 0}),
        (
            progress(
                state=State.REJECTED, sent_us=None, sent_seq=0, status=0x0B, error="recipient_invalid", ended_seq=2,
                last_seq=2, carrier_message_id=None,
            ),
            {"error": "recipient_invalid", "carrier_status": 0x0B},
        ),
        (
            progress(state=State.UNKNOWN, sent_us=None, sent_seq=0, status=None, error="outcome_unknown", ended_seq=2,
                     last_seq=2, carrier_message_id=None),
            {"error": "outcome_unknown", "carrier_status": None},
        ),
    ],
)  # fmt: skip
def test_an_attempt_shows_its_own_error_and_not_the_end_of_its_message(
    ended: Progress, attempt: dict[str, Any]
) -> None:
    shown = json.loads(wording.message_json(record(progress=ended), operator=True))
    assert shown["error"] == ended.error
    assert [{name: one[name] for name in attempt} for one in shown["attempts"]] == [attempt]


def test_lists_leave_out_segments_and_attempts() -> None:
    shown = json.loads(msgspec.json.encode(wording.message_view(record(), detail=False)))
    assert "attempts" not in shown
    assert shown["text"] == "Grüße"


def test_a_message_is_shown_as_of_an_event() -> None:
    assert json.loads(wording.message_json(record(), upto=1))["state"] == "queued"
    shown = json.loads(wording.message_json(record(), upto=2))
    assert (shown["state"], shown["ended_at"]) == ("sent", None)
    later = record(progress=progress(last_seq=4))
    assert json.loads(wording.message_json(later, upto=3))["ended_at"] == "2026-03-01T12:00:02.345678Z"
    assert json.loads(wording.message_json(record(), upto=3)) == json.loads(wording.message_json(record()))


def test_every_state_has_a_type() -> None:
    assert set(EVENT_TYPES) == set(State)
    assert EVENT_TYPES[State.RECEIVED] == "message.received"
