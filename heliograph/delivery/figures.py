"""Figures: what people ask of counts, made of the tallies that the counter keeps.

A message counts in the hour in which it was accepted, with the end that it has now: an end that a later receipt
replaced is taken back where it was counted. Explained in docs/explanation/counts.md
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from heliograph.contracts import ACCEPTED, OPTED_OUT, TallyRow
from heliograph.model import END, State
from heliograph.rules.delays import quantile_ms

__all__ = ["METRICS", "Group", "Totals", "grouped"]

Group = tuple[int, int | None, str | None, str | None, str | None, int | None, int | None, str | None]
"""(at_us, account, country, network, sender, connector, type, error); None for what is not told apart."""


@dataclass(slots=True)
class Totals:
    """The sums behind the figures of one group."""

    accepted: int = 0
    segments: int = 0
    sent: int = 0
    segments_sent: int = 0
    delivered: int = 0
    failed: int = 0
    unknown: int = 0
    receipts: int = 0
    replies: int = 0
    opt_outs: int = 0
    waits: Counter[int] = field(default_factory=Counter)

    def add(self, row: TallyRow) -> None:
        """Adds what one row counts."""
        event, count = row.event, row.messages
        if event == ACCEPTED:
            self.accepted += count
            self.segments += row.segments
        elif event == State.SENT:
            self.sent += count
            self.segments_sent += row.segments
        elif event == State.RECEIVED:
            self.replies += count
        elif event == OPTED_OUT:
            self.opt_outs += count
        elif event >= END:
            self._end(event, count)
            if row.was:
                self._end(row.was, -count)
            if row.waited >= 0:
                self.receipts += count
                self.waits[row.waited] += count

    def _end(self, state: int, count: int) -> None:
        if state >= State.DELIVERED:
            self.delivered += count
        elif state == State.UNKNOWN:
            self.unknown += count
        else:
            self.failed += count


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


METRICS: Mapping[str, Callable[[Totals], float | int | None]] = {
    "accepted": lambda of: of.accepted,
    "segments": lambda of: of.segments,
    "sent": lambda of: of.sent,
    "segments_sent": lambda of: of.segments_sent,
    "delivered": lambda of: of.delivered,
    "failed": lambda of: of.failed,
    "unknown": lambda of: of.unknown,
    "delivery_rate": lambda of: _share(of.delivered, of.receipts),
    "coverage": lambda of: _share(of.receipts, of.sent),
    "receipt_p50_ms": lambda of: quantile_ms(of.waits, 0.5),
    "receipt_p95_ms": lambda of: quantile_ms(of.waits, 0.95),
    "replies": lambda of: of.replies,
    "opt_outs": lambda of: of.opt_outs,
}
"""Every figure by its name; None where there is nothing to make it of."""


def grouped(rows: Iterable[TallyRow], by: Sequence[str]) -> dict[Group, Totals]:
    """Totals by group, in order of the rows. By ``error`` only failures are left, taken back ones taken off."""
    found: dict[Group, Totals] = {}
    for row in rows:
        group = (
            row.at_us, row.account, row.country, row.network, row.sender, row.connector, row.type, row.error,
        )  # fmt: skip
        totals = found.get(group)
        if totals is None:
            totals = found[group] = Totals()
        totals.add(row)
    if "error" in by:
        return {group: totals for group, totals in found.items() if totals.failed}
    return {group: totals for group, totals in found.items() if totals != Totals()}
