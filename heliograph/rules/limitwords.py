"""What is wrong with limits whose types are right: the same for a file, a request and a command."""

from __future__ import annotations

from heliograph.model import LIMIT_NAMES, LimitSet

__all__ = ["fault_of"]


def fault_of(limits: LimitSet) -> tuple[str, str] | None:
    """(field, sentence) of the first thing that is missing; None where nothing is."""
    given = [name for name in LIMIT_NAMES if getattr(limits, name) is not None]
    if not given:
        return LIMIT_NAMES[0], f"Give at least one limit: {', '.join(LIMIT_NAMES)}."
    spends = [name for name in given if name.startswith("spend")]
    if spends and limits.price is None:
        return "price", f"Give price, what a segment costs: {spends[0]} cannot be counted without."
    return None
