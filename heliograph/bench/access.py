"""What it costs to know who calls, and that they may: a key, a token seen before, a token never seen; limits."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from heliograph.access import KeyRing, make_key
from heliograph.access.jwts import Expected, check, read, verify
from heliograph.access.limiting import LIMIT, Limiter
from heliograph.access.sealing import MasterKeys
from heliograph.access.signing import SigningKeys
from heliograph.access.tokens import Tokens
from heliograph.contracts import Administration, SystemClock
from heliograph.ingress.rest.calls import Call, caller
from heliograph.model import Account, ConfigObject
from heliograph.store.sqlite import SqliteStore

__all__ = ["authentications"]

_ISSUER = "https://sms.example.com"
_SCOPE = "messages:send"
_LIMITS = '{"requests_per_second":1000000,"requests_per_day":1000000000}'


def authentications() -> dict[str, Callable[[], object]]:
    """What → one call of it, ready to be measured."""
    return asyncio.run(_made())


async def _tell(account_id: int, subject: str, data: Mapping[str, object], once: str, until_us: int) -> bool:
    return False


async def _made() -> dict[str, Callable[[], object]]:
    clock = SystemClock()
    now_us = clock.now_us
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(str(Path(folder) / "bench.db"), serve=True)
        await store.open()
        new = Account(id=0, name="bench", created_us=now_us())
        [account] = (await store.administer(Administration(at_us=now_us(), accounts=[(new, 0)]))).accounts
        text, key = make_key(account.id, now_us=now_us(), addresses=("127.0.0.0/8",))
        ring, signing = KeyRing(store, now_us), SigningKeys(store, MasterKeys(lambda: [bytes(32)]), now_us)
        ring.tokens = tokens = Tokens(signing, now_us, ring.find, ring.refresh, issuer=_ISSUER, lifetime_s=86_400)
        limiter = Limiter(store, clock, _tell, lambda *said: None)
        ring.on_refresh = limiter.load
        limits = [
            ConfigObject(kind=LIMIT, name=name, account_id=account.id, document=_LIMITS)
            for name in ("account:bench", f"key:{key.prefix}")
        ]
        change = Administration(at_us=now_us(), credentials=[(key, 0)], objects=[(one, 0) for one in limits])
        await store.administer(change)
        await ring.refresh()
        client = ring.find(key.prefix)
        assert client is not None
        seen = (await tokens.issue(client, sorted(client.scopes))).text
        await tokens.meet(seen)
        parsed, expected = read(seen), Expected(issuer=_ISSUER, audience=_ISSUER)
        verifying = signing.find(parsed.kid, parsed.alg)
        assert verifying is not None
        await tokens.close()
        await store.close()

    def by(credential: str, *, limited: bool) -> Callable[[], object]:
        call = Call("POST", "/v1/messages", b"", f"Bearer {credential}".encode(), peer="127.0.0.1")

        def counted() -> None:
            meters = limiter.of(caller(call, ring, _SCOPE))
            assert meters is not None
            meters.request()

        return counted if limited else lambda: caller(call, ring, _SCOPE)

    def first_seen() -> None:
        token = read(seen)
        check(token, expected, now_us())
        verify(token, verifying)

    return {
        "API key": by(text, limited=False),
        "access token seen before": by(seen, limited=False),
        "API key, limits of account and key": by(text, limited=True),
        "access token seen before, limits of account and key": by(seen, limited=True),
        "access token never seen (ES256)": first_seen,
    }
