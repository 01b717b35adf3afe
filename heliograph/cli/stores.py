"""The store, opened beside a running server for one command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from heliograph.cli.faults import CommandFailed

if TYPE_CHECKING:
    from heliograph.access.sealing import MasterKeys
    from heliograph.config import Config
    from heliograph.contracts import Store
    from heliograph.model import Account

__all__ = ["account_named", "file_of", "load_config", "must_exist", "opened", "sealer_of", "with_store"]

T = TypeVar("T")


def load_config(path: Path | None) -> Config:
    """The configuration of a command. Raises ``ConfigError``."""
    import os

    from heliograph.config import load

    return load(path, os.environ)


def sealer_of(config: Config) -> MasterKeys:
    """The master keys of a configuration, as far as there are any. Raises ``ConfigError``."""
    from heliograph.access.sealing import MasterKeys, keys_from

    return MasterKeys(keys_from(config.security.master_key, config.security.other_master_keys, config.store.file))


@asynccontextmanager
async def opened(config: Config, sealer: MasterKeys | None = None) -> AsyncIterator[Store]:
    """The configured store, ready, and closed afterwards."""
    from heliograph.store import open_store

    store = open_store(config.store.url, serve=False, sealer=sealer or sealer_of(config))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def file_of(url: str) -> Path | None:
    """The file of an embedded store; None for one that is a server's."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    return Path(unquote(parts.path)[1:]) if parts.scheme == "sqlite" else None


def must_exist(config: Config) -> None:
    """Raises ``CommandFailed`` where an embedded store is not there yet."""
    place = file_of(config.store.url)
    if place is not None and not place.exists():
        raise CommandFailed(f"there is no store {place}", "check store.url; heliograph serve makes it")


def with_store(path: Path | None, work: Callable[[Store], Awaitable[T]], *, make: bool = False) -> T:
    """Do something with the store of a configuration, on a loop of its own. ``make`` it where there is none."""
    config = load_config(path)
    if not make:
        must_exist(config)

    async def run() -> T:
        async with opened(config) as store:
            return await work(store)

    return asyncio.run(run())


async def account_named(store: Store, name: str) -> Account:
    """The account of that name. Raises ``CommandFailed`` when there is none."""
    accounts = {account.name: account for account in await store.accounts()}
    if name not in accounts:
        known = ", ".join(sorted(accounts)) or "none yet"
        raise CommandFailed(
            f"there is no account {name}", f"accounts are {known}; heliograph keys create --account makes one"
        )
    return accounts[name]
