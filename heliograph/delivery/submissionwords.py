"""How segments and attempts read in public, and what of carriers the operator alone sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heliograph.contracts import MessageRecord
from heliograph.delivery.instants import iso
from heliograph.delivery.views import STATE_WORDS, AttemptView, SegmentView
from heliograph.model import ARRIVED, Attempt, Progress, SegmentProgress

__all__ = ["attempts", "carrier_fields", "only_segment", "segments"]


def segments(record: MessageRecord, operator: bool, connectors: Mapping[int, str]) -> list[SegmentView]:
    return [
        SegmentView(
            number=part.number,
            state=STATE_WORDS[part.state],
            sent_at=None if part.sent_us is None else iso(part.sent_us),
            ended_at=None if part.ended_us is None else iso(part.ended_us),
            error=None if part.state in ARRIVED else part.error,
            possible_duplicate=part.possible_duplicate,
            **carrier_fields(part, operator, connectors),
        )
        for part in record.segments or (only_segment(record.progress),)
    ]


def only_segment(progress: Progress) -> SegmentProgress:
    """The segment of a message that has one: its row says it."""
    return SegmentProgress(
        number=1,
        state=progress.state,
        connector_id=progress.connector_id,
        attempts=progress.attempts,
        sent_us=progress.sent_us,
        ended_us=progress.ended_us,
        carrier_message_id=progress.carrier_message_id,
        status=progress.status,
        error=progress.error,
        possible_duplicate=progress.possible_duplicate,
    )


def attempts(record: MessageRecord, operator: bool, connectors: Mapping[int, str]) -> list[AttemptView]:
    """Attempts that were followed by others, from their rows, and the latest of each segment, from its progress."""
    rows = [*record.attempts, *_latest_attempts(record)]
    return [
        AttemptView(
            segment=row.segment,
            number=row.number,
            at=iso(row.at_us),
            error=row.error,
            **carrier_fields(row, operator, connectors),
        )
        for row in sorted(rows, key=lambda row: (row.segment, row.number))
    ]


def _latest_attempts(record: MessageRecord) -> list[Attempt]:
    """The latest attempt of each segment. One that a carrier took went well, whatever became of the segment later."""
    told = {(row.segment, row.number) for row in record.attempts}
    return [
        Attempt(
            message_id=record.message.id,
            account_id=record.message.account_id,
            segment=part.number,
            number=part.attempts,
            connector_id=part.connector_id,
            at_us=at_us,
            status=part.status if part.sent_us is None else 0,
            error=part.error if part.sent_us is None else None,
            carrier_message_id=part.carrier_message_id,
        )
        for part in record.segments or (only_segment(record.progress),)
        if part.attempts and (part.number, part.attempts) not in told and (at_us := part.sent_us or part.ended_us)
    ]


def carrier_fields(row: SegmentProgress | Attempt, operator: bool, connectors: Mapping[int, str]) -> dict[str, Any]:
    """What only the operator sees: a customer never learns who the carriers are."""
    if not operator:
        return {}
    return {
        "connector": connectors.get(row.connector_id),
        "carrier_status": row.status,
        "carrier_message_id": row.carrier_message_id,
    }
