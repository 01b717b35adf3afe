"""One process of a store, as far as keys and tokens go."""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from heliograph.access import KeyRing, make_key
from heliograph.access.actors import Actor
from heliograph.access.rotation import Rotated, rotate
from heliograph.access.sealing import MasterKeys
from heliograph.access.signing import SigningKeys
from heliograph.access.tokens import Tokens
from heliograph.access.unseen import Unseen
from heliograph.contracts import Administration
from heliograph.errors import RequestRejected
from heliograph.model import Account, Credential
from heliograph.store.sqlite import SqliteStore
from tests.accounts import ensure_account
from tests.keys import keep_key

__all__ = ["ACTOR", "NOW_US", "Node"]

NOW_US = 1_800_000_000_000_000
ACTOR = Actor(kind="command", name="ada")


class Node:
    """One process of a store: what it knows of keys and tokens, under a clock that moves when told."""

    def __init__(self, store: SqliteStore, masters: list[bytes]) -> None:
        self.us = NOW_US
        self.store = store
        self.sealer = MasterKeys(lambda: masters)
        self.ring = KeyRing(store, lambda: self.us)
        self.signing = SigningKeys(store, self.sealer, lambda: self.us)
        self.ring.tokens = self.tokens = Tokens(
            self.signing, lambda: self.us, self.ring.find, self.ring.refresh, issuer="https://sms.example"
        )

    async def issue(self) -> str:
        client = self.ring.find(self.prefix)
        assert client is not None
        return (await self.tokens.issue(client, ["inspect"])).text

    async def make_key(self) -> None:
        account = await ensure_account(self.store, "demo", self.us)
        _, key = make_key(account.id, now_us=self.us)
        await keep_key(self.store, key)
        await self.refresh(key.prefix)

    async def refresh(self, prefix: str) -> None:
        self.prefix = prefix
        await self.ring.refresh()

    async def takes(self, token: str) -> bool:
        try:
            try:
                return self.ring.admit(token, None) is not None
            except Unseen as unseen:
                await unseen.meet()
            return self.ring.admit(token, None) is not None
        except RequestRejected as rejected:
            return rejected.code != "token_invalid"

    async def rotate(self, **more: Any) -> Rotated:
        done = await rotate(self.store, self.sealer, ACTOR, self.us, **more)
        await self.ring.refresh()
        return done

    def published(self) -> list[str]:
        return [one["kid"] for one in json.loads(self.signing.published())["keys"]]

    async def close_account(self, account: Account) -> None:
        closed = replace(account, closed_us=self.us)
        await self.store.administer(Administration(at_us=self.us, accounts=[(closed, None)]))
        await self.ring.refresh()

    async def change_key(self, key: Credential, **changes: Any) -> None:
        await self.store.administer(Administration(at_us=self.us, credentials=[(replace(key, **changes), None)]))
        await self.ring.refresh()
