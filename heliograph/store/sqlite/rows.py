"""Values to rows and back. Columns stand in the order of the values' fields (see queries.sql)."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from msgspec import convert, defstruct
from msgspec.structs import astuple

from heliograph.contracts import Claim, Correlation, InboundPart, MessageRecord, NewMessage, Orphan
from heliograph.model import Attempt, Content, Live, Message, Progress, SegmentProgress, id_from_number
from heliograph.model.ids import EPOCH_US
from heliograph.store.sqlite.queries import Row
from heliograph.store.unreadable import STATES, Damaged, check_kinds, check_segments

__all__ = [
    "BUCKET_SHIFT",
    "FULL_WIDTH",
    "NARROW_WIDTH",
    "TAIL",
    "TEXT_WIDTH",
    "UPDATE_WIDTH",
    "NewRows",
    "claim_of",
    "content_of",
    "correlation_of",
    "head_of",
    "id_of",
    "key_at",
    "key_of",
    "live_of",
    "orphan_of",
    "part_of",
    "record_of",
    "segment_row",
    "split",
    "whole_of",
]

TAIL = (1 << 32) - 1
BUCKET_SHIFT = 48
"""A bucket of correlations: the key's 15 upper bits, 19 hours of ids."""


def key_of(message_id: str) -> int:
    """The first 63 bits of an id."""
    return int(message_id[1:], 32) >> 32


def split(message_id: str) -> tuple[int, int]:
    """(key, tail) of an id."""
    number = int(message_id[1:], 32)
    return number >> 32, number & TAIL


def id_of(key: int, tail: int) -> str:
    """The id again."""
    return id_from_number(key << 32 | tail)


def key_at(time_us: int) -> int:
    """No message made at that time or later has a smaller key."""
    return max(0, (time_us - EPOCH_US) >> 1) << 13


# --- writing ------------------------------------------------------------------------------------
# A message as a tuple: two comparisons tell a narrow row.
_PLAIN = astuple(Message(id="", account_id=0, sender="", recipient="", accepted_us=0, expires_us=0))
_FRESH = astuple(Progress())
_AT = Message.__struct_fields__.index
_SHORT, _WANTED, _ENTRANCE, _ROUTE, _PRICE = (
    _AT("reference"), _AT("receipt_wanted"), _AT("entrance"), _AT("route"), _AT("currency"),
)  # fmt: skip
_NARROW = (*range(1, _SHORT), _WANTED, _ENTRANCE, *range(_ROUTE, _PRICE))
_narrow_of = itemgetter(*_NARROW)
_rare_of = itemgetter(*(at for at in range(1, len(_PLAIN)) if at not in _NARROW))
_NOTHING_RARE = _rare_of(_PLAIN)
_LATER = Progress.__struct_fields__.index("sent_us")
_UNSENT = _FRESH[_LATER:]

NARROW_WIDTH = 2 + len(_NARROW) + _LATER
FULL_WIDTH = 1 + len(_PLAIN) + len(_FRESH)
TEXT_WIDTH = 2
UPDATE_WIDTH = 3 + len(_FRESH)


class NewRows:
    """New messages as values to bind, one row behind the other.

    Where all rare columns have their defaults, the row is a narrow one: half as many values.
    """

    __slots__ = ("contents", "full", "keys", "narrow", "segments", "texts")

    def __init__(self, news: Iterable[NewMessage]) -> None:
        keys: list[int] = []
        narrow: list[Any] = []
        full: list[Any] = []
        texts: list[Any] = []
        self.keys, self.narrow, self.full, self.texts = keys, narrow, full, texts
        self.contents: list[Row] = []
        self.segments: list[Row] = []
        for new in news:
            fixed = astuple(new.message)
            progress = astuple(new.progress)
            number = int(fixed[0][1:], 32)
            key = number >> 32
            keys.append(key)
            if _rare_of(fixed) == _NOTHING_RARE and progress[_LATER:] == _UNSENT:
                narrow += (key, number & TAIL, *_narrow_of(fixed), *progress[:_LATER])
            else:
                full += (key, number & TAIL, *fixed[1:], *progress)
            kind, octets, udh_octets, key_id = astuple(new.content)
            if kind or udh_octets or key_id:
                self.contents.append((key, kind, octets, udh_octets, key_id))
            else:
                texts += (key, octets)
            if new.segments:
                self.segments.extend((key, *astuple(segment)) for segment in new.segments)


def segment_row(message_id: str, segment: SegmentProgress) -> Row:
    """The row of a segment."""
    return (key_of(message_id), *astuple(segment))


# --- reading ------------------------------------------------------------------------------------
# Made by position and then converted: a third of what a call with 29 keywords costs.
_MessageRow: Any = defstruct("_MessageRow", Message.__struct_fields__, gc=False)
_ProgressRow: Any = defstruct("_ProgressRow", Progress.__struct_fields__, gc=False)
_BOOLS = Message.__struct_fields__.index("at_most_once") + 1
"""Where a row has the message's three flags: behind key and tail instead of the id."""
_KINDS = slice(_AT("direction") + 1, _AT("encoding") + 2)
_PROGRESS = 1 + len(Message.__struct_fields__)
_SEGMENTS = _PROGRESS + len(Progress.__struct_fields__)
_CONTENT = _SEGMENTS + 1
_ATTEMPTS = _CONTENT + 1


def _message_of(row: list[Any]) -> Message:
    at = _BOOLS
    check_kinds(tuple(row[_KINDS]))
    values = _MessageRow(
        id_from_number(row[0] << 32 | row[1]), *row[2:at], row[at] != 0, row[at + 1] != 0, row[at + 2] != 0,
        *row[at + 3 : _PROGRESS],
    )  # fmt: skip
    return convert(values, Message, from_attributes=True)


def _progress_of(row: list[Any]) -> Progress:
    if row[_PROGRESS] not in STATES:
        raise Damaged("no state has the number of the message's")
    values = _ProgressRow(*row[_PROGRESS : _SEGMENTS - 1], row[_SEGMENTS - 1] != 0)
    return convert(values, Progress, from_attributes=True)


def _segments_of(row: list[Any], message: Message) -> list[SegmentProgress]:
    if message.segments == 1:
        return []
    segments = [
        SegmentProgress(
            number=number, state=state, connector_id=connector_id, attempts=attempts, sent_us=sent_us,
            ended_us=ended_us, carrier_message_id=carrier_message_id, status=status, error=error,
            possible_duplicate=possible_duplicate != 0,
        )
        for number, state, connector_id, attempts, sent_us, ended_us, carrier_message_id, status, error,
            possible_duplicate in row[_SEGMENTS] or ()
    ]  # fmt: skip
    check_segments(segments, message)
    return segments


def content_of(row: list[Any] | None) -> Content | None:
    """What a message says, or None where it was deleted."""
    if row is None:
        return None
    kind, octets, udh_octets, key_id = row
    return Content(kind=kind, octets=bytes.fromhex(octets), udh_octets=udh_octets, key_id=key_id)


def live_of(row: list[Any], content: Content | None = None) -> Live:
    """A message in flight of a row of {MESSAGE}."""
    message = _message_of(row)
    return Live(message, _progress_of(row), (), _segments_of(row, message) or None, content)


def head_of(row: list[Any]) -> Live:
    """The same of a row of {HEAD}: without segments, however many it has."""
    return Live(_message_of(row), _progress_of(row))


def whole_of(row: list[Any]) -> Live:
    """A message in flight, with its content, of a row of {MESSAGE}, {CONTENT}."""
    return live_of(row, content_of(row[_CONTENT]))


def record_of(row: list[Any], *, attempts: bool, on_wire: bool) -> MessageRecord:
    """A whole message of a row of {MESSAGE}, {CONTENT} and perhaps {ATTEMPTS}."""
    message = _message_of(row)
    return MessageRecord(
        message=message,
        progress=_progress_of(row),
        content=content_of(row[_CONTENT]),
        segments=tuple(_segments_of(row, message)),
        attempts=tuple(_attempt_of(message, attempt) for attempt in row[_ATTEMPTS]) if attempts else (),
        on_wire=on_wire,
    )


def _attempt_of(message: Message, row: list[Any]) -> Attempt:
    segment, number, connector_id, at_us, status, error, carrier_message_id = row
    return Attempt(
        message_id=message.id, account_id=message.account_id, segment=segment, number=number,
        connector_id=connector_id, at_us=at_us, status=status, error=error, carrier_message_id=carrier_message_id,
    )  # fmt: skip


def correlation_of(row: list[Any]) -> Correlation:
    """A row of {CORRELATION}."""
    connector_id, canonical, account_id, key, tail, segment, attempt = row
    return Correlation(connector_id, canonical, account_id, id_of(key, tail), segment, attempt)


def orphan_of(row: list[Any]) -> Orphan:
    """A row of {ORPHAN}."""
    connector_id, canonical, arrived_us, fields, number = row
    return Orphan(connector_id=connector_id, canonical=canonical, arrived_us=arrived_us, fields=fields, id=number)


def claim_of(row: list[Any]) -> Claim:
    """A row of {CLAIM}."""
    account_id, scope, key, body_hash, created_us, expires_us, made = row
    return Claim(
        account_id=account_id, scope=scope, key=key, body_hash=bytes.fromhex(body_hash), created_us=created_us,
        expires_us=expires_us, made=made,
    )  # fmt: skip


def part_of(row: list[Any]) -> InboundPart:
    """A row of {PART}."""
    (
        connector_id, sender, recipient, reference, reference_octets, total, number, arrived_us, data_coding, octets,
    ) = row  # fmt: skip
    return InboundPart(
        connector_id=connector_id, sender=sender, recipient=recipient, reference=reference,
        reference_octets=reference_octets, total=total, number=number, arrived_us=arrived_us,
        data_coding=data_coding, octets=bytes.fromhex(octets),
    )  # fmt: skip
