"""``heliograph serve``"""

from __future__ import annotations

import typer

from heliograph.cli.options import Config

__all__ = ["serve"]


def serve(config: Config = None) -> None:
    """Run the server until SIGTERM or Ctrl-C.

    Prints one line "ready http://host:port" when it serves. SIGHUP reads connectors, routes, numbers, issuers and
    master keys again.
    """
    from heliograph.app import run_serve

    raise typer.Exit(run_serve(config))
