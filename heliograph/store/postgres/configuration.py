"""Accounts, keys, connectors' numbers, endpoints and opt-outs: written rarely, each in its own transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec.structs import astuple

from heliograph.contracts import OPTED_OUT, OptOutTrail, Sealer
from heliograph.model import Account, Credential, Endpoint, OptOut
from heliograph.store.postgres.administration import Administering, account_of, put_audit, read_configured
from heliograph.store.postgres.connection import translated
from heliograph.store.postgres.optouts import OptOutFilter
from heliograph.store.postgres.queries import QUERIES
from heliograph.store.postgres.rows import columns
from heliograph.store.sealing import open_endpoint

__all__ = ["Configuration", "endpoint_of"]

_OPT_OUTS_A_STATEMENT = 5_000


class Configuration(Administering):
    """What is configured, and who opted out."""

    _opt_out_filter: OptOutFilter
    _sealer: Sealer | None
    on_opt_outs: Callable[[], None] | None = None

    async def _change(
        self, name: str, *values: Any, bump: str | None = "bump_config", told: OptOutTrail | None = None
    ) -> list[Any]:
        """One statement and the new version of the configuration, together; nothing changed, nothing bumped.

        ``told`` words the entries of the trail from the statement's rows, (account_id, recipient).
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                rows: list[Any] = await connection.fetch(QUERIES[name], *values)
                if rows and bump is not None:
                    await connection.execute(QUERIES[bump])
                if rows and told is not None:
                    await put_audit(connection, told(sorted((row[0], row[1]) for row in rows)))
                return rows

    async def config_version(self) -> int:
        """Counts every change of accounts, keys, endpoints and opt-outs by any process."""
        return int(await self._value("config_version"))

    async def accounts(self) -> list[Account]:
        """All accounts."""
        return read_configured("accounts", await self._fetch("accounts"), account_of)

    async def ensure_connectors(self, names: Sequence[str]) -> dict[str, int]:
        """The number of each connector name, made where there is none (from 1)."""
        wanted = list(dict.fromkeys(names))
        rows = await self._fetch("connectors", wanted)
        if len(rows) < len(wanted):
            await self._fetch("add_connectors", wanted)
            rows = await self._fetch("connectors", wanted)
        return {row[0]: row[1] for row in rows}

    async def keys(self) -> list[Credential]:
        """All keys, revoked ones too."""
        return await self.credentials("key")

    async def note_key_uses(self, prefixes: Iterable[str], at_us: int) -> None:
        """Keeps when keys were used last."""
        await self._change("note_key_uses", list(prefixes), at_us, bump=None)

    async def endpoints(self, account_id: int | None = None) -> list[Endpoint]:
        """Endpoints that are not deleted."""
        rows = await self._fetch("endpoints", account_id)
        return [open_endpoint(one, self._sealer) for one in read_configured("endpoints", rows, endpoint_of)]

    async def webhooks_of(
        self, accounts: Sequence[int], *, after: tuple[int, str] = (0, ""), limit: int
    ) -> list[Endpoint]:
        """Webhooks of several accounts, in the order in which they were made; without secrets."""
        rows = await self._fetch("webhooks_of", list(accounts), *after, limit)
        return read_configured("endpoints", rows, endpoint_of)

    # --- opt-outs -----------------------------------------------------------------------------
    def may_be_opted_out(self, account_id: int, recipient: str) -> bool:
        """False only if it surely is not (see :class:`OptOutFilter`)."""
        return (account_id, recipient) in self._opt_out_filter

    async def add_opt_outs(self, rows: Iterable[OptOut], told: OptOutTrail | None = None) -> int:
        """Adds them; gives how many are new."""
        new = 0
        for piece in _pieces({(row.account_id, row.recipient): row for row in rows}.values()):
            ordered = sorted(map(astuple, piece))
            values = (*columns(ordered, 4), OPTED_OUT)
            added = await self._change("add_opt_outs", *values, bump="bump_opt_outs", told=told)
            self._opt_out_filter.add((row[0], row[1]) for row in added)
            new += len(added)
        if new and self.on_opt_outs is not None:
            self.on_opt_outs()
        return new

    async def remove_opt_outs(self, pairs: Iterable[tuple[int, str]], told: OptOutTrail | None = None) -> int:
        """Removes them; gives how many there were."""
        gone = 0
        for piece in _pieces(set(pairs)):
            values = columns(sorted(piece), 2)
            gone += len(await self._change("remove_opt_outs", *values, bump="bump_opt_outs", told=told))
        return gone

    async def opt_outs(self, account_id: int, after: str | None, limit: int) -> list[OptOut]:
        """In order of recipient."""
        return [OptOut(**dict(row)) for row in await self._fetch("opt_outs", account_id, after or "", limit)]

    async def first_opt_outs(self, accounts: Sequence[int], limit: int) -> list[OptOut]:
        """Of several accounts, in order of account and recipient."""
        return [OptOut(**dict(row)) for row in await self._fetch("first_opt_outs", list(accounts), limit)]

    async def _refresh_opt_outs(self, monotonic: float) -> None:
        """Learns what any process has added since the last look."""
        row = (await self._fetch("optout_version"))[0]
        filter, (version, oldest) = self._opt_out_filter, (row[0], row[1])
        changed = not filter.unfilled and version != filter.newest[1]
        if filter.unfilled or filter.full:
            filter.refill([(row[0], row[1]) for row in await self._fetch("every_opt_out")])
        elif changed:
            filter.add((row[0], row[1]) for row in await self._fetch("opt_outs_since", str(filter.newest[2]), None))
        filter.note((monotonic, version, oldest))
        if changed and self.on_opt_outs is not None:
            self.on_opt_outs()


def _pieces(rows: Iterable[Any]) -> Iterable[list[Any]]:
    everything = list(rows)
    for start in range(0, len(everything), _OPT_OUTS_A_STATEMENT):
        yield everything[start : start + _OPT_OUTS_A_STATEMENT]


def endpoint_of(row: Any) -> Endpoint:
    """An endpoint from its row, its secrets as they stand there."""
    return Endpoint(**{**dict(row), "events": tuple(row["events"]), "tags": tuple(row["tags"])})
