"""How much a carrier takes in a second."""

from __future__ import annotations

__all__ = ["Throttle"]


class Throttle:
    """A bucket of tokens: ``throughput`` of them a second, at most ``burst_s`` seconds' worth at once."""

    def __init__(self, throughput: float, burst_s: float, now: float) -> None:
        self._throughput = throughput
        self._most = max(1.0, throughput * burst_s)
        self._tokens = self._most
        self._at = now

    def allows(self, now: float) -> bool:
        """Take a token, if there is one. ``now`` in seconds of any steady clock."""
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._throughput)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
