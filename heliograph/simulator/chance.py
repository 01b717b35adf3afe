"""Everything that a virtual carrier decides: ids, throttling, refusals, final states. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final

from heliograph.simulator.outcomes import USUAL, Outcome, outcome_of
from heliograph.simulator.settings import CarrierSettings, Refusal
from heliograph.simulator.throttle import Throttle
from heliograph.smpp import constants as c

__all__ = ["Chance", "write_id"]

_WRITE: Final[dict[str, Callable[[int], str]]] = {
    "decimal": str,
    "hex": "{:x}".format,
    "hex_upper": "{:X}".format,
    "decimal_padded": "{:020d}".format,
    "hex_padded": "{:016x}".format,
}


def write_id(number: int, style: str) -> str:
    """A message id in one of ``ID_STYLES``."""
    return _WRITE[style](number)


class Chance:
    """The decisions that depend on luck, from one seed. Each kind of decision has numbers of its own, so that what is
    decided later does not depend on when."""

    def __init__(self, settings: CarrierSettings, now: float) -> None:
        self._refusal, self._silence, self._jitter, self._place = (
            Random(f"{settings.seed} {use}") for use in ("refusal", "silence", "jitter", "place")
        )
        self._state = Random(settings.seed)
        self._throughput = 0.0
        self._throttle: Throttle | None = None
        self.change(settings, now)

    def change(self, settings: CarrierSettings, now: float) -> None:
        """Decide by other settings from now on; the numbers go on where they are."""
        self._refusals = settings.refusals
        self.ranges = [(one, replace(outcome_of(one.outcome), err=one.err)) for one in settings.ranges]
        """Numbers with an outcome of their own; where there are none nobody need ask for it."""
        self._silent = settings.silent
        self._jitter_s = settings.receipts.jitter_ms / 1000
        self._states = [word for word, weight in settings.receipts.final_states if weight > 0]
        self._weights = [weight for _, weight in settings.receipts.final_states if weight > 0]
        if settings.throughput != self._throughput:
            self._throughput = settings.throughput
            self._throttle = Throttle(settings.throughput, settings.burst_s, now) if settings.throughput > 0 else None

    def outcome(self, number: str) -> Outcome:
        """What becomes of a submit to this number."""
        for one, outcome in self.ranges:
            if number.startswith(one.prefix) and number.endswith(one.suffix) and _lucky(self._place, one.share):
                return outcome
        return USUAL

    def status(self, number: str, now: float) -> int:
        """How a submit to this number is answered: 0 or the status of its refusal."""
        if self._throttle is not None and not self._throttle.allows(now):
            return c.ESME_RTHROTTLED
        for refusal in self._refusals:
            if self._meets(refusal, number):
                return refusal.status
        return c.ESME_ROK

    def _meets(self, refusal: Refusal, number: str) -> bool:
        if not (number.startswith(refusal.prefix) and number.endswith(refusal.suffix)):
            return False
        return _lucky(self._refusal, refusal.fraction)

    def silent(self) -> bool:
        """Whether a submit gets no answer at all."""
        return self._silent > 0 and self._silence.random() < self._silent

    def final_state(self) -> str:
        """What becomes of a message."""
        if len(self._states) == 1:
            return self._states[0]
        return self._state.choices(self._states, self._weights)[0]

    def jitter_s(self) -> float:
        """What is added to the delay of a receipt."""
        return self._jitter.random() * self._jitter_s if self._jitter_s else 0.0


def _lucky(random: Random, share: float) -> bool:
    return share >= 1 or random.random() < share
