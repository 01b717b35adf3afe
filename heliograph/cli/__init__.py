"""The command line: one file a group of commands.

Nothing but Typer is imported before a command runs, so that help and completion come at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code: 0, 1 for what went wrong, 2 for a wrong use of the command line."""
    from heliograph.cli.commands import app
    from heliograph.cli.faults import explain

    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=given, prog_name="heliograph")
    except Exception as error:
        if "--traceback" in given:
            raise
        print(explain(error), file=sys.stderr)
        sys.exit(1)
