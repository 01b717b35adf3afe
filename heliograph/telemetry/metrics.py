"""Figures of this process: plain numbers that cost next to nothing, shown to Prometheus when it asks.

No label names an account. Source of the names: docs/reference/metrics.md
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from heliograph.model import State

__all__ = ["Histogram", "Metrics"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


class Histogram:
    """Counts by upper bound. ``observe`` takes seconds (or rows), and how often it was seen."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = _SECONDS) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times


class Metrics:
    """What the pipeline counts. All methods are plain and cheap: most take a whole batch."""

    def __init__(self) -> None:
        self.accepted_total = 0
        self.refused_total: dict[str, int] = {}
        self.submitted_total = 0
        self.reached_total: dict[int, int] = dict.fromkeys(State, 0)
        self.received_total = {"assigned": 0, "unassigned": 0}
        self.orphans_total = 0
        self.trouble_total: dict[str, int] = {}
        self.commit_s = Histogram()
        self.submit_s = Histogram()
        self.receipt_s = Histogram()

    def accepted(self, messages: int, seconds: float) -> None:
        """So many messages became durable, this long after their turn began."""
        self.accepted_total += messages
        self.commit_s.observe(seconds, messages)

    def refused(self, code: str) -> None:
        """A submission was refused with this code."""
        self.refused_total[code] = self.refused_total.get(code, 0) + 1

    def submitted(self, waits_s: Sequence[float]) -> None:
        """Segments were handed to a connector, each so long after it entered its lane."""
        self.submitted_total += len(waits_s)
        for wait_s in waits_s:
            self.submit_s.observe(wait_s)

    def reached(self, state: int) -> None:
        """An event made a message reach this state."""
        self.reached_total[state] += 1

    def receipt(self, accepted_us: int, arrived_us: int) -> None:
        """A final receipt arrived for a message accepted then."""
        self.receipt_s.observe((arrived_us - accepted_us) / 1e6)

    def received(self, *, assigned: bool) -> None:
        """A message came from a handset."""
        self.received_total["assigned" if assigned else "unassigned"] += 1

    def orphan(self) -> None:
        """A receipt found no message yet."""
        self.orphans_total += 1

    def trouble(self, where: str) -> None:
        """A part failed and was restarted: rescue will find what it held."""
        self.trouble_total[where] = self.trouble_total.get(where, 0) + 1
