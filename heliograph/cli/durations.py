"""Spans of time as people write them: ``90s``, ``30m``, ``24h``, ``90d``."""

from __future__ import annotations

import re
from typing import Final

import typer

__all__ = ["seconds_of"]

_SPAN: Final = re.compile(r"(\d{1,9})([smhd])\Z", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_MOST_S: Final = 3_650 * 86_400


def seconds_of(span: str, option: str, *, least: int = 1) -> int:
    """A span in seconds, ``least`` to ten years. Raises ``typer.BadParameter`` that names ``option``."""
    found = _SPAN.match(span.strip())
    seconds = int(found[1]) * _SECONDS[found[2]] if found else -1
    if not least <= seconds <= _MOST_S:
        raise typer.BadParameter("write a number with s, m, h or d, as 24h or 90d, up to 3650d", param_hint=option)
    return seconds
