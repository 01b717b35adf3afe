"""Secrets of endpoints: sealed in the rows, clear to who reads them with the key, lost to nobody."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from heliograph.access.sealing import MasterKeys, key_id_of
from heliograph.contracts import Acceptance, Changes, Store
from heliograph.errors import SecretLocked
from heliograph.model import Endpoint
from heliograph.store import open_store
from tests.conformance.values import NOW, Make

OLD, NEW = b"o" * 32, b"n" * 32
SECRETS = ("whsec_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "whsec_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")


def keys(*octets: bytes) -> MasterKeys:
    return MasterKeys(lambda: octets)


@asynccontextmanager
async def opened(url: str, *known: bytes, serve: bool = True) -> AsyncIterator[Store]:
    store = open_store(url, serve=serve, sealer=keys(*known) if known else None)
    await store.open()
    try:
        if known and serve:
            await store.seal()
        yield store
    finally:
        await store.close()


def endpoints(make: Make, count: int = 1) -> list[Endpoint]:
    return [
        make.endpoint(f"we_{at}", secret=f"{SECRETS[0]}{at}", old_secret=f"{SECRETS[1]}{at}", old_until_us=NOW)
        for at in range(count)
    ]


async def keep(store: Store, some: Sequence[Endpoint]) -> None:
    await store.commit(Changes(acceptances=[Acceptance((), endpoints=tuple(some))]))


async def octets_kept(store: Store, folder: Path) -> bytes:
    """Everything that a backup holds."""
    path = folder / "looked-at"
    await store.backup(str(path))
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return b"".join(map(archive.read, archive.namelist()))


async def test_what_is_written_is_sealed_and_comes_back_clear(url: str, make: Make, tmp_path: Path) -> None:
    some = endpoints(make, 3)
    async with opened(url, OLD) as store:
        await keep(store, some)
        assert await store.endpoints() == some
        assert await store.endpoints(1) == some
        assert await store.sealed_under() == {key_id_of(OLD): 6}
        octets = await octets_kept(store, tmp_path)
        assert b"we_0" in octets
        assert b"whsec_" not in octets
        assert [one.what for one in await store.check() if "secrets of" in one.what and one.ok] == [
            "the secrets of 3 webhooks can be opened"
        ]


async def test_what_stood_in_clear_is_read_and_sealed_at_the_next_start(url: str, make: Make, tmp_path: Path) -> None:
    some = endpoints(make, 3)
    async with opened(url) as store:
        await keep(store, some)
        await store.commit(Changes(acceptances=[Acceptance((), deleted_endpoints=((1, "we_2", NOW),))]))
        assert b"whsec_" in await octets_kept(store, tmp_path)
        assert await store.sealed_under() == {"": 6}
    async with opened(url, OLD, serve=False) as command:
        assert [one.secret for one in await command.endpoints()] == [one.secret for one in some[:2]]
    async with opened(url, OLD) as store:
        assert [one.old_secret for one in await store.endpoints()] == [one.old_secret for one in some[:2]]
        assert await store.sealed_under() == {key_id_of(OLD): 6}, "of deleted ones too"
        assert b"whsec_" not in await octets_kept(store, tmp_path)
        assert await store.seal() == 0


async def test_another_key_or_none_opens_nothing_and_check_says_so(url: str, make: Make) -> None:
    async with opened(url, OLD) as store:
        await keep(store, endpoints(make, 2))
    for known in ((), (NEW,)):
        async with opened(url, *known, serve=False) as command:
            with pytest.raises(SecretLocked, match=f"we_0 is sealed under the master key {key_id_of(OLD)}"):
                await command.endpoints()
            [finding] = [one for one in await command.check() if not one.ok]
            assert finding.what.startswith("2 webhooks with a secret that cannot be opened")
            assert "whsec_" not in finding.what
    async with opened(url, OLD) as store:
        assert await store.endpoints() == endpoints(make, 2)


async def test_rekeying_beside_a_server_that_knows_both_keys(url: str, make: Make, step_of_two: None) -> None:
    some = endpoints(make, 5)
    async with opened(url, OLD, NEW) as server:
        await keep(server, some)
        version = await server.config_version()
        async with opened(url, NEW, OLD, serve=False) as command:
            assert await command.seal(every=True) == 5
            assert await command.seal(every=True) == 0
        assert await server.sealed_under() == {key_id_of(NEW): 10}
        assert await server.endpoints() == some
        assert await server.config_version() > version
    async with opened(url, NEW) as server:
        assert await server.endpoints() == some


async def test_a_rekey_that_is_ended_in_between_is_gone_on_with(url: str, make: Make, step_of_two: None) -> None:
    some = endpoints(make, 6)
    async with opened(url, OLD) as store:
        await keep(store, some)
    failing = FailsLater(4 * 2, keys(NEW, OLD))
    store = open_store(url, serve=False, sealer=failing)
    await store.open()
    with pytest.raises(SecretLocked):
        await store.seal(every=True)
    await store.close()
    async with opened(url, OLD, NEW) as server:
        under = await server.sealed_under()
        assert under == {key_id_of(NEW): 8, key_id_of(OLD): 4}
        assert await server.endpoints() == some
    async with opened(url, NEW, OLD, serve=False) as command:
        assert await command.seal(every=True) == 2
        assert await command.sealed_under() == {key_id_of(NEW): 12}


async def test_a_sealed_secret_opens_in_its_own_row_alone(url: str, make: Make) -> None:
    held: list[Callable[[], bytes]] = []

    class Overheard:
        """Seals, and remembers; opens what it heard first, whatever is asked."""

        key_id = key_id_of(OLD)

        def seal(self, clear: bytes, about: bytes) -> tuple[str, bytes]:
            sealed = keys(OLD).seal(clear, about)
            held.append(lambda: sealed[1])
            return sealed[0], held[0]()

        def open(self, key_id: str, sealed: bytes, about: bytes) -> bytes:
            return keys(OLD).open(key_id, sealed, about)

    store = open_store(url, serve=True, sealer=Overheard())
    await store.open()
    await store.seal()
    first, second = endpoints(make, 2)
    await keep(store, [first])
    await keep(store, [second])  # its row now holds what belongs to the first
    with pytest.raises(SecretLocked, match="is not what was sealed there"):
        await store.endpoints()
    await store.close()


class FailsLater:
    """Master keys that refuse to open after so many."""

    def __init__(self, left: int, inner: MasterKeys) -> None:
        self._left, self._inner = left, inner
        self.key_id, self.seal = inner.key_id, inner.seal

    def open(self, key_id: str, sealed: bytes, about: bytes) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise SecretLocked("", key_id)
        return self._inner.open(key_id, sealed, about)


@pytest.fixture
def step_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows a transaction."""
    from heliograph.store.postgres import secrets as postgres
    from heliograph.store.sqlite import secrets as sqlite

    for module in (postgres, sqlite):
        monkeypatch.setattr(module, "STEP", 2)
