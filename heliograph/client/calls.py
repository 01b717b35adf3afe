"""The operations of the API, each as a :class:`~heliograph.client.core.Call`: one place for both clients."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypedDict, TypeVar
from urllib.parse import quote

import msgspec

from heliograph.client.core import Call, new_idempotency_key
from heliograph.client.values import (
    Accepted,
    Event,
    Inspection,
    Message,
    MessagePage,
    PublishableToken,
    Refused,
    Webhook,
)

__all__ = [
    "Filter",
    "MessageFields",
    "OutgoingMessage",
    "cancel",
    "create_webhook",
    "delete_webhook",
    "events_of",
    "inspect",
    "message",
    "messages",
    "prepare",
    "publishable_token",
    "reschedule",
    "revoke_publishable_token",
    "send",
    "send_batch",
    "webhooks",
]

T = TypeVar("T")


class MessageFields(TypedDict, total=False):
    """What a message takes beside recipient and text; the reference of the API says more of each."""

    sender: str
    """Number or name that it comes from."""
    data: bytes
    """Binary content instead of a text."""
    udh: bytes
    """User data header of ``data``, its length octet first."""
    type: str
    """``transactional`` (the default), ``otp`` or ``promotional``."""
    encoding: str
    """``auto`` (the default), ``gsm7`` or ``ucs2``."""
    max_segments: int
    validity_s: int
    """How long carriers may try: 60 to 604,800."""
    client_ref: str
    """Your own name for it."""
    tags: Sequence[str]
    metadata: Mapping[str, Any]
    at_most_once: bool
    """Rather lost than twice."""
    flash: bool
    callback: Mapping[str, Any]
    """``{"url": …, "events": […]}``: this message's own webhook."""
    send_at: datetime | str
    """An instant, with its zone."""
    send_at_local: datetime | str
    """Wall time in the recipient's zone."""
    time_zone: str
    deliver_within: Mapping[str, Any]


class OutgoingMessage(MessageFields, total=False):
    """One message of a batch."""

    to: str
    text: str


class Filter(TypedDict, total=False):
    """What a list is asked for, alone or together."""

    state: str | Sequence[str]
    to: str
    sender: str
    tag: str
    client_ref: str
    accepted_from: datetime | str
    accepted_to: datetime | str
    connector: str


_NAMES: Final = {"sender": "from"}
"""``from`` is a word of the language."""

_TOKENS: Final = "/v1/publishable-tokens"

_encode: Final = msgspec.json.Encoder().encode


class _Results(msgspec.Struct, frozen=True):
    results: list[msgspec.Raw]


class _Events(msgspec.Struct, frozen=True):
    events: tuple[Event, ...]


class _Webhooks(msgspec.Struct, frozen=True):
    webhooks: tuple[Webhook, ...]


def send(to: str, text: str | None, fields: MessageFields, idempotency_key: str | None) -> Call[Accepted]:
    """``POST /v1/messages``"""
    body = _said(fields) | {"to": to}
    if text is not None:
        body["text"] = text
    return _post("/v1/messages", body, _reader(Accepted), idempotency_key)


def send_batch(
    messages: Sequence[OutgoingMessage], idempotency_key: str | None
) -> Call[tuple[Accepted | Refused, ...]]:
    """``POST /v1/messages/batch``"""
    body = {"messages": [_said(one) for one in messages]}
    return _post("/v1/messages/batch", body, _read_results, idempotency_key)


def message(message_id: str) -> Call[Message]:
    """``GET /v1/messages/{id}``"""
    return _get(f"/v1/messages/{_part(message_id)}", _reader(Message))


def events_of(message_id: str) -> Call[tuple[Event, ...]]:
    """``GET /v1/messages/{id}/events``"""
    read = _reader(_Events)
    return _get(f"/v1/messages/{_part(message_id)}/events", lambda body: read(body).events)


def messages(asked: Filter, page: int, cursor: str | None) -> Call[MessagePage]:
    """``GET /v1/messages``"""
    query = {_NAMES.get(name, name): _word(value) for name, value in asked.items()}
    query["limit"] = str(page)
    if cursor is not None:
        query["cursor"] = cursor
    return _get("/v1/messages", _reader(MessagePage), query)


def cancel(message_id: str, idempotency_key: str | None) -> Call[Message]:
    """``POST /v1/messages/{id}/cancel``"""
    return _post(f"/v1/messages/{_part(message_id)}/cancel", {}, _reader(Message), idempotency_key)


def reschedule(message_id: str, fields: MessageFields, idempotency_key: str | None) -> Call[Message]:
    """``POST /v1/messages/{id}/reschedule``"""
    return _post(f"/v1/messages/{_part(message_id)}/reschedule", _said(fields), _reader(Message), idempotency_key)


def inspect(text: str, encoding: str) -> Call[Inspection]:
    """``POST /v1/inspect``"""
    return _post("/v1/inspect", {"text": text, "encoding": encoding}, _reader(Inspection), None)


def prepare(
    to: str,
    text: str | None,
    fields: MessageFields,
    origins: Sequence[str],
    expires_in_s: int,
    idempotency_key: str | None,
) -> Call[PublishableToken]:
    """``POST /v1/publishable-tokens``. Without a key of the caller's own a repeat makes another one: its text is shown
    to the first request of a key alone, and one that nobody has does nothing."""
    message = _said(fields) | {"to": to} | ({} if text is None else {"text": text})
    body = _encode({"message": message, "origins": list(origins), "expires_in": expires_in_s})
    read = _reader(PublishableToken)
    return Call(method="POST", path=_TOKENS, read=read, body=body, idempotency_key=idempotency_key)


def publishable_token(token_id: str) -> Call[PublishableToken]:
    """``GET /v1/publishable-tokens/{id}``"""
    return _get(f"{_TOKENS}/{_part(token_id)}", _reader(PublishableToken))


def revoke_publishable_token(token_id: str) -> Call[None]:
    """``DELETE /v1/publishable-tokens/{id}``"""
    return Call(method="DELETE", path=f"{_TOKENS}/{_part(token_id)}", read=lambda body: None)


def webhooks() -> Call[tuple[Webhook, ...]]:
    """``GET /v1/webhooks``"""
    read = _reader(_Webhooks)
    return _get("/v1/webhooks", lambda body: read(body).webhooks)


def create_webhook(url: str, events: Sequence[str], batch: int, idempotency_key: str | None) -> Call[Webhook]:
    """``POST /v1/webhooks``"""
    body = {"url": url, "events": list(events), "batch": batch}
    return _post("/v1/webhooks", body, _reader(Webhook), idempotency_key)


def delete_webhook(webhook_id: str) -> Call[None]:
    """``DELETE /v1/webhooks/{id}``"""
    return Call(method="DELETE", path=f"/v1/webhooks/{_part(webhook_id)}", read=lambda body: None)


# --- words -----------------------------------------------------------------------------------------


def _get(path: str, read: Callable[[bytes], T], query: Mapping[str, str] | None = None) -> Call[T]:
    return Call(method="GET", path=path, read=read, query=query or {})


def _post(path: str, body: Mapping[str, Any], read: Callable[[bytes], T], idempotency_key: str | None) -> Call[T]:
    key = idempotency_key if idempotency_key is not None else new_idempotency_key()
    return Call(method="POST", path=path, read=read, body=_encode(body), idempotency_key=key)


_readers: dict[type, Callable[[bytes], Any]] = {}


def _reader(kind: type[T]) -> Callable[[bytes], T]:
    read = _readers.get(kind)
    if read is None:
        read = _readers[kind] = msgspec.json.Decoder(kind).decode
    return read


def _read_results(body: bytes) -> tuple[Accepted | Refused, ...]:
    accepted, refused = _reader(Accepted), _reader(Refused)
    results: list[Accepted | Refused] = []
    for raw in _reader(_Results)(body).results:
        try:
            results.append(accepted(raw))
        except msgspec.ValidationError:
            results.append(refused(raw))
    return tuple(results)


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {_NAMES.get(name, name): _value(value) for name, value in fields.items() if value is not None}


def _value(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, datetime) else value


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, datetime) else ",".join(value)


def _part(name: str) -> str:
    """A name as one part of a path, whatever is in it."""
    if not name:
        raise ValueError("the id is empty")
    return quote(name, safe="")
