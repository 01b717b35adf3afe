"""Messages for the tests, in one line each."""

from __future__ import annotations

from time import time_ns
from typing import Any

from msgspec.structs import replace

from heliograph.contracts import Acceptance, Changes, NewMessage, Update
from heliograph.model import Content, Fact, IdSource, Live, Message, Progress, SegmentProgress, State

__all__ = ["IDS", "accept", "fact", "made", "new", "now_us", "step"]

IDS = IdSource()


def now_us() -> int:
    return time_ns() // 1000


def new(
    *, id: str | None = None, account_id: int = 1, owner: int = 0, due: bool = True, segments: int = 1, **message: Any
) -> NewMessage:
    """A message: waiting in the backlog of connector 1 unless it has an owner."""
    now = now_us()
    fields: dict[str, Any] = {"sender": "Helio", "recipient": "+4915112345678", **message}
    return NewMessage(
        Message(
            id=id or IDS.take(1, now)[0],
            account_id=account_id,
            accepted_us=now,
            expires_us=now + 86_400_000_000,
            segments=segments,
            **fields,
        ),
        Progress(connector_id=1, owner=owner, due_us=None if owner or not due else now),
        Content(octets=b"Hello"),
        tuple(SegmentProgress(number=n + 1, connector_id=1) for n in range(segments)) if segments > 1 else None,
    )


def accept(*news: NewMessage, **more: Any) -> Changes:
    return Changes(acceptances=[Acceptance(list(news))], **more)


def made(news: NewMessage) -> Live:
    """The message as its node holds it after the commit."""
    return Live(news.message, news.progress, segments=list(news.segments) if news.segments else None)


def step(live: Live, **changed: Any) -> Update:
    """An update of the message, which the live one takes at once."""
    before = live.progress
    live.progress = replace(before, version=before.version + 1, **changed)
    return Update(live.message.id, live.message.account_id, before.version, live.progress)


def fact(live: Live, state: State = State.SENT) -> Fact:
    return Fact(live.message.id, live.message.account_id, 2, state, now_us(), 0, 1, 0, 1, None, None, "Helio", False, 1)
