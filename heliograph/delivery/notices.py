"""Events that are not of a message: told once to an account's webhooks, kept until they take them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from heliograph.contracts import Acceptance, Changes, Claim, Clock, Store
from heliograph.delivery.instants import iso
from heliograph.model import Endpoint, PendingDelivery

__all__ = ["NOTICES", "Notices", "hears"]

NOTICES: Final[Mapping[str, str]] = {
    "limit.reached": "/v1/limits",
    "webhook.failing": "/v1/webhooks",
    "webhook.recovered": "/v1/webhooks",
}
"""Their types, as the ``events`` of a webhook name them, each with its ``source``: where to look."""

_SCOPE: Final = "notice"


class Notices:
    """Writes them. ``look`` says that something was put among an endpoint's deliveries."""

    def __init__(self, store: Store, clock: Clock, look: Callable[[str], None]) -> None:
        self._store = store
        self._clock = clock
        self._look = look

    async def tell(
        self,
        account_id: int,
        kind: str,
        subject: str,
        data: Mapping[str, Any],
        *,
        once: str,
        until_us: int,
        endpoints: Sequence[Endpoint] | None = None,
    ) -> bool:
        """Tells ``data`` to each webhook of the account that hears of this ``kind``; False where that was done before.

        ``endpoints`` are those to choose from, where they are at hand; otherwise the store says which there are.

        ``once`` names what happened: of all servers and their later lives one tells it, until ``until_us``.
        """
        now_us = self._clock.now_us()
        name = hashlib.blake2b(f"{account_id}\n{kind}\n{once}".encode(), digest_size=12).hexdigest()
        body = _event(f"n{name}", kind, subject, data, now_us)
        deliveries = [
            PendingDelivery(
                endpoint_id=endpoint.id,
                id=f"n{name}-{endpoint.id}",
                account_id=account_id,
                events=(),
                tries=0,
                next_us=now_us,
                first_us=now_us,
                body=body,
            )
            for endpoint in (await self._store.endpoints() if endpoints is None else endpoints)
            if endpoint.account_id == account_id and hears(endpoint, kind)
        ]
        claim = Claim(
            account_id=account_id, scope=_SCOPE, key=name, body_hash=bytes(32), created_us=now_us, expires_us=until_us
        )
        committed = await self._store.commit(Changes(acceptances=[Acceptance((), claim, deliveries=deliveries)]))
        if committed.lost:
            return False
        for delivery in deliveries:
            self._look(delivery.endpoint_id)
        return True


def hears(endpoint: Endpoint, kind: str) -> bool:
    """Whether an endpoint is told of this kind now."""
    here = endpoint.kind == "webhook" and endpoint.deleted_us is None and endpoint.paused_us is None
    return here and (not endpoint.events or kind in endpoint.events)


def _event(event_id: str, kind: str, subject: str, data: Mapping[str, Any], now_us: int) -> bytes:
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": NOTICES[kind],
            "type": kind,
            "subject": subject,
            "time": iso(now_us),
            "sequence": 1,
            "datacontenttype": "application/json",
            "data": data,
        }
    )
