"""What counts stays true: through a store that fails, changes of limits, and with very many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from heliograph.access import limiting
from heliograph.access.accounts import Accounts
from heliograph.access.limiting import Limiter
from heliograph.access.principals import Principal
from heliograph.contracts import Changes, Committed, SystemClock
from heliograph.errors import RequestRejected, StoreBusy
from heliograph.model import Account, ConfigObject, LimitSet, UsageRow

SHOP = Account(id=1, name="shop", created_us=0)
CALLER = Principal(account=SHOP, scopes=frozenset(), key="hg_live_00000000")


class Rows:
    """A store as far as limits need one, which can be out of order."""

    node_id = 1

    def __init__(self) -> None:
        self.limits: dict[str, LimitSet] = {}
        self.rows: dict[tuple[str, str], UsageRow] = {}
        self.out_of_order = False

    async def objects(self, kind: str) -> Sequence[ConfigObject]:
        return [
            ConfigObject(kind=kind, name=name, document=msgspec.json.encode(one).decode(), account_id=1)
            for name, one in self.limits.items()
        ]

    async def usage(self, since_us: int) -> Sequence[UsageRow]:
        return [row for row in self.rows.values() if row.start_us >= since_us]

    async def commit(self, changes: Changes) -> Committed:
        if self.out_of_order:
            raise StoreBusy("out of order")
        for acceptance in changes.acceptances:
            for one in acceptance.usage:
                before = self.rows.get((one.subject, one.period))
                requests, segments = (0, 0) if before is None else (before.requests, before.segments)
                self.rows[one.subject, one.period] = UsageRow(
                    one.subject, one.period, 1, one.start_us, requests + one.requests, segments + one.segments
                )
        return Committed()


class House:
    """A limiter on such a store, for one account."""

    def __init__(self) -> None:
        self.store = Rows()
        self.told: list[int] = []
        self.limiter = Limiter(self.store, SystemClock(), self._tell, lambda *_: None)  # type: ignore[arg-type]

    async def _tell(self, account_id: int, subject: str, data: Mapping[str, Any], once: str, until_us: int) -> bool:
        if self.store.out_of_order:
            raise StoreBusy("out of order")
        self.told.append(data["percent"])
        return True

    async def set(self, **limits: Any) -> None:
        self.store.limits["account:shop"] = LimitSet(**limits)
        await self.limiter.load(Accounts([SHOP]))

    def request(self, times: int = 1) -> None:
        for _ in range(times):
            meters = self.limiter.of(CALLER)
            assert meters is not None
            meters.request()

    @property
    def used(self) -> Mapping[str, int]:
        return self.limiter.used("account:shop")


async def test_requests_are_written_down_when_the_store_can_again() -> None:
    house = House()
    await house.set(requests_per_month=10)
    house.request(3)
    house.store.out_of_order = True
    for _ in range(2):
        with pytest.raises(StoreBusy):
            await house.limiter.tend()
    house.request(2)
    house.store.out_of_order = False
    for _ in range(2):
        await house.limiter.tend()
    assert [row.requests for row in house.store.rows.values()] == [5]


async def test_steps_that_could_not_be_told_are_told_later() -> None:
    house = House()
    await house.set(requests_per_month=4)
    house.request(2)
    await house.limiter._keep_requests()  # so that only the telling fails
    house.store.out_of_order = True
    await house.limiter.tend()
    assert house.told == []
    house.store.out_of_order = False
    for _ in range(2):
        await house.limiter.tend()
    assert house.told == [50]


async def test_a_limit_that_comes_back_in_its_month_counts_what_was_used_of_it() -> None:
    house = House()
    await house.set(requests_per_month=5)
    house.request(3)
    await house.limiter.tend()
    await house.set(requests_per_second=100)
    assert house.used == {}
    await house.set(requests_per_month=4)
    assert house.used == {"requests_per_month": 3}
    await house.set(requests_per_month=4, segments_per_day=7)
    assert house.used == {"requests_per_month": 3, "segments_per_day": 0}
    house.request()
    with pytest.raises(RequestRejected) as refused:
        house.request()
    assert refused.value.code == "quota_exhausted"


async def test_what_another_change_leaves_alone_is_not_read_again() -> None:
    house = House()
    await house.set(requests_per_month=50)
    house.request(3)  # not written down yet
    await house.limiter.load(Accounts([SHOP]))
    assert house.used == {"requests_per_month": 3}
    await house.set(requests_per_month=60)
    assert house.used == {"requests_per_month": 3}


async def test_very_many_callers_count_together_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiting, "_MOST_CALLERS", 10)
    house = House()
    await house.set(requests_per_month=25)
    refused = 0
    for number in range(30):
        meters = house.limiter.of(replace(CALLER, key=f"issuer/{number}"))
        assert meters is not None
        try:
            meters.request()
        except RequestRejected:
            refused += 1
        assert len(house.limiter._callers) <= 10
    assert refused == 5
