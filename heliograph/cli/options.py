"""Options that several commands share, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = ["Config", "Json", "Key", "Url"]

Config: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        envvar="HELIOGRAPH_CONFIG",
        help="Configuration in TOML. Without it the defaults hold, and HELIOGRAPH_… variables.",
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]
Url: TypeAlias = Annotated[str, typer.Option("--url", envvar="HELIOGRAPH_URL", help="Where the server is.")]
Key: TypeAlias = Annotated[
    str,
    typer.Option("--key", envvar=["HELIOGRAPH_KEY", "HELIOGRAPH_API_KEY"], show_default=False, help="The API key."),
]
