"""One run of the whole path: server, load, carrier and webhook sink in processes of their own."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from heliograph.bench.carrier import CarrierJob
from heliograph.bench.database import Database
from heliograph.bench.driver import Figures, Job
from heliograph.bench.house import House, buckets
from heliograph.bench.instruments import Instruments, OurInstruments, ToolInstruments
from heliograph.bench.options import Options
from heliograph.bench.processes import BenchError, Child, MemoryWatch, cpu_seconds, free_port
from heliograph.bench.report import Report
from heliograph.bench.sink import SinkFigures
from heliograph.bench.statistics import bucket_quantile
from heliograph.bench.traffic import CAPACITY
from heliograph.bench.view import RunRows, newest, rows_since, waits_since

__all__ = ["Stage", "run", "stage"]

_POLL_S: Final = 0.5
_EVENTS: Final = {
    "final": (["message.delivered"], 1, 1),
    "both": (["message.sent", "message.delivered"], 1, 2),
    "batch": (["message.delivered"], 100, 1),
}
"""--webhooks → events, batch, events a message."""
_PRELOADED_ACCOUNTS: Final = 200
_PRELOADED_ROUTES: Final = 50


@dataclass
class Stage:
    """Everything that stands ready for loads."""

    options: Options
    folder: Path
    tools: Instruments
    house: House
    database: Database | None
    keys: list[str]
    carrier_port: int
    carrier: Child | None = None
    sink: Child | None = None
    place: int = 0
    """The next place of the traffic: no number comes twice."""

    @property
    def carrier_log(self) -> Path:
        return self.folder / "carrier.log"

    def start_carrier(self, **changes: Any) -> None:
        """A carrier with a log, on the port that the server knows."""
        job = CarrierJob(
            port=self.carrier_port, log=str(self.carrier_log), receipts=self.options.receipts == "on", **changes
        )
        self.carrier = self.tools.carrier(job)

    def job(self, messages: int, **changes: Any) -> Job:
        """A load of the next so many messages, as the options ask."""
        options = self.options
        settings: dict[str, Any] = {
            "port": self.house.port,
            "keys": tuple(self.keys),
            "batch": options.batch,
            "connections": options.connections,
            "rate": options.rate,
            "mixed": options.mixed,
            "max_s": options.timeout_s,
            **changes,
        }
        whole = -(-messages // settings["batch"]) * settings["batch"]  # httpload's last batch is a whole one
        first, self.place = self.place, self.place + whole
        if self.place > CAPACITY:
            raise BenchError(f"a run has {CAPACITY:,} different numbers, and all are used")
        return Job(messages=messages, first=first, **settings)

    def send(self, job: Job) -> Figures:
        """Runs a load to its end."""
        return self.tools.figures(self.tools.load(job), job)

    def settle(self, mark: object, done: Callable[[RunRows], bool]) -> RunRows:
        """Looks at what is above a mark until it is ``done``, or nothing has changed for half a minute."""
        until, before, changed = time.monotonic() + self.options.timeout_s, RunRows(), time.monotonic()
        while True:
            rows = rows_since(self.house.view, mark)
            if done(rows) or time.monotonic() > until or time.monotonic() - changed > 30:
                return rows
            if rows != before:
                before, changed = rows, time.monotonic()
            time.sleep(_POLL_S)

    def cpu(self) -> tuple[float, float]:
        """Seconds of the server, and of the database."""
        database = cpu_seconds(self.database.pid) if self.database is not None else 0.0
        return cpu_seconds(self.house.pid), database


@contextmanager
def stage(options: Options, **house: Any) -> Iterator[Stage]:
    """A folder, a store, a configured server that does not run yet; at the end all of it stops."""
    with ExitStack() as stack:
        if options.folder:
            folder = Path(options.folder).absolute()
            folder.mkdir(parents=True, exist_ok=True)
        else:
            folder = Path(tempfile.mkdtemp(prefix="heliograph-bench-"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        database = None
        url = options.store if "://" in options.store else f"sqlite:///{folder / 'heliograph.db'}"
        if options.store == "postgres":
            database = Database()
            stack.callback(database.destroy)
            url = database.url
        tools: Instruments = (
            ToolInstruments(folder, Path(options.tools), options.other_cores)
            if options.tools
            else OurInstruments(folder, options.other_cores)
        )
        port = free_port()
        made = House(
            folder, url, port, window=options.window, links=options.links, receipts=options.receipts == "on",
            cores=options.server_cores, **house,
        )  # fmt: skip
        accounts = max(options.accounts, _PRELOADED_ACCOUNTS if options.preload else 1)
        keys = made.prepare(accounts)
        ready = Stage(options, folder, tools, made, database, keys, port)
        stack.callback(_end, ready)
        yield ready


def _end(ready: Stage) -> None:
    """Stops what still runs; a process that would not end has been killed by then."""
    for child in (ready.house.server, ready.carrier, ready.sink):
        try:
            if child is not None and child.alive:
                child.stop()
        except BenchError as error:
            with suppress(OSError):  # who read this may be gone; the others must be stopped all the same
                print(f"heliograph bench: {error}", file=sys.stderr)


def run(options: Options, name: str = "") -> Report:
    """One measured run, after a warm-up that does not count."""
    if options.preload:
        options = replace(options, mixed=True)
    with stage(options, routes=_PRELOADED_ROUTES if options.preload else 1) as ready:
        notes = []
        if options.preload:
            from heliograph.bench.preload import preload

            notes.append(preload(ready.house.store_url, options.preload, _PRELOADED_ACCOUNTS, _PRELOADED_ROUTES))
        ready.start_carrier()
        ready.house.start()
        each = _start_sink(ready)
        if options.warmup:
            mark = newest(ready.house.view)
            warm = ready.send(ready.job(options.warmup, rate=0.0))
            ready.settle(mark, lambda rows: rows.ended >= warm.accepted)
            _await_events(ready, each * options.warmup)
        report = measure(ready, ready.job(options.messages, ok_log=str(ready.folder / "accepted")), name, each=each)
        report.notes = notes
        return report


def measure(ready: Stage, job: Job, name: str = "", *, each: int = 0, finishes: bool = True) -> Report:
    """A load with everything that is to be known of it. ``each``: events a message that the sink shall get."""
    house = ready.house
    report = Report(
        name=name or described(ready.options),
        store=house.store_url.partition(":")[0],
        instruments=ready.tools.name,
        load_average=os.getloadavg()[0],
    )
    mark, before, sunk = newest(house.view), house.metrics(), ready.tools.sunk(ready.sink) if ready.sink else None
    watch, cpu = MemoryWatch(house.pid), ready.cpu()
    report.load = ready.send(job)
    done = (lambda rows: rows.ended >= rows.messages) if finishes else (lambda rows: True)
    report.rows = ready.settle(mark, done)
    expected = (sunk.events if sunk else 0) + each * report.rows.messages
    report.sink = _await_events(ready, expected)
    used = [after - earlier for after, earlier in zip(ready.cpu(), cpu, strict=True)]
    watch.stop()
    _fill_in(report, used, watch, finishes=finishes)
    if ready.database is None:
        report.database_cpu_us = None
    after = house.metrics()
    for field, metric in (
        ("server_accept", "heliograph_accept_seconds"),
        ("accept_to_submit", "heliograph_accept_to_submit_seconds"),
        ("receipt_to_webhook", "heliograph_receipt_to_webhook_seconds"),
    ):
        counted = buckets(after, before, metric)
        setattr(report, f"{field}_p50_ms", bucket_quantile(counted, 0.5) * 1000)
        setattr(report, f"{field}_p99_ms", bucket_quantile(counted, 0.99) * 1000)
    if report.sink is not None and report.sink.p99_ms:
        report.receipt_to_webhook_p50_ms, report.receipt_to_webhook_p99_ms = report.sink.p50_ms, report.sink.p99_ms
    report.waits = waits_since(house.view, mark)
    if finishes and job.ok_log:
        _compare(ready, job, report)
    return report


def _fill_in(report: Report, used: list[float], watch: MemoryWatch, *, finishes: bool) -> None:
    rows = report.rows
    count = max(1, rows.ended if finishes else rows.messages)
    report.cpu_us, report.database_cpu_us = (seconds * 1e6 / count for seconds in used)
    report.cpu_us_a_segment = sum(used) * 1e6 / max(1, rows.segments)
    last = max(rows.last_ended_us / 1e6, report.sink.last if report.sink is not None else 0.0)
    report.finished_per_s = rows.ended / max(1e-6, last - rows.first_accepted_us / 1e6)
    report.peak_mib, report.end_mib = watch.peak_mib, watch.series[-1] if watch.series else 0.0


def _compare(ready: Stage, job: Job, report: Report) -> None:
    """What was accepted, with what the carrier logged."""
    accepted = set(Path(job.ok_log).read_text().split())
    if ready.carrier is not None:
        ready.carrier.ask()  # its log is on the disk when it has answered
    submitted = ready.tools.submitted(ready.carrier_log, accepted)
    report.lost = len(accepted) - len(submitted)
    report.repeated = submitted.total() - report.rows.segments if not report.load.lost else 0


def _start_sink(ready: Stage) -> int:
    """Lets every account be told; gives how many events a message that makes."""
    if ready.options.webhooks == "off":
        return 0
    events, batch, each = _EVENTS[ready.options.webhooks]
    port = free_port()
    ready.sink = ready.tools.sink(port, batch)
    for key in ready.keys[: max(1, ready.options.accounts)]:
        ready.house.add_webhook(key, port, events, batch)
    return each


def _await_events(ready: Stage, count: int) -> SinkFigures | None:
    """Waits until the sink has so many events, or nothing has come for 15 seconds."""
    if ready.sink is None:
        return None
    most, before, changed = ready.options.timeout_s + time.monotonic(), -1, time.monotonic()
    while True:
        sunk = ready.tools.sunk(ready.sink)
        if sunk.distinct >= count or time.monotonic() > most or time.monotonic() - changed > 15:
            return sunk
        if sunk.distinct != before:
            before, changed = sunk.distinct, time.monotonic()
        time.sleep(_POLL_S)


def described(options: Options) -> str:
    """A run in words."""
    way = (
        f"batches of {options.batch:,}"
        if options.batch > 1
        else f"one POST a message, {options.connections} connections"
    )
    more = [f"{options.messages:,} messages, {options.store.partition(':')[0]}, {way}"]
    more += [f"open loop at {options.rate:,.0f}/s"] if options.rate else []
    more += ["no receipts"] if options.receipts == "off" else []
    more += [f"webhooks {options.webhooks}"] if options.webhooks != "off" else []
    more += [f"{options.preload:,} messages in the store before"] if options.preload else []
    return ", ".join(more)
