"""How much an endpoint, or a host of callbacks, is trusted after what came of a request."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import urlsplit

from heliograph.contracts import Heard
from heliograph.delivery.outbox.callbacks import Target
from heliograph.delivery.outbox.desk import Desk
from heliograph.delivery.outbox.health import Health
from heliograph.delivery.outbox.line import Line
from heliograph.delivery.outbox.owed import Owed
from heliograph.model import Endpoint
from heliograph.rules.redelivery import proof, rest_s
from heliograph.telemetry import journal

__all__ = ["News", "Trust"]

News = Callable[[Endpoint, str, Health], Coroutine[Any, Any, None]]
"""Tells others of an endpoint's breaker: which endpoint, the event's type, and how it did."""

_EVERY: Final = 1 << 62
_MOST_REST_ASKED_S: Final = 60.0
"""How long all of an endpoint rests for its ``Retry-After``; the event itself waits as long as it says."""


class Trust:
    """Rests what fails, trusts again what takes something. ``kick`` starts workers for a line.

    ``news`` tells others that a breaker opened or closed.
    """

    def __init__(self, desk: Desk, owed: Owed, kick: Callable[[Line], None], news: News | None = None) -> None:
        self._desk = desk
        self._owed = owed
        self._kick = kick
        self._news = news

    def distrust(self, line: Line, heard: Heard | None, error: str) -> None:
        """A failure: an endpoint that fails on gets fewer requests."""
        self._desk.counts["again"] += 1
        line.failures += 1
        line.proof = proof(line.proof, self._desk.bounds.connections, took=False)
        line.last_error = error
        line.failing_since_us = line.failing_since_us or self._desk.clock.now_us()
        if rest_s(line.failures) and not rest_s(line.failures - 1):
            host = urlsplit(line.endpoint.url).hostname or ""
            journal.webhook_failing(line.endpoint.id, host, error, line.failures)
            self._desk.metrics.endpoint("failing")
            self._tell(line, "webhook.failing", "open")
        wait_s = max(rest_s(line.failures), _asked_s(heard))
        if wait_s:
            line.rest_until = max(line.rest_until, self._desk.clock.monotonic() + wait_s)

    def recovered(self, line: Line) -> None:
        """It took something again: trusted as before, and said where its failing was said."""
        if rest_s(line.failures):
            journal.webhook_recovered(line.endpoint.id, line.failures)
            self._desk.metrics.endpoint("recovered")
            self._tell(line, "webhook.recovered", "closed")
        refused_batches = line.refused_batches
        line.trust()
        line.refused_batches = refused_batches

    def _tell(self, line: Line, kind: str, state: str) -> None:
        if self._news is not None:
            health = Health(state, line.failures, line.last_error, line.failing_since_us)
            self._desk.spawn(self._news(line.endpoint, kind, health))

    def leave(self, line: Line, target: Target | None, *, failed: bool, heard: Heard | None = None) -> None:
        """A request to a callback's host ended; each host is trusted for itself."""
        if line.hosts is not None and target is not None:
            self._desk.counts["again"] += failed
            line.hosts.leave(target.host, failed=failed, asked_s=_asked_s(heard), now=self._desk.clock.monotonic())
            if failed:
                self._owed.let_go(line, line.hosts.excess(target.host))
            if line.stalled:
                self._stir(line, target.host, failed=failed)

    def _stir(self, line: Line, host: str, *, failed: bool) -> None:
        """Second tries that waited for the end of a request to their host: they go now, or, as it failed, later."""
        assert line.hosts is not None
        if failed:
            for delivery in line.unstall(host, _EVERY):
                line.targets.pop(delivery.id, None)
                self._owed.postpone(line, delivery)
        elif ready := line.unstall(host, line.hosts.slots_free(host, self._desk.clock.monotonic())):
            line.retries.extend(ready)
            self._kick(line)


def _asked_s(heard: Heard | None) -> float:
    """How long all of an endpoint, or of a host, rests for an answer's ``Retry-After``."""
    return 0.0 if heard is None else min(heard.retry_after_s or 0.0, _MOST_REST_ASKED_S)
