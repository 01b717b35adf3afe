"""What a segment to a number costs: the price of the longest beginning that fits."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

__all__ = ["MILLIONTHS", "Prices", "millionths"]

MILLIONTHS: Final = 1_000_000


def millionths(amount: str) -> int:
    """A decimal number with at most six places as whole millionths."""
    return int(Decimal(amount) * MILLIONTHS)


class Prices:
    """Prices by the beginnings of numbers (``+49``), in millionths."""

    def __init__(self, usual: str | None, prices: Mapping[str, str]) -> None:
        self._usual = millionths(usual or "0")
        self._prices = {start: millionths(price) for start, price in prices.items()}
        self._lengths = sorted({len(start) for start in prices}, reverse=True)

    def of(self, number: str) -> int:
        """The price of one segment to this number (E.164)."""
        for length in self._lengths:
            if (found := self._prices.get(number[:length])) is not None:
                return found
        return self._usual
