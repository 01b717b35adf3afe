"""How long a session waits for what, and since when it does."""

from __future__ import annotations

from typing import Final

import msgspec

from heliograph.smpp.states import BOUND, State

__all__ = ["MISSES_MAX", "Timers", "Waits", "after", "due"]

MISSES_MAX: Final = 2
"""enquire_links without an answer after which the peer is gone."""


class Timers(msgspec.Struct, frozen=True):
    """How long a session waits, in seconds; 0 switches a timer off. Source: SMPP 3.4 §7.2, and what peers bear."""

    session_init_s: float = 10
    enquire_link_s: float = 30
    """Silence of the peer after which we probe; any PDU of it starts the count anew."""
    enquire_timeout_s: float = 15
    response_s: float = 60
    pdu_read_s: float = 10
    """From the first octet of a PDU to its last."""
    inactivity_s: float = 0
    unbind_s: float = 5
    late_s: float = 600
    """How long a request is remembered after its time-out."""


class Waits:
    """Since when one session waits: for its bind, the rest of a PDU, a sign of life, the end.

    Times are those of the session's ``now``. Requests have their own in `asking.Asking`.
    """

    __slots__ = (
        "acted_at",
        "heard_at",
        "misses",
        "partial_since",
        "probe_at",
        "probe_number",
        "started_at",
        "timers",
        "unbind_at",
    )

    def __init__(self, timers: Timers, now: float) -> None:
        self.timers = timers
        self.started_at = now
        self.heard_at = now
        """When a whole PDU of the peer came last."""
        self.acted_at = now
        """When either side last did more than show that it lives."""
        self.partial_since: float | None = None
        """When the PDU began that is not whole yet."""
        self.unbind_at: float | None = None
        """When the end began, by our unbind or by the peer's."""
        self.probe_number: int | None = None
        """The enquire_link of ours that nothing has answered, sent at ``probe_at``."""
        self.probe_at = 0.0
        self.misses = 0

    def deadlines(self, state: State) -> tuple[float | None, ...]:
        """When each of these waits is over; None for one that has not begun or is switched off."""
        timers = self.timers
        bound = state in BOUND
        return (
            after(self.started_at, timers.session_init_s) if state is State.OPEN else None,
            after(self.partial_since, timers.pdu_read_s),
            after(self.unbind_at, timers.unbind_s),
            self._probe_deadline() if bound else None,
            after(self.acted_at, timers.inactivity_s) if bound else None,
        )

    def broken(self, state: State, now: float) -> str | None:
        """Why the peer has had its time, in words: it did not bind, or did not end a PDU that it began."""
        timers = self.timers
        if state is State.OPEN and due(self.started_at, timers.session_init_s, now):
            return f"not bound within {timers.session_init_s:g} s"
        if due(self.partial_since, timers.pdu_read_s, now):
            return f"a PDU was not complete after {timers.pdu_read_s:g} s"
        return None

    def unbind_over(self, now: float) -> bool:
        """Whether the end has begun and taken its time."""
        return due(self.unbind_at, self.timers.unbind_s, now)

    def idle(self, now: float) -> str | None:
        """Why a bound session ends, in words, where nobody did anything for too long."""
        if due(self.acted_at, self.timers.inactivity_s, now):
            return f"nothing to do for {self.timers.inactivity_s:g} s"
        return None

    def probe_due(self, now: float) -> bool:
        """Whether to ask now if the peer is still there; where it did not answer the last time, that is a miss."""
        deadline = self._probe_deadline()
        if deadline is None or now < deadline:
            return False
        if self.probe_number is not None:
            self.misses += 1
        return True

    def _probe_deadline(self) -> float | None:
        if self.probe_number is not None:
            return after(self.probe_at, self.timers.enquire_timeout_s)
        return after(self.heard_at, self.timers.enquire_link_s)


def after(since: float | None, wait_s: float) -> float | None:
    """When a wait that began then is over; None where it has not begun or is switched off."""
    return since + wait_s if since is not None and wait_s else None


def due(since: float | None, wait_s: float, now: float) -> bool:
    """Whether a wait that began then is over."""
    return since is not None and wait_s > 0 and now >= since + wait_s
