"""How a carrier is at a given time: a function of its settings, its seed, and the clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import cos, pi
from random import Random

from heliograph.simulator.behaviours import DAYS, Drift, Hours, Outage, minute_of
from heliograph.simulator.settings import CarrierSettings, Refusal

__all__ = ["Forecast", "Weather"]


@dataclass(frozen=True, kw_only=True)
class Weather:
    """What is different from the settings now."""

    down: bool = False
    throughput: float | None = None
    latency_ms: float | None = None
    more_latency_ms: float = 0.0
    refused: float = 0.0
    status: int = 0
    delivered: float | None = None
    """The share of messages whose receipts say DELIVRD; None: as the settings say."""
    misbehaviour: str = ""

    def on(self, settings: CarrierSettings) -> CarrierSettings:
        """The settings as they are in this weather."""
        receipts, refusals = settings.receipts, settings.refusals
        if self.delivered is not None:
            states = tuple(
                (word, share) for word, share in (("DELIVRD", self.delivered), ("UNDELIV", 1 - self.delivered)) if share
            )
            receipts = replace(receipts, final_states=states)
        if self.refused:
            refusals = (*refusals, Refusal(status=self.status, fraction=self.refused))
        return replace(
            settings,
            throughput=settings.throughput if self.throughput is None else self.throughput,
            latency_ms=(settings.latency_ms if self.latency_ms is None else self.latency_ms) + self.more_latency_ms,
            receipts=receipts,
            refusals=refusals,
        )


class Forecast:
    """The weather of one carrier. Asked with times that do not go back."""

    def __init__(self, settings: CarrierSettings) -> None:
        self._hours = settings.hours
        self._drift = settings.drift
        self._outages = [
            _ByChance(outage, f"{settings.seed} outage {at}") if outage.about_every_s is not None else _Planned(outage)
            for at, outage in enumerate(settings.outages)
        ]

    @property
    def changes(self) -> bool:
        """Whether it ever differs from the settings."""
        return bool(self._hours or self._drift or self._outages)

    def at(self, since_s: float, clock: datetime) -> Weather:
        """The weather so many seconds after the start, at this time (aware)."""
        clock = clock.astimezone(UTC)
        weather = Weather(down=any(outage.now(since_s, clock) for outage in self._outages))
        if self._drift is not None:
            weather = _drifted(weather, self._drift, since_s)
        for hours in self._hours:
            if _covers(hours, clock):
                weather = _in_hours(weather, hours)
        return weather


def _drifted(weather: Weather, drift: Drift, since_s: float) -> Weather:
    badness = round((1 - cos(2 * pi * since_s / drift.period_s)) / 2, 2)  # in steps, so that it rarely changes
    return replace(
        weather,
        delivered=drift.best + (drift.worst - drift.best) * badness,
        more_latency_ms=drift.latency_ms * badness,
    )


def _covers(hours: Hours, clock: datetime) -> bool:
    begin, end, now = minute_of(hours.begin), minute_of(hours.end), clock.hour * 60 + clock.minute
    today, yesterday = DAYS[clock.weekday()], DAYS[(clock - timedelta(days=1)).weekday()]
    if begin <= end:
        return begin <= now < end and today in hours.days
    return (now >= begin and today in hours.days) or (now < end and yesterday in hours.days)


def _in_hours(weather: Weather, hours: Hours) -> Weather:
    return replace(
        weather,
        throughput=hours.throughput if hours.throughput is not None else weather.throughput,
        latency_ms=hours.latency_ms if hours.latency_ms is not None else weather.latency_ms,
        refused=hours.refused or weather.refused,
        status=hours.status if hours.refused else weather.status,
        misbehaviour=hours.misbehaviour or weather.misbehaviour,
    )


class _Planned:
    """An outage by the clock, or by the time since the start."""

    def __init__(self, outage: Outage) -> None:
        self._outage = outage

    def now(self, since_s: float, clock: datetime) -> bool:
        outage = self._outage
        if outage.at:
            midnight = clock.replace(hour=0, minute=0, second=0, microsecond=0)
            begins = midnight + timedelta(minutes=minute_of(outage.at))
            return any(
                0 <= (clock - begin).total_seconds() < outage.for_s for begin in (begins, begins - timedelta(days=1))
            )
        behind = since_s - (outage.after_s or 0)
        if outage.every_s is not None and behind >= 0:
            behind %= outage.every_s
        return 0 <= behind < outage.for_s


class _ByChance:
    """Outages whose begins and lengths come from a seed."""

    def __init__(self, outage: Outage, seed: str) -> None:
        self._outage = outage
        self._random = Random(seed)
        self._begin = self._end = 0.0
        self._next()

    def _next(self) -> None:
        assert self._outage.about_every_s is not None
        self._begin = self._end + self._random.expovariate(1 / self._outage.about_every_s)
        self._end = self._begin + self._random.uniform(0.5, 1.5) * self._outage.for_s

    def now(self, since_s: float, clock: datetime) -> bool:
        while since_s >= self._end:
            self._next()
        return since_s >= self._begin
