"""Webhook endpoints: made once, told apart by account, gone when deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from heliograph.access.actors import Actor
from heliograph.contracts import SystemClock
from heliograph.delivery.submission import IdempotencyKey
from heliograph.delivery.webhooks import CALLBACKS, Webhooks
from heliograph.errors import RequestRejected
from heliograph.store.sqlite import SqliteStore
from tests.accounts import ensure_account

BY = Actor(kind="key", name="hg_live_abc").entry
URL = "https://example.com/sms"
KEY = IdempotencyKey(account_id=1, key="k", body_hash=b"h" * 32)


class Counted:
    """Counts changes."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> None:
        self.times += 1


@pytest.fixture
async def webhooks(tmp_path: Path) -> AsyncIterator[Webhooks]:
    store = SqliteStore(str(tmp_path / "webhooks.db"), serve=True)
    await store.open()
    for name in ("demo", "other"):
        await ensure_account(store, name, 1)
    made = Webhooks(store, SystemClock(), lambda: 42)
    made.changed = Counted()
    yield made
    await store.close()


async def test_an_endpoint_begins_where_the_outbox_is_and_has_a_secret_of_its_own(webhooks: Webhooks) -> None:
    endpoint, secret, replayed = await webhooks.create(1, URL, ("message.delivered",), 100, idempotency=None, by=BY)
    other, other_secret, _ = await webhooks.create(1, URL, (), 1, idempotency=None, by=BY)
    assert (endpoint.position, endpoint.events, endpoint.batch, replayed) == (42, ("message.delivered",), 100, False)
    assert secret is not None
    assert secret.startswith("whsec_")
    assert secret != other_secret
    assert [one.id for one in await webhooks.list(1)] == [endpoint.id, other.id]
    assert webhooks.changed.times == 2  # type: ignore[attr-defined]


async def test_the_same_request_makes_one_endpoint_and_tells_its_secret_once(webhooks: Webhooks) -> None:
    first, secret, _ = await webhooks.create(1, URL, (), 1, idempotency=KEY, by=BY)
    again, nothing, replayed = await webhooks.create(1, URL, (), 1, idempotency=KEY, by=BY)
    assert (again.id, nothing, replayed) == (first.id, None, True)
    assert secret is not None
    assert len(await webhooks.list(1)) == 1
    with pytest.raises(RequestRejected) as raised:
        await webhooks.create(1, URL, (), 1, idempotency=replace(KEY, body_hash=b"x" * 32), by=BY)
    assert (raised.value.code, raised.value.status) == ("idempotency_mismatch", 409)
    await webhooks.create(2, URL, (), 1, idempotency=replace(KEY, account_id=2), by=BY)
    assert len(await webhooks.list(2)) == 1


async def test_the_same_request_many_times_at_once_makes_one_endpoint(webhooks: Webhooks) -> None:
    made = await asyncio.gather(*(webhooks.create(1, URL, (), 1, idempotency=KEY, by=BY) for _ in range(8)))
    assert len({endpoint.id for endpoint, _, _ in made}) == 1
    assert sum(secret is not None for _, secret, _ in made) == 1


async def test_a_replay_of_what_was_deleted_says_so(webhooks: Webhooks) -> None:
    endpoint, _, _ = await webhooks.create(1, URL, (), 1, idempotency=KEY, by=BY)
    assert await webhooks.delete(1, endpoint.id, by=BY) is True
    with pytest.raises(RequestRejected) as raised:
        await webhooks.create(1, URL, (), 1, idempotency=KEY, by=BY)
    assert (raised.value.code, raised.value.status) == ("gone", 410)


async def test_nobody_deletes_a_strangers_endpoint(webhooks: Webhooks) -> None:
    endpoint, _, _ = await webhooks.create(1, URL, (), 1, idempotency=None, by=BY)
    assert await webhooks.delete(2, endpoint.id, by=BY) is False
    assert len(await webhooks.list(1)) == 1
    assert await webhooks.delete(1, endpoint.id, by=BY) is True
    assert await webhooks.delete(1, endpoint.id, by=BY) is False


async def test_an_account_has_a_bounded_number_of_endpoints(webhooks: Webhooks) -> None:
    for at in range(100):
        await webhooks.create(1, f"{URL}/{at}", (), 1, idempotency=replace(KEY, key=str(at)), by=BY)
    with pytest.raises(RequestRejected) as raised:
        await webhooks.create(1, URL, (), 1, idempotency=None, by=BY)
    assert raised.value.code == "conflict"
    _, _, replayed = await webhooks.create(1, f"{URL}/7", (), 1, idempotency=replace(KEY, key="7"), by=BY)
    assert replayed is True


async def test_callbacks_of_messages_have_one_endpoint_that_is_not_listed(webhooks: Webhooks) -> None:
    await asyncio.gather(*(webhooks.ensure_callbacks(1) for _ in range(5)))
    assert await webhooks.list(1) == []
    [endpoint] = await webhooks._store.endpoints(1)
    assert endpoint.kind == CALLBACKS
    assert await webhooks.delete(1, endpoint.id, by=BY) is False


async def test_the_secret_of_callbacks_is_made_once_for_each_account(webhooks: Webhooks) -> None:
    first, again = await asyncio.gather(webhooks.callbacks_secret(1), webhooks.callbacks_secret(1))
    await webhooks.ensure_callbacks(1)
    [endpoint] = await webhooks._store.endpoints(1)
    assert first == again == endpoint.secret
    assert first.startswith("whsec_")
    assert await webhooks.callbacks_secret(2) != first
    assert webhooks.changed.times == 2  # type: ignore[attr-defined]
    await webhooks.ensure_callbacks(2)
    assert webhooks.changed.times == 2  # type: ignore[attr-defined]


async def test_requests_that_create_nothing_are_done_once_too(webhooks: Webhooks) -> None:
    assert await webhooks.once.used(None) is False
    assert await webhooks.once.used(KEY) is False
    assert await webhooks.once.used(KEY) is True
    with pytest.raises(RequestRejected):
        await webhooks.once.used(replace(KEY, body_hash=b"x" * 32))
