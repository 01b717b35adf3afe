"""What makes a carrier a world: numbers with outcomes, handsets with rules, hours, outages, and drift. Values only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from heliograph.config.fields import setting
from heliograph.config.loading import nearest
from heliograph.simulator.outcomes import OUTCOMES, outcome_of

__all__ = ["DAYS", "Drift", "HandsetRule", "Hours", "NumberRange", "Outage", "minute_of"]

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_YEAR_S: Final = 31_536_000
_ERR: Final = re.compile(r"(?:[0-9A-Za-z]{3})?")
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")

Fault = tuple[str, str, str]
"""(field, what is wrong, remedy)."""


def minute_of(clock: str) -> int:
    """``18:30`` as minutes since midnight. Raises ``ValueError``."""
    found = _CLOCK.fullmatch(clock)
    if found is None:
        raise ValueError(clock)
    return int(found[1]) * 60 + int(found[2])


def _bad_clock(name: str, clock: str) -> Iterator[Fault]:
    if not _CLOCK.fullmatch(clock):
        yield name, f"is no time of day: {clock!r:.20}", 'from "00:00" to "23:59", in UTC'


@dataclass(frozen=True, kw_only=True)
class NumberRange:
    """Numbers whose submits all have one outcome. The first range that a number is in counts."""

    outcome: str = setting(doc="The name of an outcome, or a status such as `0x0B` that submits are refused with.")
    prefix: str = setting("", "Beginning of the number, with its `+`; empty: every number.")
    suffix: str = setting("", "End of the number; empty: every number.")
    share: float = setting(1.0, "In which share of the submits.", min=0, max=1)
    err: str = setting("", "The three characters of `err` in its receipts; empty: as usual beside the final state.")

    def faults(self) -> Iterator[Fault]:
        try:
            outcome_of(self.outcome)
        except ValueError:
            yield "outcome", f"is no outcome: {self.outcome!r:.40}", nearest(self.outcome, OUTCOMES)
        if not _ERR.fullmatch(self.err):
            yield "err", f"cannot be {self.err!r:.20}", "three digits or letters, or nothing"


@dataclass(frozen=True, kw_only=True)
class HandsetRule:
    """What handsets answer. The first rule that a message meets counts; a rule that is not lucky is passed over."""

    reply: str = setting(doc="What the handset writes back; long texts go in parts.")
    prefix: str = setting("", "Beginning of the handsets' numbers; empty: every handset.")
    keyword: str = setting("", "The first word of messages that it is for, in any case; empty: every message.")
    contains: str = setting(
        "", "What messages that it is for have somewhere in them, in any case; empty: every message."
    )
    after_ms: float = setting(0.0, "From the message to the reply.", min=0, max=86_400_000)
    probability: float = setting(1.0, "How likely it is that a handset answers.", min=0, max=1)
    once: bool = setting(False, "Whether a handset answers a sender so only one time.")
    opt_out: bool = setting(
        False,
        "Whether the reply is an opt-out: what the sender writes to it from then on is counted as `after_opt_out`.",
    )

    def faults(self) -> Iterator[Fault]:
        if not 0 < len(self.reply) <= 10_000:
            yield "reply", "is empty or longer than 10,000 characters", 'such as reply = "STOP"'


@dataclass(frozen=True, kw_only=True)
class Hours:
    """A part of the day (UTC) in which the carrier is another one. Later entries win."""

    begin: str = setting(doc='From when, such as `"18:00"`.')
    end: str = setting(doc="Until when; earlier than `begin`: over midnight.")
    days: tuple[str, ...] = setting(DAYS, "On which days it begins: " + ", ".join(f"`{day}`" for day in DAYS) + ".")
    throughput: float | None = setting(None, "Segments per second in these hours.", min=0, max=1_000_000)
    latency_ms: float | None = setting(None, "From a submit to its response in these hours.", min=0, max=600_000)
    refused: float = setting(0.0, "The share of submits that are refused.", min=0, max=1)
    status: int = setting(0x14, "With which status.", min=1, max=0xFFFFFFFF)
    misbehaviour: str = setting("", "One of the misbehaviours.")

    def faults(self) -> Iterator[Fault]:
        yield from _bad_clock("begin", self.begin)
        yield from _bad_clock("end", self.end)
        for day in self.days:
            if day not in DAYS:
                yield "days", f"has no day called {day!r:.20}", "one of " + ", ".join(DAYS)


@dataclass(frozen=True, kw_only=True)
class Outage:
    """A time in which the carrier is not there: planned from the start, at a time of day, or by chance."""

    for_s: float = setting(doc="How long it lasts; where it comes by chance: on average.", min=0.1, max=_YEAR_S)
    after_s: float | None = setting(None, "Planned: so long after the start.", min=0, max=_YEAR_S)
    every_s: float | None = setting(None, "Planned: and again after so long.", min=0.1, max=_YEAR_S)
    at: str = setting("", 'Planned: at this time of each day (UTC), such as `"03:00"`.')
    about_every_s: float | None = setting(
        None, "By chance: the average time between two of them; the seed says when.", min=0.1, max=_YEAR_S
    )

    def faults(self) -> Iterator[Fault]:
        ways = [self.after_s is not None, bool(self.at), self.about_every_s is not None]
        if sum(ways) != 1:
            yield "for_s", "does not say when", "give one of after_s, at, and about_every_s"
        if self.every_s is not None and (self.after_s is None or self.every_s <= self.for_s):
            yield "every_s", "goes with after_s and is longer than for_s", "such as after_s = 60, every_s = 600"
        if self.at:
            yield from _bad_clock("at", self.at)


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Quality that goes up and down like a wave."""

    period_s: float = setting(doc="From best to worst and back.", min=1, max=_YEAR_S)
    best: float = setting(0.99, "The share of messages that are delivered at the best time.", min=0, max=1)
    worst: float = setting(0.7, "The same at the worst time.", min=0, max=1)
    latency_ms: float = setting(0.0, "What is added to the latency at the worst time.", min=0, max=600_000)

    def faults(self) -> Iterator[Fault]:
        if self.worst > self.best:
            yield "worst", "is better than best", "exchange them"
