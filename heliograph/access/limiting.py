"""The limits of every account and key: read from the store, counted here, shared with other servers, and told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from heliograph.access.accounts import Accounts
from heliograph.access.metering import CallerMeters, Meter, Reached
from heliograph.access.principals import Principal
from heliograph.contracts import Acceptance, Changes, Clock, Store
from heliograph.errors import StoreError
from heliograph.model import ConfigObject, LimitSet, UsageRow
from heliograph.rules.allowance import period_of
from heliograph.rules.prices import MILLIONTHS

__all__ = ["LIMIT", "Limiter", "limits_in", "subject_of"]

LIMIT: Final = "limit"
"""The kind of their objects, whose names are ``account:NAME`` and ``key:ID``."""

_MOST_CALLERS: Final = 20_000
"""Callers whose meters are remembered: subjects of an issuer outside are as many as it likes."""

_SLICE: Final = 100
"""Limits that are looked at before others have a turn: about 1 ms."""

_decoder: Final = msgspec.json.Decoder(LimitSet)


class Told(Protocol):
    """What hears of steps: the journal."""

    def __call__(self, subject: str, limit: str, percent: int, used: int, most: int) -> None: ...


Tell = Callable[[int, str, Mapping[str, object], str, int], Awaitable[bool]]
"""(account id, subject, data, once, until µs) → whether nobody had told it."""


class Limiter:
    """Finds the meters of a caller, and keeps them true."""

    def __init__(self, store: Store, clock: Clock, tell: Tell, journal: Told) -> None:
        self._store = store
        self._clock = clock
        self._tell = tell
        self._journal = journal
        self._meters: dict[str, Meter] = {}
        """By the names of their objects."""
        self._owners: dict[str, int] = {}
        self._accounts = Accounts()
        self._callers: dict[tuple[int, str], CallerMeters | None] = {}

    def of(self, principal: Principal) -> CallerMeters | None:
        """What counts this caller's use; None where nothing limits it. Of sandboxes nothing is counted."""
        if not self._meters:
            return None
        who = (principal.account.id, principal.key)
        try:
            return self._callers[who]
        except KeyError:
            if len(self._callers) >= _MOST_CALLERS:
                self._callers.clear()
            found = self._callers[who] = self._find(*who)
            return found

    def _find(self, account_id: int, key: str) -> CallerMeters | None:
        if account_id < 0:
            return None
        above = [f"account:{self._accounts.name(one)}" for one in self._accounts.tree.above(account_id)]
        own = [f"key:{key}", f"account:{self._accounts.name(account_id)}"]
        shown = [self._meters[name] for name in own if name in self._meters]
        meters = [*shown, *(self._meters[name] for name in above if name in self._meters)]
        return CallerMeters(meters, shown, self._clock) if meters else None

    def used(self, name: str) -> Mapping[str, int]:
        """What is used of the quotas of one object, spends in millionths."""
        meter = self._meters.get(name)
        return {} if meter is None else meter.used()

    async def load(self, accounts: Accounts) -> None:
        """Limits as they are now. What was used of a limit that stays, stays used."""
        objects = {one.name: one for one in await self._store.objects(LIMIT)}
        same = {
            name for name, meter in self._meters.items() if name in objects and meter.limits == limits_in(objects[name])
        }
        rows = await self._rows() if objects.keys() - same else {}
        meters: dict[str, Meter] = {}
        owners: dict[str, int] = {}
        for number, (name, one) in enumerate(objects.items()):
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
            if (subject := subject_of(name, accounts)) is None:
                continue
            meter = self._meters.get(name)
            if meter is None:
                meter = Meter(subject, _title(name), limits_in(one), self._clock)
            elif name not in same:
                meter.follow(limits_in(one), self._clock.monotonic())
            if name not in same:
                meter.learn(rows.get(subject, ()), self._store.node_id)
            meters[name], owners[name] = meter, one.account_id
        self._meters, self._owners, self._accounts, self._callers = meters, owners, accounts, {}

    async def tend(self) -> None:
        """To be called every second: keeps what requests used, learns what others did, tells of steps."""
        if not self._meters:
            return
        await self._keep_requests()
        rows = await self._rows()
        for number, (name, meter) in enumerate(list(self._meters.items())):
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
            meter.learn(rows.get(meter.subject, ()), self._store.node_id)
            for one in meter.reached():
                await self._reached(name, one)

    async def _rows(self) -> Mapping[str, Sequence[UsageRow]]:
        """What every node used in this month, by subject."""
        found: dict[str, list[UsageRow]] = {}
        for row in await self._store.usage(period_of("month", self._clock.now_us())[0]):
            found.setdefault(row.subject, []).append(row)
        return found

    async def _keep_requests(self) -> None:
        """What cannot be written now is written later."""
        unkept = [(meter, requests) for meter in self._meters.values() if (requests := meter.unkept())]
        if not unkept:
            return
        rows = [row for meter, requests in unkept for row in meter.usage((requests, 0, 0))]
        try:
            await self._store.commit(Changes(acceptances=[Acceptance((), usage=rows)]))
        except StoreError:
            for meter, requests in unkept:
                meter.unkept_requests += requests
            raise

    async def _reached(self, name: str, one: Reached) -> None:
        subject = name.partition(":")[2]
        scale = MILLIONTHS if one.limit.startswith("spend") else 1
        data = {
            "kind": name.partition(":")[0],
            "name": subject,
            "limit": one.limit,
            "percent": one.percent,
            "used": one.used / scale if scale > 1 else one.used,
            "most": one.most / scale if scale > 1 else one.most,
        }
        once = f"{name} {one.limit} {one.start_us} {one.percent} {one.most}"
        try:
            if await self._tell(self._owners.get(name, 0), subject, data, once, one.end_us):
                self._journal(name, one.limit, one.percent, one.used // scale, one.most // scale)
        except StoreError:
            meter = self._meters.get(name)
            if meter is not None:
                meter.tell_again(one)


def limits_in(one: ConfigObject) -> LimitSet:
    """The limits that an object holds."""
    return _decoder.decode(one.document)


def subject_of(name: str, accounts: Accounts) -> str | None:
    """What the rows of an object's use are called; None for an account that is not there any more."""
    kind, _, whose = name.partition(":")
    if kind == "key":
        return name
    account_id = accounts.named.get(whose)
    return None if account_id is None else f"account:{account_id}"


def _title(name: str) -> str:
    kind, _, whose = name.partition(":")
    return f"The {kind} {whose}"
