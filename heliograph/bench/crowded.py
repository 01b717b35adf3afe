"""Runs with a crowd: a million that wait for a carrier that is down, and a bulk job in a narrow lane."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median_low
from typing import Any, Final

import msgspec

from heliograph.bench.driver import Figures
from heliograph.bench.options import Options
from heliograph.bench.processes import cpu_seconds, resident_mib
from heliograph.bench.report import Report, aligned
from heliograph.bench.run import Stage, measure, stage
from heliograph.bench.view import Waits, newest, rows_since, waits_since
from heliograph.model import TrafficType

__all__ = ["Fairness", "Waiting", "fairness", "waiting"]

_FILL_BATCH: Final = 1_000
_FILL_CONNECTIONS: Final = 4
_ROUNDS: Final = 3
"""Runs on each side of a comparison: one alone says more of the machine's minute than of what waits."""
_MOST_RATIO: Final = 1.2
_MOST_MIB: Final = 60


class Waiting(msgspec.Struct, kw_only=True):
    """Accepting with nothing waiting and with very many, the carrier down both times: several runs each."""

    waiting: int
    filled_s: float
    before: list[Report]
    after: list[Report]
    empty_mib: float
    full_mib: float
    drained: int
    drained_s: float
    lost: int

    @property
    def cpu_ratio(self) -> float:
        return _cpu_us(self.after) / max(1e-9, _cpu_us(self.before))

    @property
    def p99_ratio(self) -> float:
        return _p99_ms(self.after) / max(1e-9, _p99_ms(self.before))

    @property
    def good(self) -> bool:
        more_mib = self.full_mib - self.empty_mib
        return max(self.cpu_ratio, self.p99_ratio) <= _MOST_RATIO and more_mib <= _MOST_MIB and not self.lost


def _cpu_us(reports: Sequence[Report]) -> float:
    """The middle run's."""
    return median_low(report.whole_cpu_us for report in reports)


def _p99_ms(reports: Sequence[Report]) -> float:
    return median_low(report.load.p99_ms for report in reports)


def waiting(options: Options) -> tuple[Waiting, str, bool]:
    """Fills the store while the carrier is down, compares, then lets the carrier come."""
    with stage(options) as ready:
        ready.house.start()
        mark = newest(ready.house.view)
        ready.send(ready.job(options.warmup))
        before = _rounds(ready, options, "carrier down, nothing waits")
        empty_mib = resident_mib(ready.house.pid)
        begun = time.monotonic()
        _fill(ready, options.waiting)
        filled_s = time.monotonic() - begun
        after = _rounds(ready, options, f"carrier down, {options.waiting:,} wait")
        full_mib = resident_mib(ready.house.pid)
        total = rows_since(ready.house.view, mark).messages
        begun = time.monotonic()
        ready.start_carrier()
        rows = ready.settle(mark, lambda rows: rows.ended >= rows.messages)
        found = Waiting(
            waiting=options.waiting,
            filled_s=filled_s,
            before=before,
            after=after,
            empty_mib=empty_mib,
            full_mib=full_mib,
            drained=rows.ended,
            drained_s=time.monotonic() - begun,
            lost=total - rows.states.get("delivered", 0) if options.receipts == "on" else total - rows.ended,
        )
    return found, _waiting_text(found), found.good


def _rounds(ready: Stage, options: Options, what: str) -> list[Report]:
    return [measure(ready, ready.job(options.messages), what, finishes=False) for _ in range(_ROUNDS)]


def _fill(ready: Stage, count: int, **changes: Any) -> Figures:
    """Many messages, quickly."""
    job = ready.job(count, batch=_FILL_BATCH, connections=_FILL_CONNECTIONS, rate=0.0, **changes)
    return ready.send(job)


def _waiting_text(found: Waiting) -> str:
    def both(what: str, before: float, after: float, ratio: float) -> tuple[str, str]:
        return what, f"{before:.2f} → {after:.2f} ({ratio:.2f} ×; at most {_MOST_RATIO} ×)"

    return aligned(
        [
            ("waiting", f"{found.waiting:,} messages, put there in {found.filled_s:.0f} s"),
            both("CPU µs accepted", _cpu_us(found.before), _cpu_us(found.after), found.cpu_ratio),
            both("accept p99 ms", _p99_ms(found.before), _p99_ms(found.after), found.p99_ratio),
            ("memory", f"{found.empty_mib:.0f} → {found.full_mib:.0f} MiB (at most {_MOST_MIB} more)"),
            ("drained", f"{found.drained:,} in {found.drained_s:.0f} s when the carrier came, {found.lost:,} lost"),
        ]
    )


class Fairness(msgspec.Struct, kw_only=True):
    """What a bulk job leaves to others in its lane. Latencies are from acceptance to the carrier's response."""

    waiting: int
    load_average: float
    transactional: Waits
    otp: Waits
    bulk_left: int
    """Of the bulk job, when the others were done: it must be many, or nothing was shown."""
    others: int
    others_sent: int
    """Messages of the others that ended, and that there were."""
    cpu_share: float
    """Of one core, while they ran."""


def fairness(
    options: Options, *, segments_per_second: int = 500, others_per_second: int = 50
) -> tuple[Fairness, str, bool]:
    """One account's promotional messages wait; another's transactional ones and one-time codes come by."""
    options = replace(options, accounts=max(2, options.accounts))
    with stage(options, segments_per_second=segments_per_second) as ready:
        ready.start_carrier()
        ready.house.start()
        bulk_mark = newest(ready.house.view)
        bulk, other = ready.keys[:2]
        _fill(ready, options.fairness, keys=(bulk,), type="promotional")
        mark, cpu, begun = newest(ready.house.view), cpu_seconds(ready.house.pid), time.monotonic()
        seconds = min(20, max(2, options.messages // (2 * others_per_second)))
        jobs = [
            ready.job(
                seconds * others_per_second, keys=(other,), type=kind, batch=1, connections=8, rate=others_per_second
            )
            for kind in ("transactional", "otp")
        ]
        loads = [ready.tools.load(job) for job in jobs]
        for load, job in zip(loads, jobs, strict=True):
            ready.tools.figures(load, job)
        sent = sum(job.messages for job in jobs)
        others = _settled(ready, mark, sent)
        rows = rows_since(ready.house.view, bulk_mark)
        found = Fairness(
            waiting=options.fairness,
            load_average=os.getloadavg()[0],
            transactional=waits_since(ready.house.view, mark, type=TrafficType.TRANSACTIONAL),
            otp=waits_since(ready.house.view, mark, type=TrafficType.OTP),
            bulk_left=rows.messages - rows.ended,
            others=others,
            others_sent=sent,
            cpu_share=(cpu_seconds(ready.house.pid) - cpu) / (time.monotonic() - begun),
        )
    good = found.others == sent and found.transactional.sent_p95_ms <= 100 and found.otp.sent_p95_ms <= 50
    return found, _fairness_text(found, segments_per_second), good


def _settled(ready: Stage, mark: object, sent: int) -> int:
    """How many above a mark have ended, when all have, or nothing moves any more.

    The bulk job's messages are below the mark, so it does not wait for them.
    """
    return ready.settle(mark, lambda rows: rows.ended >= sent).ended


def _fairness_text(found: Fairness, segments_per_second: int) -> str:
    def line(waits: Waits, target_ms: int) -> str:
        p50, p95 = waits.sent_p50_ms, waits.sent_p95_ms
        return f"accept to response p50 {p50:.1f} ms, p95 {p95:.1f} ms (p95 at most {target_ms} ms)"

    return aligned(
        [
            ("waiting", f"{found.waiting:,} promotional messages in a lane of {segments_per_second} segments/s"),
            ("transactional", line(found.transactional, 100)),
            ("one-time codes", line(found.otp, 50)),
            ("bulk", f"{found.bulk_left:,} still waited when the others were done"),
            ("others", f"{found.others:,} of {found.others_sent:,} ended"),
            ("CPU", f"{found.cpu_share:.0%} of a core"),
        ]
    )
