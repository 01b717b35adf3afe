"""What intake asks before it accepts: whether a caller may send so much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from heliograph.model import Usage

__all__ = ["Allowance"]


class Allowance(Protocol):
    """The limits of one caller."""

    def take(self, messages: Sequence[tuple[str, int]]) -> Sequence[Usage]:
        """Uses what these (recipient, segments) need, all or nothing; gives what is to be committed with them.

        Raises ``RequestRejected`` (429).
        """
        ...

    def give_back(self, messages: Sequence[tuple[str, int]]) -> None:
        """They were not accepted after all."""
        ...
