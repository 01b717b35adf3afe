"""The part of the store that the pipeline asks before it decides, all batched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from heliograph.contracts.changes import Correlation, InboundPart, Orphan, ReferenceKey
from heliograph.contracts.claims import Claim
from heliograph.model import Live

__all__ = ["Lookups"]


class Lookups(Protocol):
    """What is known of messages, carriers' ids and parts that are under way."""

    async def newest_id(self) -> str | None:
        """The greatest message id in the store: new ids must be later."""
        ...

    async def claims(self, keys: Sequence[tuple[int, str, str]], now_us: int) -> dict[tuple[int, str, str], Claim]:
        """Those of the keys (account_id, scope, key) that are taken and not expired."""
        ...

    async def references(self, keys: Sequence[ReferenceKey]) -> dict[ReferenceKey, int]:
        """The last concatenation reference of those keys that ever had one."""
        ...

    async def correlate(self, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Correlation]:
        """What the (connector_id, canonical id) belong to, for those that are known."""
        ...

    async def live(self, ids: Sequence[tuple[int, str]]) -> dict[str, Live]:
        """Messages by (account_id, id) with segments (``parts`` empty), for updates."""
        ...

    async def orphans(self, keys: Sequence[tuple[int, str]]) -> list[Orphan]:
        """Kept receipts of these (connector_id, canonical id)."""
        ...

    async def matched_orphans(self, limit: int) -> list[tuple[Orphan, Correlation]]:
        """Kept receipts whose (connector_id, canonical id) has a correlation by now, oldest first."""
        ...

    async def recent_writer(self, sender: str, recipient: str, since_us: int) -> int | None:
        """The account that last sent from ``sender`` to ``recipient`` since then (for replies to shared senders).

        Never a sandbox: what it sends is on no handset.
        """
        ...

    async def parts(self, keys: Sequence[tuple[int, str, str, int, int, int]]) -> list[InboundPart]:
        """All kept parts of these sets."""
        ...

    async def stale_parts(self, before_us: int, limit: int) -> list[InboundPart]:
        """All parts of up to ``limit`` sets whose newest part arrived before then."""
        ...
