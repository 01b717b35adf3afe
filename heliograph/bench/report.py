"""What a run has to show, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from heliograph.bench.driver import Figures
from heliograph.bench.sink import SinkFigures
from heliograph.bench.view import RunRows, Waits

__all__ = ["Report", "as_text"]


class Report(msgspec.Struct, kw_only=True):
    """One run. CPU in microseconds, latencies in milliseconds, memory in MiB."""

    name: str
    store: str
    instruments: str
    load_average: float
    """Of the machine, just before the run: what others used of it."""
    load: Figures = msgspec.field(default_factory=Figures)
    rows: RunRows = msgspec.field(default_factory=RunRows)
    waits: Waits = msgspec.field(default_factory=Waits)
    sink: SinkFigures | None = None
    finished_per_s: float = 0.0
    cpu_us: float = 0.0
    """Of the server's whole process tree, a finished message (where none can finish: an accepted one)."""
    database_cpu_us: float | None = None
    cpu_us_a_segment: float = 0.0
    server_accept_p50_ms: float = 0.0
    server_accept_p99_ms: float = 0.0
    accept_to_submit_p50_ms: float = 0.0
    accept_to_submit_p99_ms: float = 0.0
    receipt_to_webhook_p50_ms: float = 0.0
    receipt_to_webhook_p99_ms: float = 0.0
    peak_mib: float = 0.0
    end_mib: float = 0.0
    lost: int | None = None
    """Accepted and never at the carrier."""
    repeated: int | None = None
    """Segments that the carrier got more than once."""
    notes: list[str] = []

    @property
    def whole_cpu_us(self) -> float:
        """With the database's."""
        return self.cpu_us + (self.database_cpu_us or 0.0)


def as_text(report: Report) -> str:
    """The report for people."""
    load, rows, waits = report.load, report.rows, report.waits
    database = "" if report.database_cpu_us is None else f" + {report.database_cpu_us:.1f} µs of the database"
    lines: list[tuple[str, str]] = [
        ("run", f"{report.name} (instruments: {report.instruments}; load average before: {report.load_average:.2f})"),
        ("CPU a message", f"{report.cpu_us:.1f} µs{database} ({report.cpu_us_a_segment:.1f} µs a segment in all)"),
        ("finished", f"{rows.ended:,} of {rows.messages:,}, {report.finished_per_s:,.0f} a second {_states(rows)}"),
        ("accepted", f"{load.accepted:,} in {load.seconds:.1f} s; {load.refused:,} refused, {load.lost:,} unanswered"),
        ("accept", _two(load.p50_ms, load.p99_ms) + (_due(load) if load.due_p99_ms else "")),
        ("  in the server", _two(report.server_accept_p50_ms, report.server_accept_p99_ms)),
        ("accept to submit", _two(report.accept_to_submit_p50_ms, report.accept_to_submit_p99_ms)),
        ("accept to response", _two(waits.sent_p50_ms, waits.sent_p99_ms) + f", p95 {waits.sent_p95_ms:.2f} ms"),
        ("accept to receipt", _two(waits.receipt_p50_ms, waits.receipt_p99_ms)),
    ]
    if report.sink is not None:
        sink = report.sink
        lines.append(("receipt to webhook", _two(report.receipt_to_webhook_p50_ms, report.receipt_to_webhook_p99_ms)))
        lines.append(("webhooks", f"{sink.events:,} events in {sink.requests:,} requests, {sink.distinct:,} different"))
    lines.append(("memory", f"{report.peak_mib:.0f} MiB at most, {report.end_mib:.0f} MiB at the end"))
    if report.lost is not None:
        lines.append(("lost, repeated", f"{report.lost:,} and {report.repeated:,} ({rows.marked:,} marked)"))
    lines.extend(("note", note) for note in report.notes)
    if load.codes and set(load.codes) != {"202"}:
        lines.append(("answers", f"{load.codes} {load.sample[:200]}"))
    return aligned(lines)


def aligned(lines: Sequence[tuple[str, str]]) -> str:
    """Names and what belongs to them, in two columns."""
    width = max(len(name) for name, _ in lines) + 2
    return "\n".join(f"{name:{width}}{what}" for name, what in lines)


def _two(p50_ms: float, p99_ms: float) -> str:
    return f"p50 {p50_ms:.2f} ms, p99 {p99_ms:.2f} ms"


def _due(load: Figures) -> str:
    return f"; from when it was due: {_two(load.due_p50_ms, load.due_p99_ms)}"


def _states(rows: RunRows) -> str:
    return "(" + ", ".join(f"{count:,} {state}" for state, count in sorted(rows.states.items())) + ")"
