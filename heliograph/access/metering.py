"""The meters of accounts and keys: what is used of each limit, second by second and by day and month.

A rate is held by each server for itself; a quota is shared: what the others used is learned every second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from heliograph.contracts import Clock
from heliograph.errors import RequestRejected
from heliograph.model import LimitSet, Usage, UsageRow
from heliograph.rules.allowance import PERIODS, Bucket, period_of, seconds_until, steps_reached
from heliograph.rules.prices import MILLIONTHS, Prices, millionths

__all__ = ["KINDS", "CallerMeters", "Meter", "Reached"]

KINDS: Final = ("requests", "segments", "spend")
"""What is limited, in the order of all amounts below; the spend in millionths of the currency."""

_SPEND: Final = 2

Amounts = tuple[int, int, int]
_REQUEST: Final[Amounts] = (1, 0, 0)


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

    __slots__ = ("end_us", "known", "limited", "most", "others", "own", "period", "start_us", "told")

    def __init__(self, period: str, now_us: int) -> None:
        self.period = period
        self.known = False
        """Whether it was learned what this node used before it counted here."""
        self.start_us, self.end_us = period_of(period, now_us)
        self._begin()

    def allow(self, most: tuple[int | None, int | None, int | None]) -> None:
        """This much of each kind; None is without limit."""
        self.most = most
        self.limited = [(kind, one) for kind, one in enumerate(most) if one is not None]

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

    def add(self, amounts: Amounts) -> None:
        self.own = [sum(pair) for pair in zip(self.own, amounts, strict=True)]

    def give_back(self, amounts: Amounts) -> None:
        """Not below nothing: the period may have changed since."""
        self.own = [max(0, used - amount) for used, amount in zip(self.own, amounts, strict=True)]


class Meter:
    """One account's, or one key's. ``subject`` is what its rows are called."""

    __slots__ = (
        "_buckets", "_now_us", "_priced", "_prices", "_windows", "limits", "subject", "title",
        "unkept_requests",
    )  # fmt: skip

    def __init__(self, subject: str, title: str, limits: LimitSet, clock: Clock) -> None:
        self.subject = subject
        self.title = title
        self._now_us = clock.now_us
        self._windows: tuple[_Window, ...] = ()
        self.unkept_requests = 0
        self.follow(limits, clock.monotonic())

    def follow(self, limits: LimitSet, now: float) -> None:
        """These are its limits from now on; what was used stays used."""
        self.limits = limits
        now_us = self._now_us()
        rates = (limits.requests_per_second, limits.segments_per_second)
        self._buckets = [(kind, Bucket(rate, now)) for kind, rate in enumerate(rates) if rate is not None]
        self._prices = Prices(limits.price, limits.prices)
        self._priced = limits.spend_per_day is not None or limits.spend_per_month is not None
        before = {one.period: one for one in self._windows}
        windows = []
        for period in PERIODS:
            most = _quotas(limits, period)
            if any(one is not None for one in most):
                window = before.get(period) or _Window(period, now_us)
                window.allow(most)
                windows.append(window)
        self._windows = tuple(windows)

    # --- use --------------------------------------------------------------------------------------

    def spend(self, messages: Sequence[tuple[str, int]]) -> int:
        """What these messages (recipient, segments) cost."""
        return sum([self._prices.of(to) * segments for to, segments in messages]) if self._priced else 0

    def use(self, amounts: Amounts, now: float, now_us: int, rows: list[Usage] | None = None) -> None:
        """Uses so much, and adds the rows of that. Raises ``RequestRejected`` (429) where it is not left, and then

        uses and adds nothing.
        """
        for kind, bucket in self._buckets:
            amount = amounts[kind]
            if amount and (wait_s := bucket.take(amount, now)):
                self._undo(amounts, kind, 0)
                raise self._too_fast(kind, bucket, wait_s)
        requests, segments, spend = amounts
        for done, window in enumerate(self._windows):
            if now_us >= window.end_us:
                window.at(now_us)
            own, others = window.own, window.others
            for kind, most in window.limited:
                amount = amounts[kind]
                if amount and own[kind] + others[kind] + amount > most:
                    self._undo(amounts, len(KINDS), done)
                    raise self._exhausted(window, kind, now_us)
            own[0] += requests
            own[1] += segments
            own[2] += spend
        if rows is not None:
            rows += self.usage(amounts)

    def give_back(self, amounts: Amounts) -> None:
        """What was used was not needed."""
        self._undo(amounts, len(KINDS), len(self._windows))

    def _undo(self, amounts: Amounts, rates: int, windows: int) -> None:
        """Gives back what was taken of the rates of kinds below ``rates``, and of the first so many windows."""
        for kind, bucket in self._buckets:
            if kind < rates:
                bucket.give_back(amounts[kind])
        for window in self._windows[:windows]:
            window.give_back(amounts)

    def _too_fast(self, kind: int, bucket: Bucket, wait_s: float) -> RequestRejected:
        return RequestRejected(
            "rate_limited",
            f"{self.title} may use {bucket.rate:g} {KINDS[kind]} a second: send slower, this after Retry-After.",
            status=429,
            retry_after_s=math.ceil(wait_s),
        )

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

    # --- what is kept -----------------------------------------------------------------------------

    def usage(self, amounts: Amounts) -> Iterable[Usage]:
        """The rows of a use."""
        return [Usage(self.subject, one.period, one.start_us, *amounts) for one in self._windows]

    def unkept(self) -> int:
        """Requests since the last time."""
        requests, self.unkept_requests = self.unkept_requests, 0
        return requests

    def learn(self, rows: Iterable[UsageRow], node_id: int) -> None:
        """What other nodes used by now; the first time in a window also what this node did before it had that."""
        now_us = self._now_us()
        for window in self._windows:
            window.at(now_us)
            window.others = [0, 0, 0]
            for row in rows:
                if row.period != window.period or row.start_us != window.start_us:
                    continue
                there = (row.requests, row.segments, row.spend)
                if row.node_id != node_id:
                    window.others = [sum(pair) for pair in zip(window.others, there, strict=True)]
                elif not window.known:
                    window.add(there)
            window.known = True

    def reached(self) -> list[Reached]:
        """Steps of quotas that are reached and were not given here before."""
        found = []
        for window in self._windows:
            for kind, most in window.limited:
                for step in steps_reached(window.used(kind), most):
                    if (kind, step) not in window.told:
                        window.told.add((kind, step))
                        name = f"{KINDS[kind]}_per_{window.period}"
                        found.append(Reached(name, step, window.used(kind), most, window.start_us, window.end_us))
        return found

    def tell_again(self, one: Reached) -> None:
        """A step could not be told: :meth:`reached` gives it again."""
        for window in self._windows:
            if window.start_us == one.start_us and one.limit.endswith(window.period):
                kind = KINDS.index(one.limit.partition("_")[0])
                window.told.discard((kind, one.percent))

    # --- what is shown ----------------------------------------------------------------------------

    def used(self) -> dict[str, int]:
        """Limit of a day or month → what is used of it."""
        now_us = self._now_us()
        found = {}
        for window in self._windows:
            window.at(now_us)
            for kind, _ in window.limited:
                found[f"{KINDS[kind]}_per_{window.period}"] = window.used(kind)
        return found

    def policies(self) -> Iterable[str]:
        """Each limit but spends, with its quota and its window in seconds."""
        for kind, bucket in self._buckets:
            yield f'"{KINDS[kind]}-per-second";q={bucket.rate:g};w=1'
        for window in self._windows:
            length = (window.end_us - window.start_us) // 1_000_000
            for kind, most in window.limited:
                if kind < _SPEND:
                    yield f'"{KINDS[kind]}-per-{window.period}";q={most};w={length}'

    def names(self) -> Iterable[str]:
        """Each limit but spends, with places for what is left and the seconds until it is renewed."""
        for kind, _ in self._buckets:
            yield f'"{KINDS[kind]}-per-second";r=%d;t=%d'
        for window in self._windows:
            for kind, _ in window.limited:
                if kind < _SPEND:
                    yield f'"{KINDS[kind]}-per-{window.period}";r=%d;t=%d'

    def fill(self, places: list[int], now: float, now_us: int) -> None:
        """What belongs into the places of :meth:`names`."""
        for _, bucket in self._buckets:
            level = bucket.level(now)
            places += (int(level) if level > 0 else 0, 1)
        for window in self._windows:
            reset = (window.end_us - now_us) // 1_000_000 + 1
            for kind, most in window.limited:
                if kind < _SPEND:
                    left = most - window.own[kind] - window.others[kind]
                    places += (left if left > 0 else 0, reset)


class CallerMeters:
    """All meters that a caller's use counts on: its key's, its account's and those of the accounts above."""

    __slots__ = ("_meters", "_monotonic", "_names", "_now_us", "_policies", "_policies_until_us", "_requests", "_shown")

    def __init__(self, meters: Sequence[Meter], shown: Sequence[Meter], clock: Clock) -> None:
        """``shown`` are those whose state the caller is told of: not those of accounts above."""
        self._meters = meters
        self._requests = [(meter, _REQUEST) for meter in meters]
        self._shown = shown
        self._monotonic = clock.monotonic
        self._now_us = clock.now_us
        self._policies = b""
        self._names = b""
        self._policies_until_us = 0

    def request(self) -> None:
        """Counts a request. Raises ``RequestRejected`` (429)."""
        self._use(self._requests, None)
        for meter in self._meters:
            meter.unkept_requests += 1

    def take(self, messages: Sequence[tuple[str, int]]) -> Sequence[Usage]:
        """Uses what these (recipient, segments) need, all or nothing. Raises ``RequestRejected`` (429)."""
        rows: list[Usage] = []
        self._use(self._needed(messages), rows)
        return rows

    def give_back(self, messages: Sequence[tuple[str, int]]) -> None:
        """They were not accepted after all."""
        for meter, amounts in self._needed(messages):
            meter.give_back(amounts)

    def _use(self, needed: Sequence[tuple[Meter, Amounts]], rows: list[Usage] | None) -> None:
        now, now_us, used = self._monotonic(), self._now_us(), 0
        try:
            for meter, amounts in needed:
                meter.use(amounts, now, now_us, rows)
                used += 1
        except RequestRejected:
            for meter, amounts in needed[:used]:
                meter.give_back(amounts)
            raise

    def _needed(self, messages: Sequence[tuple[str, int]]) -> list[tuple[Meter, Amounts]]:
        segments = sum([segments for _, segments in messages])
        return [(meter, (0, segments, meter.spend(messages))) for meter in self._meters]

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """How much is left. Source: draft-ietf-httpapi-ratelimit-headers-10 §3, §4."""
        now_us = self._now_us()
        if now_us >= self._policies_until_us:  # a month has not always as many days
            self._policies = ", ".join(one for meter in self._shown for one in meter.policies()).encode()
            self._names = ", ".join(one for meter in self._shown for one in meter.names()).encode()
            self._policies_until_us = period_of("day", now_us)[1]
        if not self._policies:
            return ()
        now, places = self._monotonic(), list[int]()
        for meter in self._shown:
            meter.fill(places, now, now_us)
        return (b"ratelimit-policy", self._policies), (b"ratelimit", self._names % tuple(places))


def _quotas(limits: LimitSet, period: str) -> tuple[int | None, int | None, int | None]:
    requests, segments, spend = (getattr(limits, f"{kind}_per_{period}") for kind in KINDS)
    return requests, segments, None if spend is None else millionths(spend)


def _money(amount: int) -> str:
    return f"{amount / MILLIONTHS:.2f}"
