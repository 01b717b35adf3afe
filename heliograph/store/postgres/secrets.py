"""Sealing the secrets of endpoints, as soon as every program that reads them can open them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heliograph.contracts import Sealer
from heliograph.store.postgres.connection import translated
from heliograph.store.postgres.queries import QUERIES
from heliograph.store.postgres.reads import Reads
from heliograph.store.postgres.schema import LOCKS
from heliograph.store.sealing import STEP, SecretRow, count_keys, sealed_anew

__all__ = ["Secrets"]


class Secrets(Reads):
    """The sealing half of the store."""

    _sealer: Sealer | None
    _may_seal = False
    """Whether what is written now may be sealed."""

    async def seal(self, *, every: bool = False) -> int:
        """See the contract. Nothing while a node of an older program runs."""
        sealer = self._sealer
        if sealer is None or sealer.key_id is None or not await self._all_can_open():
            return 0
        self._may_seal = True
        changed, after = 0, ""
        while rows := await self._secret_rows(after, STEP):
            changed += await self._put(sealed_anew(rows, sealer, every=every))
            after = rows[-1][0]
        if changed:
            with translated():
                await self._pool.execute(QUERIES["bump_config"])
        return changed

    async def sealed_under(self) -> Mapping[str, int]:
        """Key id ("": in clear) → secrets, of deleted endpoints too."""
        return count_keys(await self._secret_rows("", None))

    async def _secret_rows(self, after: str, limit: int | None) -> list[SecretRow]:
        return [tuple(row) for row in await self._fetch("secrets", after, limit)]

    async def _all_can_open(self) -> bool:
        """Looks, keeps older programs from starting, and looks again: one may have started in between."""
        for first in (True, False):
            if await self._value("nodes_that_cannot_open", LOCKS):
                return False
            if first:
                with translated():
                    await self._pool.execute(QUERIES["refuse_older_programs"])
        return True

    async def _put(self, changed: list[tuple[SecretRow, SecretRow]]) -> int:
        """Gives how many it has changed; a row that another process has written since is left as it is."""
        if not changed:
            return 0
        columns: list[list[Any]] = [
            [now[0] for _, now in changed],
            [now[2] for _, now in changed],
            [now[3] for _, now in changed],
            [was[2] for was, _ in changed],
            [was[3] for was, _ in changed],
        ]
        return len(await self._fetch("seal_secrets", *columns))
