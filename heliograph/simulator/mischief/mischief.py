"""What a carrier does wrong at present, over all its links."""

from __future__ import annotations

from collections import Counter
from random import Random

from heliograph.simulator.mischief.kinds import Misbehaviour, Moment
from heliograph.simulator.throttle import Throttle
from heliograph.smpp import constants as c

__all__ = ["Mischief"]


class Mischief:
    """The misbehaviour that is on, how often it strikes, and how often it did."""

    def __init__(self, seed: int) -> None:
        self.kind: Misbehaviour | None = None
        """None: the carrier behaves."""
        self.share = 1.0
        self.done: Counter[str] = Counter()
        """How often each kind went wrong, by name."""
        self.random = Random(f"{seed} mischief")
        self._throttle: Throttle | None = None
        self._sequence = 0x70000000

    def begin(self, kind: Misbehaviour | None, share: float, now: float) -> None:
        """From now on (seconds of a steady clock) go wrong in this way, in this share of the cases."""
        self.kind, self.share = kind, share
        self._throttle = Throttle(kind.per_second, 1 / kind.per_second, now) if kind and kind.per_second else None

    def strikes(self, moment: Moment) -> bool:
        """Whether something goes wrong now."""
        kind = self.kind
        if kind is None or moment not in kind.does or not self._chance():
            return False
        self.done[kind.name] += 1
        return True

    def bind_status(self) -> int:
        """What a bind is refused with; 0: nothing."""
        kind = self.kind
        return self._refusal(kind.bind_status) if kind is not None and kind.bind_status and self._chance() else 0

    def submit_status(self, now: float) -> int:
        """What a submit is refused with; 0: nothing."""
        kind = self.kind
        if kind is None or not kind.submit_status:
            return c.ESME_ROK
        if self._throttle is not None and self._throttle.allows(now):
            return c.ESME_ROK
        return self._refusal(kind.submit_status) if self._chance() else c.ESME_ROK

    def _refusal(self, status: int) -> int:
        assert self.kind is not None
        self.done[self.kind.name] += 1
        return status

    def _chance(self) -> bool:
        return self.share >= 1 or self.random.random() < self.share

    def sequence(self) -> int:
        """A sequence number far from those that sessions count from 1."""
        self._sequence = self._sequence + 1 if self._sequence < c.SEQUENCE_NUMBER_MAX else 0x70000000
        return self._sequence
