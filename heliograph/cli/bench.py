"""``heliograph bench``"""

from __future__ import annotations

from importlib import import_module

import typer

__all__ = ["bench"]


def bench(context: typer.Context) -> None:
    """Measure the whole path on this machine: the server, the load and a virtual carrier, each in its own process.

    Prints messages a second, CPU a message, latencies and memory; "heliograph bench --help" lists its options.
    """
    raise typer.Exit(import_module("heliograph.bench").main(context.args))
