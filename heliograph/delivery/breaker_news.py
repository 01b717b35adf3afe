"""News of breakers: which webhook fails, and which takes something again, told to others by webhook.

Others are the rest of the account's webhooks, and those of the operator's account. The one that it is about
is not told: it would hear of its failing when that is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from heliograph.contracts import Clock
from heliograph.delivery.instants import iso
from heliograph.delivery.notices import Notices, hears
from heliograph.delivery.outbox.health import Health
from heliograph.errors import StoreError
from heliograph.model import Account, Endpoint, is_sandbox

__all__ = ["BreakerNews"]

_TRIES: Final = 60
_AGAIN_S: Final = 1.0
_REMEMBERED_US: Final = 86_400_000_000
"""How long it is known that something was told: longer than any two servers need to see the same."""


class BreakerNews:
    """Tells it. ``accounts`` and ``endpoints`` say what there is now, ``operator`` the name of the account, or None."""

    def __init__(
        self,
        notices: Notices,
        clock: Clock,
        accounts: Callable[[], Mapping[int, Account]],
        endpoints: Callable[[int], Sequence[Endpoint]],
        operator: Callable[[], str | None],
    ) -> None:
        self._notices = notices
        self._clock = clock
        self._accounts = accounts
        self._endpoints = endpoints
        self._operator = operator

    async def tell(self, endpoint: Endpoint, kind: str, health: Health) -> None:
        """A webhook's breaker opened (``webhook.failing``) or closed (``webhook.recovered``); ``health`` is why.

        While the store is busy it is tried again for a minute; the journal has told it in any case.
        """
        for account_id in self._hearers(endpoint.account_id):
            others = [one for one in self._endpoints(account_id) if one.id != endpoint.id and hears(one, kind)]
            if others:
                await self._tell(account_id, others, endpoint, kind, health)

    def _hearers(self, account_id: int) -> set[int]:
        """Who is told. The operator hears of no sandbox, and has none to hear with."""
        operator = self._operator()
        if not operator or is_sandbox(account_id):
            return {account_id}
        named = {one.id for one in self._accounts().values() if one.name == operator and not is_sandbox(one.id)}
        return named | {account_id}

    async def _tell(
        self, account_id: int, others: Sequence[Endpoint], endpoint: Endpoint, kind: str, health: Health
    ) -> None:
        owner = self._accounts().get(endpoint.account_id)
        data = {
            "account": None if owner is None else owner.name,
            "host": urlsplit(endpoint.url).hostname or "",
            "failures": health.failures,
            "last_error": health.last_error,
            "failing_since": iso(health.failing_since_us),
        }
        for left in reversed(range(_TRIES)):
            try:
                await self._notices.tell(
                    account_id,
                    kind,
                    endpoint.id,
                    data,
                    once=f"{endpoint.id} {health.failing_since_us}",
                    until_us=self._clock.now_us() + _REMEMBERED_US,
                    endpoints=others,
                )
            except StoreError:
                if not left:
                    raise
                await asyncio.sleep(_AGAIN_S)
            else:
                return
