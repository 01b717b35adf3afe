"""Keys that sign tokens: made once, shared by nodes, followed by others, sealed in the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from heliograph.access.actors import Actor
from heliograph.access.documents import object_keys
from heliograph.access.rekeying import rekey
from heliograph.access.signing import MOST_LIFETIME_S, SIGNING_KEY
from heliograph.contracts import Administration, AuditFilter
from heliograph.errors import ConfigError, RequestRejected, SecretLocked
from heliograph.model import ConfigObject
from heliograph.store.sqlite import SqliteStore
from heliograph.telemetry import journal
from tests.access.node import NOW_US, Node


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(str(tmp_path / "keys.db"), serve=True)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def nodes(store: SqliteStore) -> AsyncIterator[tuple[Node, Node]]:
    """Two processes that share a store and its master key."""
    one, other = Node(store, [bytes(32)]), Node(store, [bytes(32)])
    await one.make_key()
    await other.refresh(one.prefix)
    yield one, other
    await one.tokens.close()
    await other.tokens.close()


async def test_the_first_token_makes_the_key_and_another_node_takes_it_at_once(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    token = await one.issue()
    assert other.published() == []
    assert await other.takes(token)
    assert other.published() == one.published()
    assert await one.takes(await other.issue())
    assert len(one.published()) == 1


async def test_nodes_that_make_their_first_key_at_once_take_each_others_tokens(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    tokens = await asyncio.gather(*(node.issue() for node in nodes for _ in range(5)))
    for node in nodes:
        await node.ring.refresh()
        assert all([await node.takes(token) for token in tokens])
    assert one.published() == other.published()


async def test_the_private_part_is_nowhere_in_clear(nodes: tuple[Node, Node]) -> None:
    one, _ = nodes
    await one.issue()
    _, _, key = await one.signing.signer()
    secret = str(key.as_dict(private=True)["d"])
    [kept] = await one.store.objects(SIGNING_KEY)
    trail = await one.store.audit(AuditFilter(object_kind=SIGNING_KEY))
    assert [(entry.action, entry.actor_kind) for entry in trail] == [("create", "system")]
    for shown in (kept.document, one.signing.published().decode(), repr(trail)):
        assert secret not in shown


async def test_after_a_rotation_both_keys_verify_until_the_last_token_is_over(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    before = await one.issue()
    [old] = one.published()
    done = await one.rotate()
    assert (done.algorithm, done.ending, done.dropped) == ("ES256", (old,), ())
    after = await one.issue()
    assert one.published() == [done.kid, old]
    for token in (before, after):
        assert await one.takes(token)
        assert await other.takes(token)
    one.us += MOST_LIFETIME_S * 1_000_000
    assert one.published() == [done.kid]
    later = await one.rotate()
    assert (later.ending, later.dropped) == ((done.kid,), (old,))


async def test_a_rotation_at_once_ends_every_token_seen_or_not(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    seen, unseen = await one.issue(), await one.issue()
    assert await other.takes(seen)
    done = await one.rotate(at_once=True)
    await other.ring.refresh()
    for node in nodes:
        assert not await node.takes(seen)
        assert not await node.takes(unseen)
        assert node.published() == [done.kid]
    assert await other.takes(await one.issue())


async def test_tokens_may_be_signed_with_rs256(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    before = await one.issue()
    assert (await one.rotate(algorithm="RS256")).algorithm == "RS256"
    assert {key["kty"] for key in json.loads(one.signing.published())["keys"]} == {"EC", "RSA"}
    for token in (before, await one.issue()):
        assert await other.takes(token)
    assert (await one.rotate()).algorithm == "RS256"


async def test_rotations_are_in_the_trail(nodes: tuple[Node, Node]) -> None:
    one, _ = nodes
    await one.issue()
    [old] = one.published()
    done = await one.rotate()
    await one.rotate(at_once=True)
    trail = [
        (entry.actor, entry.action, entry.object_name)
        for entry in await one.store.audit(AuditFilter(object_kind=SIGNING_KEY))
    ]
    assert {("ada", "create", done.kid), ("ada", "change", old), ("ada", "delete", old)} <= set(trail)


async def test_without_its_master_key_a_node_verifies_and_cannot_sign(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(journal, "secret_locked", written.append)
    one, stranger, keyless = Node(store, [bytes(32)]), Node(store, [bytes(range(32))]), Node(store, [])
    await one.make_key()
    for node in (stranger, keyless):
        await node.refresh(one.prefix)
    with pytest.raises(RequestRejected) as told:
        await keyless.issue()
    assert told.value.status == 503
    with pytest.raises(ConfigError):
        await keyless.rotate()
    token = await one.issue()
    for node in (stranger, keyless):
        assert await node.takes(token)
        for _ in range(2):
            with pytest.raises(SecretLocked, match="signing_key"):
                await node.issue()
    assert len(written) == 2, "once a node"
    for node in (one, stranger, keyless):
        await node.tokens.close()


async def test_rekey_seals_signing_keys_anew(store: SqliteStore) -> None:
    masters = [bytes(32)]
    one = Node(store, masters)
    await one.make_key()
    token = await one.issue()
    before = one.sealer.key_id
    masters[:] = [bytes(range(32)), bytes(32)]
    one.sealer.read()
    await rekey(store, one.sealer, forget=False, by=Actor(kind="command", name="ana").entry)
    assert one.sealer.key_id != before
    assert set(object_keys(await store.objects(SIGNING_KEY))) == {one.sealer.key_id}
    fresh = Node(store, [bytes(range(32))])
    await fresh.refresh(one.prefix)
    assert await fresh.takes(token)
    assert await one.takes(await fresh.issue())
    await one.tokens.close()
    await fresh.tokens.close()


@pytest.mark.parametrize("spoil", ["{}", "[]", '{"algorithm":"ES256","public":{},"private":"x"}'])
async def test_an_object_that_is_no_key_is_passed_over(nodes: tuple[Node, Node], spoil: str) -> None:
    one, _ = nodes
    token = await one.issue()
    bad = ConfigObject(kind=SIGNING_KEY, name="bad", document=spoil)
    await one.store.administer(Administration(at_us=NOW_US, objects=[(bad, 0)]))
    await one.ring.refresh()
    assert await one.takes(token)
    assert "bad" not in one.published()


async def test_a_key_under_another_name_is_not_believed(nodes: tuple[Node, Node]) -> None:
    one, _ = nodes
    await one.issue()
    [kept] = await one.store.objects(SIGNING_KEY)
    other = replace(kept, name="other")
    await one.store.administer(Administration(at_us=NOW_US, objects=[(other, 0)]))
    await one.ring.refresh()
    assert one.published() == [kept.name]
