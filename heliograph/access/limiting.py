"""The limits of every account and key: read from the store, counted here, shared with other servers, and told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

import msgspec

from heliograph.access.accounts import Accounts
from heliograph.access.keys import Principal
from heliograph.access.metering import CallerMeters, Meter, Reached
from heliograph.contracts import Acceptance, Changes, Clock, Store
from heliograph.errors import StoreError
from heliograph.model import ConfigObject, LimitSet
from heliograph.rules.allowance import period_of
from heliograph.rules.prices import MILLIONTHS

__all__ = ["LIMIT", "Limiter", "limits_in", "subject_of"]

LIMIT: Final = "limit"
"""The kind of their objects, whose names are ``account:NAME`` and ``key:ID``."""

_MOST_CALLERS: Final = 20_000
"""Callers whose meters are remembered: subjects of an issuer outside are as many as it likes."""
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
        now_us = self._clock.now_us()
        objects = {one.name: one for one in await self._store.objects(LIMIT)}
        fresh = objects.keys() - self._meters.keys()
        rows = await self._store.usage(period_of("month", now_us)[0]) if fresh else []
        meters: dict[str, Meter] = {}
        owners: dict[str, int] = {}
        for name, one in objects.items():
            if (subject := subject_of(name, accounts)) is None:
                continue
            meter = self._meters.get(name)
            if meter is None:
                meter = Meter(subject, _title(name), limits_in(one), self._clock)
                meter.learn([row for row in rows if row.subject == subject], self._store.node_id, first=True)
            elif meter.limits != limits_in(one):
                meter.follow(limits_in(one), self._clock.monotonic())
            meters[name], owners[name] = meter, one.account_id
        self._meters, self._owners, self._accounts, self._callers = meters, owners, accounts, {}

    async def tend(self) -> None:
        """To be called every second: keeps what requests used, learns what others did, tells of steps."""
        if not self._meters:
            return
        if unkept := [row for meter in self._meters.values() for row in meter.unkept()]:
            await self._store.commit(Changes(acceptances=[Acceptance((), usage=unkept)]))
        rows = await self._store.usage(period_of("month", self._clock.now_us())[0])
        for name, meter in list(self._meters.items()):
            meter.learn([row for row in rows if row.subject == meter.subject], self._store.node_id)
            for one in meter.reached():
                await self._reached(name, one)

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
