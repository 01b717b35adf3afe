"""The counts of a store against a recount of its messages: equal to the unit, or told where they differ."""

from __future__ import annotations

from collections import defaultdict

from heliograph.bench.view import StoreView
from heliograph.contracts import TallyRow
from heliograph.delivery.figures import Totals
from heliograph.model import END, Direction, State, id_from_number, id_time_us
from heliograph.rules.delays import bucket_of

__all__ = ["miscounted"]

_HOUR_US = 3_600_000_000


def miscounted(store: StoreView) -> list[str]:
    """Each hour whose counts are not those of its messages, in words."""
    counts, messages = _counted(store), _recounted(store)
    return [
        f"hour {hour_us}: counted {counts[hour_us]}, in rows {messages[hour_us]}"
        for hour_us in sorted({*counts, *messages})
        if counts[hour_us] != messages[hour_us]
    ]


def _counted(store: StoreView) -> defaultdict[int, Totals]:
    found: defaultdict[int, Totals] = defaultdict(Totals)
    for hour_us, event, was, waited, messages, segments in store.query(
        "SELECT hour_us, event, was, waited, sum(messages), sum(segments) FROM tallies GROUP BY 1, 2, 3, 4"
    ):
        row = TallyRow(
            hour_us, None, None, None, None, None, None, None, event, was, waited, int(messages), int(segments)
        )
        found[hour_us].add(row)
    return found


def _recounted(store: StoreView) -> defaultdict[int, Totals]:
    found: defaultdict[int, Totals] = defaultdict(Totals)
    for key, direction, state, segments, sent_us, ended_us in store.query(
        f"SELECT {store.id_column}, direction, state, segments, sent_us, ended_us FROM messages"
    ):
        at_us = id_time_us(key if isinstance(key, str) else id_from_number(key << 32))
        of = found[at_us - at_us % _HOUR_US]
        if direction == Direction.IN:
            of.replies += 1
            continue
        of.accepted += 1
        of.segments += segments
        if sent_us is not None:
            of.sent += 1
            of.segments_sent += segments
            if state > State.UNKNOWN:
                of.receipts += 1
                of.waits[bucket_of(ended_us - sent_us)] += 1
        if state >= State.DELIVERED:
            of.delivered += 1
        elif state > State.UNKNOWN:
            of.failed += 1
        elif state >= END:
            of.unknown += 1
    return found
