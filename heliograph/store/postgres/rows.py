"""Between rows and values: how the driver is given many rows cheaply, and what comes back is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import astuple

from heliograph.contracts import InboundPart, NewMessage
from heliograph.model import Content, Fact, Live, Message, PendingDelivery, Progress, Schedule, SegmentProgress
from heliograph.store.postgres.queries import MESSAGE, PROGRESS
from heliograph.store.unreadable import STATES, Damaged, check_kinds

__all__ = [
    "CONTENT_COLUMNS",
    "LABEL_COLUMNS",
    "MESSAGE_COLUMNS",
    "NARROW_COLUMNS",
    "SEGMENT_COLUMNS",
    "array",
    "arrays",
    "columns",
    "content_after_message",
    "content_records",
    "label_records",
    "live_of",
    "message_records",
    "pack_events",
    "pack_facts",
    "part_of",
    "pending_of",
    "schedule_of",
    "schedule_row",
    "segment_of",
    "segment_records",
    "unpack_facts",
]

MESSAGE_COLUMNS: tuple[str, ...] = (*MESSAGE, *PROGRESS, "queue_us")
_AT = MESSAGE.index
_DIRECTION, _TYPE, _REFERENCE, _WANTED = _AT("direction"), _AT("type"), _AT("reference"), _AT("receipt_wanted")
_ENTRANCE, _ROUTE, _PRICED = _AT("entrance"), _AT("route"), _AT("currency")
_ID, _ACCOUNT, _CLIENT_REF, _TAGS = _AT("id"), _AT("account_id"), _AT("client_ref"), _AT("tags")
_LATER = PROGRESS.index("sent_us")
_PLAIN = astuple(Message(id="", account_id=0, sender="", recipient="", accepted_us=0, expires_us=0))
_KIND, _FLAGS = _PLAIN[_DIRECTION:_TYPE], _PLAIN[_REFERENCE:_WANTED]
_EXTRAS, _UNPRICED = _PLAIN[_ENTRANCE:_ROUTE], _PLAIN[_PRICED:]
_UNSENT = astuple(Progress())[_LATER:]

NARROW_COLUMNS: tuple[str, ...] = (
    *MESSAGE[:_DIRECTION],
    *MESSAGE[_TYPE:_REFERENCE],
    "receipt_wanted",
    *MESSAGE[_ROUTE:_PRICED],
    *PROGRESS[:_LATER],
    "queue_us",
)
"""What a plain message needs; the schema's defaults are those of the values (a test holds them equal)."""

CONTENT_COLUMNS: tuple[str, ...] = ("account_id", "message_id", "kind", "octets", "udh_octets", "key_id")
LABEL_COLUMNS: tuple[str, ...] = ("account_id", "label", "message_id")
SEGMENT_COLUMNS: tuple[str, ...] = ("account_id", "message_id", *SegmentProgress.__struct_fields__)

_SEGMENT = SegmentProgress.__struct_fields__
_AFTER_MESSAGE = len(MESSAGE)
_KINDS = slice(_AT("direction"), _AT("encoding") + 1)
_STATE = _AFTER_MESSAGE + PROGRESS.index("state")
_AFTER_PROGRESS = len(MESSAGE) + len(PROGRESS)

_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()
_facts = msgspec.msgpack.Decoder(tuple[Fact, ...])
_tags = msgspec.json.Decoder(list[str]).decode
_schedules = msgspec.json.Decoder(Schedule)
_pairs = msgspec.msgpack.Decoder(tuple[tuple[str, int], ...])


def array(values: Sequence[Any]) -> str:
    """The values as an array literal of PostgreSQL, for ``$n::text::type[]``.

    Numbers (of an enumeration too), truth values, text and None. JSON is that literal but for its
    brackets and its escapes; a text that needs one is quoted by hand.
    """
    encoded = _json.encode(values)
    if b"\\" in encoded:
        return "{" + ",".join(map(_element, values)) + "}"
    return "{" + encoded[1:-1].decode() + "}"


def _element(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return _json.encode(value).decode()


def arrays(rows: Sequence[Sequence[Any]], width: int) -> list[str]:
    """Rows as one array literal a column; ``width`` of them also when there are no rows."""
    if not rows:
        return ["{}"] * width
    return [array(column) for column in zip(*rows, strict=True)]


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[tuple[Any, ...]]:
    """Rows as columns, ``width`` of them, for arrays that the driver writes itself."""
    turned = list(zip(*rows, strict=True))
    return turned or [()] * width


def message_records(news: Iterable[NewMessage]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The rows of new messages: those where all rare columns have their defaults, in the order of

    ``NARROW_COLUMNS``, and the others, in the order of ``MESSAGE_COLUMNS``.
    """
    narrow: list[tuple[Any, ...]] = []
    full: list[tuple[Any, ...]] = []
    for new in news:
        fixed, progress = astuple(new.message), astuple(new.progress)
        queue_us = None if new.progress.owner else new.progress.due_us
        if (
            fixed[_ENTRANCE:_ROUTE] == _EXTRAS
            and fixed[_REFERENCE:_WANTED] == _FLAGS
            and fixed[_PRICED:] == _UNPRICED
            and fixed[_DIRECTION:_TYPE] == _KIND
            and progress[_LATER:] == _UNSENT
        ):
            narrow.append(
                (
                    *fixed[:_DIRECTION],
                    *fixed[_TYPE:_REFERENCE],
                    fixed[_WANTED],
                    *fixed[_ROUTE:_PRICED],
                    *progress[:_LATER],
                    queue_us,
                )
            )
        else:
            full.append((*fixed, *progress, queue_us))
    return narrow, full


def content_records(news: Iterable[NewMessage]) -> list[tuple[Any, ...]]:
    """The rows of their contents, in the order of ``CONTENT_COLUMNS``."""
    return [
        (message.account_id, message.id, content.kind, content.octets, content.udh_octets, content.key_id)
        for new in news
        for message, content in ((new.message, new.content),)
    ]


def label_records(full: Iterable[Sequence[Any]]) -> list[tuple[int, str, str]]:
    """The labels of rows in the order of ``MESSAGE_COLUMNS``, in the order of ``LABEL_COLUMNS``.

    A client_ref stands behind ``r``, a tag behind ``t``. A plain message has none, and no such row. The database
    keeps no NUL in a text: a tag with one cannot be asked for.
    """
    found: list[tuple[int, str, str]] = []
    for row in full:
        client_ref, tags = row[_CLIENT_REF], row[_TAGS]
        if client_ref is not None:
            found.append((row[_ACCOUNT], f"r{client_ref}", row[_ID]))
        if tags is not None:
            found.extend((row[_ACCOUNT], f"t{tag}", row[_ID]) for tag in dict.fromkeys(_tags(tags)) if "\0" not in tag)
    return found


def segment_records(news: Iterable[NewMessage]) -> list[tuple[Any, ...]]:
    """The rows of their segments, in the order of ``SEGMENT_COLUMNS``."""
    return [
        (new.message.account_id, new.message.id, *astuple(segment))
        for new in news
        if new.segments
        for segment in new.segments
    ]


def live_of(row: Sequence[Any], content: Content | None = None) -> Live:
    """A message from a row of ``{message}`` columns; its segments are read apart."""
    check_kinds(tuple(row[_KINDS]))
    if row[_STATE] not in STATES:
        raise Damaged("no state has the number of the message's")
    return Live(
        Message(**dict(zip(MESSAGE, row[:_AFTER_MESSAGE], strict=True))),
        Progress(**dict(zip(PROGRESS, row[_AFTER_MESSAGE:_AFTER_PROGRESS], strict=True))),
        content=content,
    )


def content_after_message(row: Sequence[Any]) -> Content | None:
    """The content that stands behind the ``{message}`` columns; None where its row is gone."""
    kind, octets, udh_octets, key_id = row[_AFTER_PROGRESS : _AFTER_PROGRESS + 4]
    return None if kind is None else Content(kind=kind, octets=octets, udh_octets=udh_octets, key_id=key_id)


def segment_of(row: Sequence[Any]) -> SegmentProgress:
    """A segment from a row whose first column is its message."""
    return SegmentProgress(**dict(zip(_SEGMENT, row[1:], strict=True)))


def part_of(row: Mapping[str, Any]) -> InboundPart:
    """A kept part of a long inbound message."""
    return InboundPart(**dict(row))


def schedule_row(schedule: Schedule) -> tuple[Any, ...]:
    """The row of a date of a message."""
    fields = _json.encode(schedule).decode()
    return (schedule.message_id, schedule.account_id, schedule.sequence, schedule.zone_version, fields)


def schedule_of(fields: str) -> Schedule:
    """Undoes :func:`schedule_row`."""
    return _schedules.decode(fields)


def pack_facts(facts: Sequence[Fact]) -> bytes:
    """The facts of one transaction as the outbox keeps them."""
    return _msgpack.encode(facts)


def unpack_facts(octets: bytes) -> tuple[Fact, ...]:
    """Undoes :func:`pack_facts`."""
    return _facts.decode(octets)


def pack_events(events: Sequence[tuple[str, int]]) -> bytes:
    """The (message id, sequence) of a pending delivery as its row keeps them."""
    return _msgpack.encode(events)


def pending_of(row: Mapping[str, Any]) -> PendingDelivery:
    """A pending delivery from its row."""
    return PendingDelivery(**{**dict(row), "events": _pairs.decode(row["events"])})
