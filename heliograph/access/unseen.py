"""A credential that this process has not seen yet: one look, away from the straight path, then there is an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

__all__ = ["Unseen"]


class Unseen(Exception):
    """Whose this is can't be told yet: let :meth:`meet` find out, then ask the same again."""

    def __init__(self, meet: Callable[[], Awaitable[object]]) -> None:
        self._meet = meet
        super().__init__("a credential that was never seen")

    async def meet(self) -> None:
        """Looks. Raises ``RequestRejected`` and ``StoreError``."""
        await self._meet()
