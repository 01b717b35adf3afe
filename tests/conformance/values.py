"""Values for the suite, with defaults for what a test does not speak of."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from heliograph.contracts import Acceptance, Changes, Claim, Correlation, InboundPart, NewMessage, Orphan, Update
from heliograph.model import (
    Content,
    Endpoint,
    Fact,
    IdSource,
    Message,
    PendingDelivery,
    Progress,
    SegmentProgress,
    State,
)

__all__ = ["HOUR", "NOW", "SECOND", "Make"]

SECOND = 1_000_000
HOUR = 3_600 * SECOND
NOW = 1_800_000_000 * SECOND
"""A moment in 2027; the suite has no other clock."""

_MESSAGE = set(Message.__struct_fields__)


class Make:
    """Makes values; ids rise as they do in a process."""

    def __init__(self) -> None:
        self._ids = IdSource()

    def id(self, at_us: int = NOW) -> str:
        return self._ids.take(1, at_us)[0]

    def new(
        self, *, segments: int = 1, octets: bytes = b"hello", content: Content | None = None, **fields: Any
    ) -> NewMessage:
        """A new message: fields of Message, and of Progress where Message has none of that name."""
        accepted_us = fields.setdefault("accepted_us", NOW)
        message_id = fields.pop("id", None) or self.id(accepted_us)
        of_message = {name: value for name, value in fields.items() if name in _MESSAGE}
        of_progress = {name: value for name, value in fields.items() if name not in _MESSAGE}
        message = Message(
            **{
                "id": message_id,
                "account_id": 1,
                "sender": "INFO",
                "recipient": "+4915112345678",
                "expires_us": accepted_us + 24 * HOUR,
                "segments": segments,
                **of_message,
            }
        )
        rows = tuple(SegmentProgress(number=n + 1) for n in range(segments)) if segments > 1 else None
        return NewMessage(message, Progress(**of_progress), content or Content(octets=octets), rows)

    def born(self, **fields: Any) -> NewMessage:
        """A message born claimed by node 1 for connector 1."""
        return self.new(**{"connector_id": 1, "owner": 1, **fields})

    def waiting(self, **fields: Any) -> NewMessage:
        """A message that waits in the backlog of connector 1."""
        return self.new(**{"connector_id": 1, "due_us": NOW, **fields})

    @staticmethod
    def accept(*news: NewMessage, claim: Claim | None = None, **changes: Any) -> Changes:
        return Changes(acceptances=[Acceptance(list(news), claim=claim)], **changes)

    @staticmethod
    def update(new: NewMessage, base: int = 1, **progress: Any) -> Update:
        fields = {"version": base + 1, "connector_id": new.progress.connector_id, **progress}
        return Update(new.message.id, new.message.account_id, base, replace(Progress(), **fields))

    def sent(self, new: NewMessage, base: int = 1, **progress: Any) -> Update:
        return self.update(new, base, **{"state": State.SENT, "sent_us": NOW, "sent_seq": 2, "last_seq": 2, **progress})

    def delivered(self, new: NewMessage, base: int = 2, **progress: Any) -> Update:
        fields = {
            "state": State.DELIVERED,
            "sent_us": NOW,
            "ended_us": NOW,
            "sent_seq": 2,
            "ended_seq": 3,
            "last_seq": 3,
        }
        return self.update(new, base, **{**fields, **progress})

    @staticmethod
    def fact(new: NewMessage, sequence: int = 1, state: int = State.SENT, **fields: Any) -> Fact:
        message = new.message
        fact = Fact(
            message.id, message.account_id, sequence, state, NOW, 0, 1, message.direction, message.type, "DE", None,
            message.sender, False, message.segments,
        )  # fmt: skip
        return replace(fact, **fields)

    @staticmethod
    def claim(key: str = "k", **fields: Any) -> Claim:
        defaults = {"account_id": 1, "scope": "http", "body_hash": b"\x00\xff" * 16, "created_us": NOW}
        return Claim(**{**defaults, "key": key, "expires_us": NOW + 24 * HOUR, **fields})

    @staticmethod
    def correlation(new: NewMessage, canonical: str, connector_id: int = 1, segment: int = 1) -> Correlation:
        return Correlation(connector_id, canonical, new.message.account_id, new.message.id, segment, 1)

    @staticmethod
    def orphan(canonical: str, arrived_us: int = NOW, connector_id: int = 1) -> Orphan:
        return Orphan(
            connector_id=connector_id, canonical=canonical, arrived_us=arrived_us, fields='{"stat":"DELIVRD"}'
        )

    @staticmethod
    def part(number: int, **fields: Any) -> InboundPart:
        defaults = {
            "connector_id": 1, "sender": "+49151", "recipient": "12345", "reference": 7, "reference_octets": 1,
            "total": 3, "arrived_us": NOW, "data_coding": 8, "octets": b"\x00\xd6",
        }  # fmt: skip
        return InboundPart(**{**defaults, "number": number, **fields})

    @staticmethod
    def endpoint(endpoint_id: str, account_id: int = 1, **fields: Any) -> Endpoint:
        defaults = {
            "kind": "webhook",
            "url": "https://example.com/hook",
            "events": ("message.delivered",),
            "secret": "s",
        }
        return Endpoint(**{**defaults, "id": endpoint_id, "account_id": account_id, "created_us": NOW, **fields})

    @staticmethod
    def delivery(delivery_id: str, endpoint_id: str = "e1", **fields: Any) -> PendingDelivery:
        defaults = {"account_id": 1, "events": (("m1", 2), ("m2", 3)), "tries": 1, "next_us": NOW, "first_us": NOW}
        return PendingDelivery(**{**defaults, "id": delivery_id, "endpoint_id": endpoint_id, **fields})
