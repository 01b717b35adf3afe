"""How events read in public: one shape for webhooks, streams and lists.

An event is a CloudEvents 1.0 JSON object. Its ``data`` is the message as a customer sees it **as of
that event**: what came later is left out, so the same event has the same body at every telling. Its
content alone has a life of its own: once it is deleted, ``text`` (or ``data``) reads null in every telling.
Source: CloudEvents 1.0.2, JSON event format 1.0.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Raw

from heliograph.contracts import MessageRecord
from heliograph.delivery.instants import iso
from heliograph.delivery.views import STATE_WORDS, EventView
from heliograph.delivery.wording import as_of
from heliograph.model import ARRIVED, END, Direction, Fact, Live, LoggedEvent, Message, State
from heliograph.rules.lifecycle import fact_of

__all__ = ["EVENT_SOURCE", "EVENT_TYPES", "event_json", "event_view", "events_of", "owned_event_json", "states_of"]

EVENT_SOURCE: Final = "/v1/messages"
"""CloudEvents ``source`` of every event; with ``id`` it names the event for ever."""

EVENT_TYPES: Final[dict[int, str]] = {state.value: f"message.{state.word}" for state in State}
"""State → event type; also the words that a subscriber's filter is made of."""

_STATE_OF_WORD: Final = {state.word: state.value for state in State}
_INBOUND: Final = Direction.IN.value  # plain numbers: an enum's attribute costs as much as the comparison
_END: Final = END.value
_encoder: Final = msgspec.json.Encoder()


def states_of(events: Sequence[str]) -> frozenset[int] | None:
    """The states that a subscriber's event types mean; None for all."""
    return frozenset(state for state, word in EVENT_TYPES.items() if word in events) if events else None


def event_json(source: MessageRecord | Live, fact: Fact) -> bytes:
    """The event that ``fact`` keeps, as a customer gets it, from the message's rows or from memory."""
    return _encoder.encode(event_view(source, fact))


def owned_event_json(source: MessageRecord | Live, fact: Fact, account: str) -> bytes:
    """:func:`event_json` whose message says whose it is: for who reads events of several accounts."""
    view = event_view(source, fact)
    return _encoder.encode(msgspec.structs.replace(view, data=msgspec.structs.replace(view.data, account=account)))


def event_view(source: MessageRecord | Live, fact: Fact) -> EventView:
    """:func:`event_json` before it is text."""
    message_id = fact.message_id
    sequence = fact.sequence
    at_us = fact.at_us
    at = iso(at_us)
    return EventView(
        "1.0",
        f"{message_id}-{sequence}",
        EVENT_SOURCE,
        EVENT_TYPES[fact.state],
        message_id,
        at,
        sequence,
        "application/json",
        as_of(source, sequence, fact.state, at_us, at),
        STATE_WORDS[fact.corrects] if fact.corrects else UNSET,
    )


def events_of(record: MessageRecord, logged: Iterable[LoggedEvent] = ()) -> list[EventView]:
    """Every event of a message in order: those that columns tell, and the logged ones.

    Columns tell the latest end; an end before it was written out when it was corrected (with its error).
    """
    written = {event.sequence: event for event in logged}
    facts = [fact for fact in _derived(record) if fact.sequence not in written]
    facts += [_fact_of(record, event) for event in written.values()]
    events: list[EventView] = []
    state, end = State.SCHEDULED.value if record.schedules else State.QUEUED.value, 0
    for fact in sorted(facts, key=lambda fact: fact.sequence):
        event = written.get(fact.sequence)
        if event is None or event.kind in _STATE_OF_WORD:
            state = fact.state
            if state >= _END:
                fact = msgspec.structs.replace(fact, corrects=0 if end in ARRIVED else end)
                end = state
            view = event_view(record, fact)
            events.append(view if event is None else _with_error(view, event))
        else:  # it changed nothing: shown in the state that the message had
            view = event_view(record, msgspec.structs.replace(fact, state=state))
            detail = UNSET if event.detail is None else Raw(event.detail.encode())
            events.append(msgspec.structs.replace(view, type=f"message.{event.kind}", detail=detail))
    return events


def _derived(record: MessageRecord) -> list[Fact]:
    """The events that columns tell: queued, sent, ended (or received)."""
    message, progress = record.message, record.progress
    if message.direction == _INBOUND:
        return [_fact(message, 1, State.RECEIVED, message.accepted_us)]
    facts = [_fact(message, 1, State.QUEUED, message.accepted_us)]
    if any(one.send_us > one.at_us for one in record.schedules):  # when it was queued is a logged event
        facts = [_fact(message, one.sequence, State.SCHEDULED, one.at_us) for one in record.schedules]
    if progress.sent_seq and progress.sent_us is not None:
        facts.append(_fact(message, progress.sent_seq, State.SENT, progress.sent_us))
    if progress.ended_seq and progress.ended_us is not None:
        facts.append(_fact(message, progress.ended_seq, progress.state, progress.ended_us))
    return facts


def _fact_of(record: MessageRecord, event: LoggedEvent) -> Fact:
    state = _STATE_OF_WORD.get(event.kind, record.progress.state)
    return _fact(record.message, event.sequence, state, event.at_us)


def _fact(message: Message, sequence: int, state: int, at_us: int) -> Fact:
    return fact_of(message, sequence, state, at_us, connector_id=0)


def _with_error(view: EventView, event: LoggedEvent) -> EventView:
    """An earlier end keeps the error that it was told with (``{"error": …}``)."""
    detail = msgspec.json.decode(event.detail) if event.detail else None
    error = detail.get("error") if isinstance(detail, dict) else None
    if error is None:
        return view
    return msgspec.structs.replace(view, data=msgspec.structs.replace(view.data, error=str(error)))
