"""Rows of the store that cannot be read: told once, counted, and their messages end where that is possible.

Nothing is deleted: an operator finds the row as it is. A message whose own row can be read ends as ``failed`` where no
carrier has it, and as ``unknown`` where one may. Explained in docs/explanation/durability.md
"""

from __future__ import annotations

from typing import Final

from heliograph.contracts import Clock, Unreadable
from heliograph.delivery.ledger import Ledger
from heliograph.model import END, Live, State
from heliograph.rules.lifecycle import News
from heliograph.telemetry import journal
from heliograph.telemetry.metrics import Metrics

__all__ = ["UnreadableRows"]

_MOST_TOLD = 10_000
"""Rows that are remembered as told: a store with more of them is beyond telling one by one."""

_LOOK = "heliograph store check lists such rows; docs/runbook.md says how to mend one"
_BECAME: Final = {
    "outbox": f"its events reach no webhook and no count; the messages are as they were: {_LOOK}",
    "deliveries": f"it is not sent; the events behind it can be replayed: {_LOOK}",
    "orphans": f"this early receipt is not used: {_LOOK}",
    "parts": f"its inbound message is told without this part: {_LOOK}",
    "schedules": f"the date that holds stands in the message's own row, and does: {_LOOK}",
    "staged": f"what a crash cut off of a large batch is not written; nobody was answered for it: {_LOOK}",
    "wires": f"all that this node had goes as if it may have been sent: {_LOOK}",
}
_ASIDE = f"the message is set aside, nothing sends or ends it: {_LOOK}"
_ENDED = f"the message ended before: it is only not shown: {_LOOK}"
_ENDS = f"the message ends, with the error unreadable or outcome_unknown: {_LOOK}"


class UnreadableRows:
    """Hears of every row that a store could not read."""

    def __init__(self, ledger: Ledger, clock: Clock, metrics: Metrics) -> None:
        self._ledger = ledger
        self._clock = clock
        self.metrics = metrics
        self._told: set[tuple[str, str]] = set()
        self._ending: set[str] = set()

    def met(self, found: Unreadable) -> None:
        """A row was met: called on the loop, each time."""
        self._tell(found)
        if found.live is not None:
            self.end(found.live)

    def _tell(self, found: Unreadable) -> None:
        name = (found.table, found.id)
        if name in self._told or len(self._told) >= _MOST_TOLD:
            return
        self._told.add(name)
        self.metrics.unreadable(found.table)
        journal.row_unreadable(found.table, found.id, found.why, _became(found))

    def end(self, live: Live) -> None:
        """Ends a message whose own row can be read, and of which nothing more can come."""
        message_id = live.message.id
        if live.progress.state >= END or message_id in self._ending:
            return
        handed_over = live.progress.state == State.SENT or live.progress.owner != 0
        state, error = (State.UNKNOWN, "outcome_unknown") if handed_over else (State.FAILED, "unreadable")
        batch = self._ledger.batch
        self._ending.add(message_id)
        batch.kept.append(lambda: self._ending.discard(message_id))
        whole = Live(live.message, live.progress)  # its segments cannot be moved one by one
        self._ledger.apply(batch, whole, News(1, state, self._clock.now_us(), 0, None, None, error))


def _became(found: Unreadable) -> str:
    if found.live is not None:
        return _ENDED if found.live.progress.state >= END else _ENDS
    return _BECAME.get(found.table, _ASIDE)
