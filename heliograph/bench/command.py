"""What ``heliograph bench`` does with its options."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from heliograph.bench.options import Options, parse
from heliograph.bench.processes import BenchError

__all__ = ["main"]


def main(argv: Sequence[str] = (), **options: Any) -> int:
    """Runs the bench as a command line says, changed by keyword (see :class:`Options`); gives the exit code."""
    chosen = replace(parse(argv), **options)
    signal.signal(signal.SIGTERM, _end)
    try:
        return _run(chosen)
    except BenchError as error:
        print(f"heliograph bench: {error}", file=sys.stderr)
        return 1


def _end(number: int, frame: object) -> None:
    """As Ctrl-C: everything that was started is stopped on the way out, which a second signal must not cut short."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _run(options: Options) -> int:
    """Each kind of run is imported when it is asked for."""
    if options.micro:
        from heliograph.bench.micro import micro

        return _show(options, *micro())
    if options.chaos:
        from heliograph.bench.chaos import chaos

        return _show(options, *chaos(options))
    if options.table:
        from heliograph.bench.table import table

        return _show(options, *table(options))
    if options.compare:
        from heliograph.bench.compare import compare

        return _show(options, *compare(options))
    if options.due:
        from heliograph.bench.due import due

        return _show(options, *due(options))
    if options.waiting or options.fairness:
        from heliograph.bench.crowded import fairness, waiting

        return _show(options, *(waiting(options) if options.waiting else fairness(options)))
    from heliograph.bench.report import as_text
    from heliograph.bench.run import run

    report = run(options)
    return _show(options, report, as_text(report), not report.lost and not report.repeated)


def _show(options: Options, figures: Any, text: str, good: bool) -> int:
    print(msgspec.json.encode(figures).decode() if options.json else text)
    return 0 if good else 1
