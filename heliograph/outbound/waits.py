"""How long an answer asks us to wait."""

from __future__ import annotations

import email.utils
import math

__all__ = ["retry_after_s"]


def retry_after_s(value: str, now_s: float) -> float | None:
    """Seconds that a ``Retry-After`` asks for (a number or a date); None for what is neither. RFC 9110 §10.2.3."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    wait_s = at - now_s
    return wait_s if math.isfinite(wait_s) and wait_s > 0 else None
