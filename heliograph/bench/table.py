"""The table of targets: every row run, beside what is asked of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from heliograph.bench.crowded import fairness, waiting
from heliograph.bench.micro import micro
from heliograph.bench.options import Options
from heliograph.bench.processes import BenchError
from heliograph.bench.run import run

__all__ = ["ROWS", "Result", "Row", "table"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row: what to run, and its floors (0: none). ``against`` names a row that it is a multiple of."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    cpu_us: float = 0.0
    per_s: float = 0.0
    due_p99_ms: float = 0.0
    peak_mib: float = 0.0
    cpu_times: float = 0.0
    p99_times: float = 0.0


ROWS: Final = (
    Row(name="sqlite", cpu_us=80, per_s=10_000),
    Row(name="sqlite-batch", options={"batch": 1000, "connections": 4, "messages": 300_000}, cpu_us=35, per_s=22_000),
    Row(name="sqlite-preloaded", options={"preload": 5_000_000}, cpu_times=1.4, p99_times=3),
    Row(name="sqlite-webhook", options={"webhooks": "final"}, cpu_us=150, per_s=5_500),
    Row(name="sqlite-two-webhooks", options={"webhooks": "both"}, cpu_us=230, per_s=4_500),
    Row(name="sqlite-webhook-batches", options={"webhooks": "batch"}, cpu_us=90, per_s=9_000),
    Row(name="postgres", options={"store": "postgres"}, cpu_us=110, per_s=7_000),
    Row(name="open-loop", options={"rate": 2000.0, "messages": 40_000}, due_p99_ms=15),
    Row(name="million", options={"messages": 1_000_000}, peak_mib=250),
    Row(name="waiting", options={"waiting": 1_000_000, "messages": 50_000}),
    Row(name="fairness", options={"fairness": 100_000, "messages": 2_000}),
    Row(name="micro"),
)
_SCALED: Final = ("messages", "preload", "waiting", "fairness", "warmup")


class Result(msgspec.Struct, kw_only=True):
    """A row's outcome: whether its floors are met, and its report as it is."""

    name: str
    good: bool
    said: str
    report: Any


def table(options: Options) -> tuple[list[Result], str, bool]:
    """Runs every chosen row, tells each as it ends; all of them, as text, and whether all floors are met."""
    words = [word.strip() for word in options.rows.split(",") if word.strip()]
    chosen = [row for row in ROWS if not words or any(word in row.name for word in words)]
    if not chosen:
        raise BenchError(f"no row's name has {options.rows!r}; there are {', '.join(row.name for row in ROWS)}")
    results: list[Result] = []
    for row in chosen:
        results.append(_result(row, _scaled(options, row), results))
        print(_line(results[-1]), file=sys.stderr, flush=True)
    return results, "\n".join(map(_line, results)), all(result.good for result in results)


def _scaled(options: Options, row: Row) -> Options:
    chosen = replace(options, table=False, **row.options)
    counts: dict[str, Any] = {name: int(getattr(chosen, name) * options.scale) for name in _SCALED}
    return replace(chosen, **counts)


def _result(row: Row, options: Options, earlier: list[Result]) -> Result:
    kinds = {"waiting": lambda: waiting(options), "fairness": lambda: fairness(options), "micro": micro}
    if row.name in kinds:
        report, text, good = kinds[row.name]()
        return Result(name=row.name, good=good, said="; ".join(text.splitlines()), report=report)
    found = run(options, row.name)
    checks = [(f"lost {found.lost}, repeated {found.repeated}", not found.lost and not found.repeated)]
    checks.append(_floor("CPU", found.whole_cpu_us, row.cpu_us, "µs"))
    checks.append((f"{found.finished_per_s:,.0f}/s (≥ {row.per_s:,.0f})", found.finished_per_s >= row.per_s))
    checks.append(_floor("due p99", found.load.due_p99_ms, row.due_p99_ms, "ms"))
    checks.append(_floor("memory", found.peak_mib, row.peak_mib, "MiB"))
    first = next((result.report for result in earlier if result.name == "sqlite"), None)
    if row.cpu_times and first is not None:
        checks.append(_floor("CPU a segment", found.cpu_us_a_segment / first.cpu_us_a_segment, row.cpu_times, "×"))
        checks.append(_floor("accept p99", found.load.p99_ms / first.load.p99_ms, row.p99_times, "×"))
    said = ", ".join(words for words, _ in checks if words)
    return Result(name=row.name, good=all(good for _, good in checks), said=said, report=found)


def _floor(what: str, value: float, most: float, unit: str) -> tuple[str, bool]:
    if not most:
        return (f"{what} {value:.1f} {unit}" if value else ""), True
    return f"{what} {value:.1f} {unit} (≤ {most:g})", value <= most


def _line(result: Result) -> str:
    return f"{'met   ' if result.good else 'MISSED'} {result.name:24}{result.said}"
