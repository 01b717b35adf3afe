"""Very many messages scheduled ahead, all due in one minute: paced, fair, none early, each once.

The load goes on accepting messages of another account while they wait and while they leave. What was early
is told by the carrier's log, on the same clock.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from heliograph.bench.driver import Job, due_at
from heliograph.bench.options import Options
from heliograph.bench.processes import BenchError, MemoryWatch, cpu_seconds, resident_mib
from heliograph.bench.report import aligned
from heliograph.bench.run import Stage, stage
from heliograph.bench.traffic import number
from heliograph.bench.view import newest

__all__ = ["Due", "due"]

_ACCOUNTS: Final = 4
_FILL_BATCHES: Final = 100
_FILL_CONNECTIONS: Final = 4
_FILL_RATE: Final = 2_500.0
"""Messages a second that a busy machine schedules at least."""
_LIVE_RATE: Final = 200.0
_MANY: Final = 20_000
_IDLE_S: Final = 3.0


class Due(msgspec.Struct, kw_only=True):
    """What became of them. CPU in microseconds, latencies in milliseconds, memory in MiB."""

    scheduled: int
    span_s: int
    segments_per_second: int
    filled_s: float
    fill_cpu_us: float
    idle_cpu_share: float
    """Of a core, while all of them wait and nothing else happens."""
    waiting_mib: float
    peak_mib: float
    p99_empty_ms: float
    p99_waiting_ms: float
    p99_leaving_ms: float
    """Accepting one message a request, at 200 a second: before, while they wait, and while they leave."""
    left_s: float
    cpu_us: float
    """Of the server, a message that left, what was accepted meanwhile included."""
    early: int
    latest_s: float
    """The last one, after the second in which it was due."""
    busiest_s: int
    """Segments that the carrier got in its busiest second."""
    fairness: float
    """When half had left: the least that an account had sent, as a share of the most."""
    unfinished: int
    """What had not ended when the time was up (--timeout-s)."""
    lost: int
    """What ended and did not arrive."""
    repeated: int

    @property
    def good(self) -> bool:
        paced = self.busiest_s <= 1.25 * self.segments_per_second + 2 * _LIVE_RATE
        return not (self.early or self.unfinished or self.lost or self.repeated) and paced and self.fairness >= 0.8


def due(options: Options) -> tuple[Due, str, bool]:
    """Schedules ``options.due`` messages and lets their minute come. Raises :class:`BenchError`."""
    if options.tools:
        raise BenchError("--due needs a load that writes dates: leave --tools away.")
    many = options.due >= _MANY
    span_s, pace = (60, 5_000) if many else (2, 1_000)
    live = int(_LIVE_RATE * (15 if many else 1))
    with stage(replace(options, accounts=_ACCOUNTS + 1), segments_per_second=pace) as ready:
        ready.start_carrier()
        ready.house.start()
        pid, mark = ready.house.pid, newest(ready.house.view)
        p99_empty_ms = _accept(ready, live)
        due_from = int(time.time() + 3 + options.due / _FILL_RATE)
        job = ready.job(
            options.due,
            keys=tuple(ready.keys[1:]),
            batch=max(1, min(1_000, options.due // _FILL_BATCHES)),
            connections=_FILL_CONNECTIONS,
            rate=0.0,
            due_from=due_from,
            due_span_s=span_s,
        )
        cpu = cpu_seconds(pid)
        filled = ready.send(job)
        fill_cpu_us = (cpu_seconds(pid) - cpu) * 1e6 / max(1, filled.accepted)
        p99_waiting_ms = _accept(ready, live)
        idle_cpu_share = _idle(pid, due_from)
        waiting_mib = resident_mib(pid)
        time.sleep(max(0.0, due_from - time.time()))
        watch, cpu, begun = MemoryWatch(pid), cpu_seconds(pid), time.monotonic()
        p99_leaving_ms = _accept(ready, live)
        rows = ready.settle(mark, lambda rows: rows.ended >= rows.messages)
        left_s = time.monotonic() - begun
        watch.stop()
        found = Due(
            scheduled=filled.accepted,
            span_s=span_s,
            segments_per_second=pace,
            filled_s=filled.seconds,
            fill_cpu_us=fill_cpu_us,
            idle_cpu_share=idle_cpu_share,
            waiting_mib=waiting_mib,
            peak_mib=watch.peak_mib,
            p99_empty_ms=p99_empty_ms,
            p99_waiting_ms=p99_waiting_ms,
            p99_leaving_ms=p99_leaving_ms,
            left_s=left_s,
            cpu_us=(cpu_seconds(pid) - cpu) * 1e6 / max(1, filled.accepted + live),
            fairness=_fairness(ready),
            unfinished=rows.messages - rows.ended,
            lost=rows.ended - rows.states.get("delivered", 0) if options.receipts == "on" else 0,
            **_at_the_carrier(ready, job, filled.accepted),
        )
    return found, _text(found), found.good


def _accept(ready: Stage, messages: int) -> float:
    """The p99 of accepting other messages, one a request."""
    job = ready.job(messages, keys=(ready.keys[0],), batch=1, connections=8, rate=_LIVE_RATE, type="otp")
    return ready.send(job).p99_ms


def _idle(pid: int, until: float) -> float:
    """CPU that waiting costs, where there is time to look."""
    seconds = min(_IDLE_S, until - time.time() - 0.5)
    if seconds <= 0:
        return 0.0
    cpu = cpu_seconds(pid)
    time.sleep(seconds)
    return (cpu_seconds(pid) - cpu) / seconds


def _fairness(ready: Stage) -> float:
    """Of what left first, the half: the least account's share of the most's."""
    rows = ready.house.view.query(
        "SELECT account_id, count(*) FROM (SELECT account_id FROM messages WHERE type = 1 AND sent_us IS NOT NULL "
        "ORDER BY sent_us LIMIT (SELECT count(*) / 2 FROM messages WHERE type = 1)) AS half GROUP BY account_id"
    )
    counts = [count for _, count in rows]
    return min(counts) / max(counts) if len(counts) == _ACCOUNTS else 0.0


def _at_the_carrier(ready: Stage, job: Job, accepted: int) -> dict[str, Any]:
    """What the carrier's log says of the scheduled ones."""
    if ready.carrier is not None:
        ready.carrier.ask()
    dates = {number(place): due_at(job, place) for place in range(job.first, job.first + job.messages)}
    early, submits, latest, seconds = 0, 0, 0.0, dict[int, int]()
    for to, at in _submits(ready.carrier_log):
        seconds[int(at)] = seconds.get(int(at), 0) + 1
        if (date := dates.get(to)) is not None:
            submits += 1
            early += at < date
            latest = max(latest, at - date)
    return {
        "early": early,
        "latest_s": latest,
        "busiest_s": max(seconds.values(), default=0),
        "repeated": max(0, submits - accepted),
    }


class _Submit(msgspec.Struct):
    to: str
    at: float


def _submits(log: Path) -> list[tuple[str, float]]:
    decode = msgspec.json.Decoder(_Submit).decode
    with log.open("rb") as lines:
        found = [decode(line) for line in lines if line.startswith(b'{"fact":"submit"') and line.endswith(b"\n")]
    return [(one.to if one.to.startswith("+") else f"+{one.to}", one.at) for one in found]


def _text(found: Due) -> str:
    return aligned(
        [
            ("scheduled", f"{found.scheduled:,} in {found.filled_s:.0f} s, {found.fill_cpu_us:.0f} µs of CPU each"),
            ("waiting", f"{found.waiting_mib:.0f} MiB, {found.idle_cpu_share:.1%} of a core"),
            (
                "leaving",
                f"all due in {found.span_s} s, at {found.segments_per_second:,} segments/s: {found.left_s:.0f} s, "
                f"{found.cpu_us:.0f} µs of CPU each, at most {found.peak_mib:.0f} MiB",
            ),
            ("early", f"{found.early:,}; the last one {found.latest_s:.1f} s after its date"),
            ("pace", f"{found.busiest_s:,} segments in the busiest second"),
            ("fairness", f"when half had left, the last of four accounts had {found.fairness:.0%} of the first's"),
            ("unfinished", f"{found.unfinished:,}; lost {found.lost:,}, repeated {found.repeated:,}"),
            (
                "accept p99 ms",
                f"{found.p99_empty_ms:.1f} before, {found.p99_waiting_ms:.1f} while they wait, "
                f"{found.p99_leaving_ms:.1f} while they leave",
            ),
        ]
    )
