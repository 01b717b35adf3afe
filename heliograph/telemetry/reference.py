"""The page of all metrics, made from their table: ``python -m heliograph.telemetry.reference``."""

from __future__ import annotations

import sys

from heliograph.telemetry.metrics import METRICS

__all__ = ["page"]

_HEAD = """# Metrics

`GET /metrics` gives them in the Prometheus text format: without a key on loopback, otherwise with a key that has the
scope `metrics:read`. No label names an account. Beside these stand the `process_…` and `python_gc_…` metrics of the
process.

| metric | type | labels | what it tells |
|---|---|---|---|
"""


def page() -> str:
    """The whole page as Markdown."""
    rows = (
        f"| `{name}{'_total' if kind.type == 'counter' else ''}` | {kind.type} | "
        f"{', '.join(f'`{label}`' for label in kind.labels) or '–'} | {kind.help} |\n"
        for name, kind in METRICS.items()
    )
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(page())
