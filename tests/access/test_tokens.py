"""Verified tokens: how many are known, for how long, and what a crowd of new ones meets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from heliograph.access import jwts, make_key, tokens
from heliograph.access.unseen import Unseen
from heliograph.errors import RequestRejected
from heliograph.model import sandbox_of
from heliograph.store.sqlite import SqliteStore
from tests.access.node import Node
from tests.accounts import ensure_account
from tests.keys import keep_key


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    store = SqliteStore(str(tmp_path / "keys.db"), serve=True)
    await store.open()
    made = Node(store, [bytes(32)])
    await made.make_key()
    yield made
    await made.tokens.close()
    await store.close()


def unseen(node: Node, token: str) -> bool:
    try:
        node.ring.admit(token, None)
    except Unseen:
        return True
    except RequestRejected:
        return False
    return False


async def test_a_token_is_verified_once_and_known_from_then_on(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await node.issue()
    assert unseen(node, token)
    assert await node.takes(token)
    monkeypatch.setattr(tokens, "verify", None)
    assert not unseen(node, token)
    assert await node.takes(token)


async def test_a_change_of_configuration_verifies_nothing_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await node.issue()
    assert await node.takes(token)
    monkeypatch.setattr(tokens, "verify", None)
    await ensure_account(node.store, "other", 0)
    assert await node.ring.refresh()
    assert await node.takes(token)


async def test_what_was_not_used_for_longest_is_forgotten_first(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_KNOWN", 3)
    first, second, third, fourth = [await node.issue() for _ in range(4)]
    for token in (first, second, third, first, fourth):
        assert await node.takes(token)
    assert [unseen(node, token) for token in (first, second, third, fourth)] == [False, True, False, False]
    assert await node.takes(second)


async def test_long_tokens_are_forgotten_sooner(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = [await node.issue() for _ in range(3)]
    monkeypatch.setattr(tokens, "MOST_CHARACTERS", len(first) + len(second) + 10)
    for token in (first, second, third):
        assert await node.takes(token)
    assert [unseen(node, token) for token in (first, second, third)] == [True, False, False]
    node.tokens.trust([])
    assert node.tokens._characters == len(second) + len(third)


async def test_bad_tokens_are_not_kept(node: Node) -> None:
    good = await node.issue()
    assert await node.takes(good)
    for at in range(50):
        assert not await node.takes(f"{good[:-6]}{at:06d}")
    assert len(node.tokens._known) == 1


async def test_a_token_ends_when_it_says(node: Node) -> None:
    token = await node.issue()
    assert await node.takes(token)
    node.us += 3_600_000_000 - 1_000_000
    assert await node.takes(token)
    node.us += 1_000_000
    assert not unseen(node, token)
    assert not await node.takes(token)


async def test_a_key_that_loses_a_scope_or_time_takes_them_from_its_tokens(node: Node) -> None:
    account = await ensure_account(node.store, "demo", node.us)
    _, key = make_key(account.id, ("inspect", "webhooks"), now_us=node.us)
    key = await keep_key(node.store, key)
    await node.refresh(key.prefix)
    client = node.ring.find(key.prefix)
    assert client is not None
    token = (await node.tokens.issue(client, ["inspect", "webhooks"])).text
    assert await node.takes(token)
    await node.change_key(key, scopes=("webhooks", "messages:send"), expires_us=node.us + 5)
    principal = node.ring.admit(token, None)
    assert principal is not None
    assert (principal.scopes, principal.expires_us) == ({"webhooks"}, node.us + 5)
    node.us += 5
    assert not await node.takes(token)


async def test_a_token_of_a_test_key_is_of_the_sandbox(node: Node) -> None:
    account = await ensure_account(node.store, "demo", node.us)
    _, key = make_key(account.id, now_us=node.us, test=True)
    await keep_key(node.store, key)
    await node.refresh(key.prefix)
    token = await node.issue()
    assert await node.takes(token)
    principal = node.ring.admit(token, None)
    assert principal is not None
    assert principal.account.id == sandbox_of(account).id


async def test_one_token_that_comes_many_times_at_once_is_verified_once(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []
    monkeypatch.setattr(tokens, "verify", lambda token, key: verified.append(jwts.verify(token, key)))
    token = await node.issue()
    assert all(await asyncio.gather(*(node.takes(token) for _ in range(50))))
    assert len(verified) == 1


async def test_more_new_tokens_than_can_wait_are_asked_to_come_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_MOST_MEETING", 5)
    crowd = [await node.issue() for _ in range(8)]
    met = await asyncio.gather(*(node.tokens.meet(token) for token in crowd), return_exceptions=True)
    refused = [one for one in met if isinstance(one, RequestRejected)]
    assert met[:5] == [None] * 5
    assert [(one.code, one.status, one.retry_after_s) for one in refused] == [("overloaded", 503, 1)] * 3
    for token in crowd:
        assert await node.takes(token)


async def test_who_leaves_while_a_token_is_verified_hinders_nobody(node: Node) -> None:
    token = await node.issue()
    gone = asyncio.ensure_future(node.tokens.meet(token))
    stays = asyncio.ensure_future(node.tokens.meet(token))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert not unseen(node, token)
