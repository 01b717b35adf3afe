"""The meters of accounts and keys: what is used of each limit, second by second and by day and month.

A rate is held by each server for itself; a quota is shared: what the others used is learned every second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct

from heliograph.errors import RequestRejected
from heliograph.model import LimitSet, Usage, UsageRow
from heliograph.rules.allowance import PERIODS, Bucket, period_of, seconds_until, steps_reached
from heliograph.rules.prices import MILLIONTHS, Prices, millionths

__all__ = ["KINDS", "CallerMeters", "Meter", "Reached"]

KINDS: Final = ("requests", "segments", "spend")
"""What is limited, in the order of all amounts below; the spend in millionths of the currency."""

Amounts = tuple[int, int, int]


class Reached(Struct, frozen=True):
    """A step of a quota that was reached: ``percent`` of ``most``, in the period that began at ``start_us``."""

    limit: str
    percent: int
    used: int
    most: int
    start_us: int
    end_us: int


class _Window:
    """A day or a month: what may be used, what is used here and elsewhere, and which steps were told."""

    __slots__ = ("end_us", "most", "others", "own", "period", "start_us", "told")

    def __init__(self, period: str, most: tuple[int | None, int | None, int | None], now_us: int) -> None:
        self.period = period
        self.most = most
        self.start_us, self.end_us = period_of(period, now_us)
        self._begin()

    def _begin(self) -> None:
        self.own = [0, 0, 0]
        self.others = [0, 0, 0]
        self.told: set[tuple[int, int]] = set()

    def at(self, now_us: int) -> None:
        """The next period begins with nothing used. A clock that goes back stays in the newer one."""
        if now_us >= self.end_us:
            self.start_us, self.end_us = period_of(self.period, now_us)
            self._begin()

    def used(self, kind: int) -> int:
        return self.own[kind] + self.others[kind]

    def lacks(self, amounts: Amounts) -> int | None:
        """The kind of which there is not enough left."""
        for kind, most in enumerate(self.most):
            if most is not None and amounts[kind] and self.used(kind) + amounts[kind] > most:
                return kind
        return None

    def add(self, amounts: Amounts, sign: int = 1) -> None:
        for kind, amount in enumerate(amounts):
            self.own[kind] = max(0, self.own[kind] + sign * amount)


class Meter:
    """One account's, or one key's. ``subject`` is what its rows are called."""

    def __init__(
        self, subject: str, title: str, limits: LimitSet, monotonic: Callable[[], float], now_us: Callable[[], int]
    ) -> None:
        self.subject = subject
        self.title = title
        self._monotonic = monotonic
        self._now_us = now_us
        self._windows: dict[str, _Window] = {}
        self._unkept = 0
        self.follow(limits)

    def follow(self, limits: LimitSet) -> None:
        """These are its limits from now on; what was used stays used."""
        self.limits = limits
        now, now_us = self._monotonic(), self._now_us()
        rates = (limits.requests_per_second, limits.segments_per_second)
        self._buckets = [None if rate is None else Bucket(rate, now) for rate in rates]
        self._prices = Prices(limits.price, limits.prices)
        self._priced = limits.spend_per_day is not None or limits.spend_per_month is not None
        before, self._windows = self._windows, {}
        for period in PERIODS:
            most = _quotas(limits, period)
            if any(one is not None for one in most):
                window = self._windows[period] = before.get(period) or _Window(period, most, now_us)
                window.most = most

    # --- use --------------------------------------------------------------------------------------

    def amounts(self, messages: Sequence[tuple[str, int]]) -> Amounts:
        """What these messages (recipient, segments) use."""
        spend = sum(self._prices.of(to) * segments for to, segments in messages) if self._priced else 0
        return 0, sum(segments for _, segments in messages), spend

    def check(self, amounts: Amounts) -> None:
        """Raises ``RequestRejected`` (429) where so much is not left."""
        now = self._monotonic()
        for kind, bucket in enumerate(self._buckets):
            if bucket is not None and amounts[kind] and (wait_s := bucket.wait_s(amounts[kind], now)) > 0:
                raise RequestRejected(
                    "rate_limited",
                    f"{self.title} may use {bucket.rate:g} {KINDS[kind]} a second: send slower, and this again after "
                    "Retry-After.",
                    status=429,
                    retry_after_s=math.ceil(wait_s),
                )
        if self._windows:
            now_us = self._now_us()
            for window in self._windows.values():
                window.at(now_us)
                if (lacking := window.lacks(amounts)) is not None:
                    raise self._exhausted(window, lacking, now_us)

    def _exhausted(self, window: _Window, kind: int, now_us: int) -> RequestRejected:
        most, used = window.most[kind] or 0, window.used(kind)
        shown = f"{used} of {most} {KINDS[kind]}" if kind < 2 else f"{_money(used)} of {_money(most)}"
        return RequestRejected(
            "quota_exhausted",
            f"{self.title} has used {shown} of this {window.period}, and this needs more than is left: wait for the "
            f"next {window.period} (UTC), or have the limit raised.",
            status=429,
            retry_after_s=seconds_until(window.end_us, now_us),
        )

    def take(self, amounts: Amounts) -> None:
        """Uses it, whether it is there or not: :meth:`check` first."""
        now = self._monotonic()
        for kind, bucket in enumerate(self._buckets):
            if bucket is not None and amounts[kind]:
                bucket.take(amounts[kind], now)
        for window in self._windows.values():
            window.add(amounts)

    def give_back(self, amounts: Amounts) -> None:
        """What was taken was not needed."""
        for kind, bucket in enumerate(self._buckets):
            if bucket is not None and amounts[kind]:
                bucket.give_back(amounts[kind])
        for window in self._windows.values():
            window.add(amounts, -1)

    def request(self) -> None:
        """One request, after :meth:`check`; it is kept with the next :meth:`unkept`."""
        self.take((1, 0, 0))
        self._unkept += 1

    # --- what is kept -----------------------------------------------------------------------------

    def usage(self, amounts: Amounts) -> Iterable[Usage]:
        """The rows of a use."""
        return [Usage(self.subject, one.period, one.start_us, *amounts) for one in self._windows.values()]

    def unkept(self) -> Iterable[Usage]:
        """Requests since the last time, as rows."""
        requests, self._unkept = self._unkept, 0
        return self.usage((requests, 0, 0)) if requests else ()

    def learn(self, rows: Iterable[UsageRow], node_id: int, *, first: bool = False) -> None:
        """What other nodes used by now; the ``first`` time also what this node's earlier lives did."""
        now_us = self._now_us()
        for window in self._windows.values():
            window.at(now_us)
            window.others = [0, 0, 0]
            for row in rows:
                if row.period != window.period or row.start_us != window.start_us:
                    continue
                there = (row.requests, row.segments, row.spend)
                if row.node_id != node_id:
                    window.others = [sum(pair) for pair in zip(window.others, there, strict=True)]
                elif first:
                    window.add(there)

    def reached(self) -> list[Reached]:
        """Steps of quotas that are reached and were not given here before."""
        found = []
        for window in self._windows.values():
            for kind, most in enumerate(window.most):
                for step in steps_reached(window.used(kind), most or 0):
                    if (kind, step) not in window.told:
                        window.told.add((kind, step))
                        name = f"{KINDS[kind]}_per_{window.period}"
                        found.append(Reached(name, step, window.used(kind), most or 0, window.start_us, window.end_us))
        return found

    def tell_again(self, one: Reached) -> None:
        """A step could not be told: :meth:`reached` gives it again."""
        for window in self._windows.values():
            if window.start_us == one.start_us and one.limit.endswith(window.period):
                kind = KINDS.index(one.limit.partition("_")[0])
                window.told.discard((kind, one.percent))

    # --- what is shown ----------------------------------------------------------------------------

    def used(self) -> dict[str, int]:
        """Limit of a day or month → what is used of it."""
        now_us = self._now_us()
        found = {}
        for window in self._windows.values():
            window.at(now_us)
            for kind, most in enumerate(window.most):
                if most is not None:
                    found[f"{KINDS[kind]}_per_{window.period}"] = window.used(kind)
        return found

    def policies(self) -> Iterable[tuple[str, int, int, int, int]]:
        """(name, quota, window in seconds, what is left, seconds until it is renewed) of each limit but spends."""
        now, now_us = self._monotonic(), self._now_us()
        for kind, bucket in enumerate(self._buckets):
            if bucket is not None:
                yield f"{KINDS[kind]}-per-second", int(bucket.rate), 1, max(0, int(bucket.level(now))), 1
        for window in self._windows.values():
            length = (window.end_us - window.start_us) // 1_000_000
            for kind, most in enumerate(window.most[:2]):
                if most is not None:
                    left = max(0, most - window.used(kind))
                    name = f"{KINDS[kind]}-per-{window.period}"
                    yield name, most, length, left, seconds_until(window.end_us, now_us)


class CallerMeters:
    """All meters that a caller's use counts on: its key's, its account's and those of the accounts above."""

    def __init__(self, meters: Sequence[Meter], shown: Sequence[Meter]) -> None:
        """``shown`` are those whose state the caller is told of: not those of accounts above."""
        self._meters = meters
        self._shown = shown

    def request(self) -> None:
        """Counts a request. Raises ``RequestRejected`` (429)."""
        for meter in self._meters:
            meter.check((1, 0, 0))
        for meter in self._meters:
            meter.request()

    def take(self, messages: Sequence[tuple[str, int]]) -> Sequence[Usage]:
        """Uses what these (recipient, segments) need, all or nothing. Raises ``RequestRejected`` (429)."""
        wanted = [(meter, meter.amounts(messages)) for meter in self._meters]
        for meter, amounts in wanted:
            meter.check(amounts)
        for meter, amounts in wanted:
            meter.take(amounts)
        return [row for meter, amounts in wanted for row in meter.usage(amounts)]

    def give_back(self, messages: Sequence[tuple[str, int]]) -> None:
        """They were not accepted after all."""
        for meter in self._meters:
            meter.give_back(meter.amounts(messages))

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """How much is left. Source: draft-ietf-httpapi-ratelimit-headers-10 §3, §4."""
        found = [policy for meter in self._shown for policy in meter.policies()]
        if not found:
            return ()
        quotas = ", ".join(f'"{name}";q={quota};w={window}' for name, quota, window, _, _ in found)
        left = ", ".join(f'"{name}";r={rest};t={reset}' for name, _, _, rest, reset in found)
        return (b"ratelimit-policy", quotas.encode()), (b"ratelimit", left.encode())


def _quotas(limits: LimitSet, period: str) -> tuple[int | None, int | None, int | None]:
    requests, segments, spend = (getattr(limits, f"{kind}_per_{period}") for kind in KINDS)
    return requests, segments, None if spend is None else millionths(spend)


def _money(amount: int) -> str:
    return f"{amount / MILLIONTHS:.2f}"
