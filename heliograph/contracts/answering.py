"""What is told by a call can be awaited as well."""

from __future__ import annotations

import asyncio
from typing import TypeVar

__all__ = ["settle"]

T = TypeVar("T")


def settle(future: asyncio.Future[T], answer: T | BaseException) -> None:
    """Answers one who awaits, with a value or an error to raise, unless it has gone."""
    if future.done():
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)
