"""``heliograph bench --chaos``: the server killed and its power cut at random moments, then the balance.

Every 2xx is logged by the load before it is counted, every segment and every answer to a receipt by the
carrier. The server is started again after each crash, at the end everything settles, and
:mod:`heliograph.bench.accounts` compares.
"""

from __future__ import annotations

import math
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from heliograph.bench.accounts import FAULTS, Balance, balance, kept, orphans_in, read_carrier, replies_in
from heliograph.bench.house import buckets
from heliograph.bench.options import Options
from heliograph.bench.powercut import CUT
from heliograph.bench.processes import BenchError, Child
from heliograph.bench.recount import miscounted
from heliograph.bench.report import aligned
from heliograph.bench.run import Stage, stage
from heliograph.bench.statistics import bucket_quantile
from heliograph.bench.view import SqliteView, newest, view

__all__ = ["Chaos", "backlog", "chaos", "cuts", "kills"]

_LATENCY_MS: Final = 5.0
"""Of the carrier: long enough that a kill finds the window in use."""
_BACKLOG_LATENCY_MS: Final = 125.0
_BACKLOG_WINDOW: Final = 100
"""Window and latency make 800 segments a second: few enough that requests do not wait for room in the lane."""
_BATCH: Final = 300
_BATCHED: Final = 20 * _BATCH
"""Messages in batches beside those that come one by one."""

_ENDLESS: Final = 100_000
"""Messages of a load that a crash ends long before; every load has numbers of its own."""
_CUT_AFTER: Final = (5, 1_500)
"""Operations of the disk until its power is cut: from the first commits on, to some hundred of them."""


class Chaos(msgspec.Struct, kw_only=True):
    """One campaign: so many crashes, and the balance after the last."""

    name: str
    store: str
    crashes: int
    seconds: float
    most_on_wire: int
    """Messages that wire rows named at one crash."""
    wire_bound: int
    """The windows, and what the carrier took at its peak during two of the longest commits. A yardstick, not a verdict:

    commits are timed to the bound of a histogram's bucket."""
    balance: Balance
    before_ready: int = 0
    """Crashes before the server served."""
    miscounted: list[str] = []
    """Hours whose counts are not those of the messages."""

    @property
    def good(self) -> bool:
        return self.balance.good and not self.miscounted


def chaos(options: Options) -> tuple[list[Chaos], str, bool]:
    """Kills, one more with a backlog, and power cuts where the store is SQLite."""
    if "://" in options.store:
        raise BenchError("--chaos kills the database too: it takes --store sqlite or postgres, not a server of yours")
    seed = options.seed or secrets.randbits(32)
    print(f"seed {seed}", file=sys.stderr, flush=True)
    campaigns: list[Callable[[], Chaos]] = []
    if options.rounds:
        campaigns.append(lambda: kills(options, Random(seed)))
    if options.backlog:
        campaigns.append(lambda: backlog(options))
    if options.cuts and options.store == "sqlite":
        campaigns.append(lambda: cuts(options, Random(seed + 1)))
    found = []
    for campaign in campaigns:
        found.append(campaign())
        print(_text(found[-1]), file=sys.stderr, flush=True)
    return found, "\n\n".join(map(_text, found)), all(one.good for one in found)


class _Crashes:
    """What is remembered from crash to crash."""

    def __init__(self, ready: Stage) -> None:
        self.ready = ready
        self.begun = time.monotonic()
        self.count = 0
        self.before_ready = 0
        self.most_on_wire = 0
        self.commit_s = 0.0
        self.wires: set[str] = set()
        self.accepted: set[str] = set()
        self.mark = newest(ready.house.view)

    def look_at_wires(self) -> None:
        """What the wire rows named when the server died. A copy of a SQLite file is read: the original is the
        next server's to recover."""
        ready = self.ready
        if ready.house.store_url.startswith("sqlite"):
            copy = _copied(ready.folder)
            named = SqliteView(str(copy)).wires()
        else:
            named = view(ready.house.store_url).wires()
        self.count += 1
        self.most_on_wire = max(self.most_on_wire, len(named))
        self.wires |= named

    def time_commits(self) -> None:
        """Takes the longest commit of the server that is about to die (to the bound of its bucket)."""
        counted = buckets(self.ready.house.metrics(), {}, "heliograph_store_commit_seconds")
        longest = bucket_quantile({bound: count for bound, count in counted.items() if count}, 1.0)
        self.commit_s = max(self.commit_s, longest)

    def settle(self, name: str) -> Chaos:
        """The last start: waits until nothing moves any more, and draws the balance."""
        ready = self.ready
        ready.house.start()
        ready.settle(self.mark, lambda rows: rows.ended >= rows.messages)
        assert ready.carrier is not None
        ready.carrier.ask()
        ready.house.stop()
        carrier = read_carrier(ready.carrier_log)
        found = balance(
            self.accepted,
            kept(ready.house.view),
            carrier,
            self.wires,
            replies_in(ready.house.view),
            orphans_in(ready.house.view),
        )
        return Chaos(
            name=name,
            store=ready.options.store,
            crashes=self.count,
            seconds=time.monotonic() - self.begun,
            most_on_wire=self.most_on_wire,
            wire_bound=_ceil(ready.options.window * ready.options.links + 2 * self.commit_s * carrier.peak_per_s),
            balance=found,
            before_ready=self.before_ready,
            miscounted=miscounted(ready.house.view),
        )


def kills(options: Options, chance: Random) -> Chaos:
    """``kill -9`` under load, at random moments; PostgreSQL with its postmaster."""
    options = replace(options, batch=1, connections=min(options.connections, 32), rate=0.0, mixed=False)
    with stage(options) as ready:
        crashes = _Crashes(ready)
        ready.start_carrier(latency_ms=_LATENCY_MS, reply_every=20)
        for _ in range(options.rounds):
            ready.house.start()
            loads = _crowd(ready, crashes.count)
            time.sleep(chance.uniform(0.3, 1.5))
            crashes.time_commits()
            _kill(ready)
            for job, load in loads:
                _end_of(ready, load, job, crashes)
            crashes.look_at_wires()
        return crashes.settle("kill -9 under load")


def backlog(options: Options) -> Chaos:
    """One kill while very many wait in the lane: none of those may be marked, none lost."""
    options = replace(options, batch=min(1000, max(1, options.backlog // 10)), connections=4, window=_BACKLOG_WINDOW)
    with stage(options) as ready:
        crashes = _Crashes(ready)
        ready.start_carrier(latency_ms=_BACKLOG_LATENCY_MS)
        ready.house.start()
        job, load = _load(ready, 0)  # one that ends may do so before it is looked at
        until = time.monotonic() + options.timeout_s
        while (waits := _waiting(ready, load)) < options.backlog:
            if time.monotonic() > until or not load.alive:
                raise BenchError(f"only {waits:,} of {options.backlog:,} messages waited: the carrier is too fast")
            time.sleep(0.05)
        crashes.time_commits()
        _kill(ready)
        _end_of(ready, load, job, crashes)
        crashes.look_at_wires()
        return crashes.settle(f"kill -9 with {waits:,} waiting in the lane")


def cuts(options: Options, chance: Random) -> Chaos:
    """The power cut at a random operation of the disk, while commits run."""
    options = replace(options, batch=1, connections=16, rate=0.0, mixed=False)
    with stage(options) as ready:
        crashes = _Crashes(ready)
        ready.start_carrier(latency_ms=_LATENCY_MS, reply_every=20)
        for _ in range(options.cuts):
            try:
                server = ready.house.start(
                    "heliograph.bench.powercut", str(chance.randint(*_CUT_AFTER)), str(chance.getrandbits(32))
                )
            except BenchError:
                server = ready.house.server  # type: ignore[assignment] # start() has set it
                crashes.before_ready += 1
            else:
                loads = _crowd(ready, crashes.count)
                server.wait(options.timeout_s)
                for job, load in loads:
                    _end_of(ready, load, job, crashes)
            if server.wait(30) != CUT:
                raise BenchError(f"the server ended before its power was cut: {server.complaint()}")
            crashes.look_at_wires()
        crashes.commit_s = math.inf  # this disk's commits cannot be timed before it is cut
        return crashes.settle("power cut")


def _ceil(value: float) -> int:
    return math.ceil(value) if math.isfinite(value) else sys.maxsize


def _load(ready: Stage, at: int, messages: int = _ENDLESS, **changes: Any) -> tuple[Any, Child]:
    log = ready.folder / f"accepted-{at}-{changes.get('batch', 0)}"
    job = ready.job(messages, once_every=5, ok_log=str(log), refused_pause_s=0.01, **changes)
    return job, ready.tools.load(job)


def _crowd(ready: Stage, at: int) -> list[tuple[Any, Child]]:
    """One message a request from many, and a client beside them that sends batches: these are staged."""
    return [_load(ready, at), _load(ready, at, _BATCHED, batch=_BATCH, connections=2)]


def _end_of(ready: Stage, load: Child, job: Any, crashes: _Crashes) -> None:
    """Ends a load whose server is gone, and takes what was accepted."""
    load.signal(signal.SIGTERM)
    ready.tools.figures(load, job)
    crashes.accepted.update(Path(job.ok_log).read_text().split())


def _kill(ready: Stage) -> None:
    assert ready.house.server is not None
    ready.house.server.kill()
    if ready.database is not None:
        ready.database.kill()
        ready.database.start()


def _waiting(ready: Stage, load: Child) -> int:
    """Messages that were answered with a 2xx and not handed to the carrier yet."""
    accepted = int(load.ask()["accepted"])
    return accepted - int(sum(ready.house.metrics()["heliograph_submitted_segments_total"].values()))


def _copied(folder: Path) -> Path:
    """The SQLite file and its log, as the crash left them."""
    copy = folder / "after-crash"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in folder.glob("heliograph.db*"):
        if file.suffix in (".db", ".db-wal"):
            shutil.copy(file, copy)
    return copy / "heliograph.db"


def _text(found: Chaos) -> str:
    one = found.balance
    lines = [
        ("campaign", f"{found.name}, {found.store}: {found.crashes} crashes in {found.seconds:.0f} s"),
        ("accepted", f"{one.accepted:,}; lost {one.lost}, not in the store {one.missing}, not ended {one.open}"),
        ("repeated", f"{one.repeated:,}; without their mark {one.repeated_unmarked}, at_most_once {one.once_repeated}"),
        ("marked", f"{one.marked:,}; never named by a wire row {one.marked_outside}"),
        ("on the wire", f"at most {found.most_on_wire:,} at a crash (windows and two commits: {_bound(found)})"),
        ("receipts", f"{one.receipts:,} answered to the carrier; lost {one.receipts_lost}"),
        ("replies", f"{one.replies:,} answered to the carrier; lost {one.replies_lost}"),
        ("counts", "those of the messages" if not found.miscounted else found.miscounted[0]),
        ("verdict", "every promise kept" if found.good else "BROKEN: " + ", ".join(_broken(found))),
    ]
    lines += [(f"  {name}", " ".join(some)) for name, some in one.examples.items()]
    return aligned(lines)


def _bound(found: Chaos) -> str:
    return "not timed" if found.wire_bound >= sys.maxsize else f"{found.wire_bound:,}"


def _broken(found: Chaos) -> list[str]:
    broken = [f"{name} {getattr(found.balance, name)}" for name in FAULTS if getattr(found.balance, name)]
    return broken + [f"{len(found.miscounted)} hours miscounted"] * bool(found.miscounted)
