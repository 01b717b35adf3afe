"""An issuer of access tokens on loopback: metadata, keys that change, and the troubles that one can have."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

__all__ = ["AUDIENCE", "Issuer", "issuer"]

AUDIENCE = "https://sms.example"


class Issuer:
    """Signs with the last of its ``keys``; publishes those in ``published``. ``asked`` counts what was fetched."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: list[ECKey | RSAKey] = [ECKey.generate_key("P-256", {"kid": "one"})]
        self.asked: dict[str, int] = {}
        self.metadata: dict[str, Any] = {}
        self.openid = False
        self.status = 200
        self.body: bytes | None = None
        self.location = ""
        self.answers = asyncio.Event()
        """Clear: keys are asked for, and no answer comes."""
        self.answers.set()

    def rotate(self, kid: str, *, rsa: bool = False, keep: bool = True) -> None:
        fresh = RSAKey.generate_key(2048, {"kid": kid}) if rsa else ECKey.generate_key("P-256", {"kid": kid})
        self.keys = [*(self.keys if keep else ()), fresh]

    def token(self, header: dict[str, Any] | None = None, key: ECKey | RSAKey | None = None, **claims: Any) -> str:
        """A token of this issuer; a claim that is None is left out. Signed with the last key."""
        key = key or self.keys[-1]
        algorithm = "ES256" if isinstance(key, ECKey) else "RS256"
        said = {
            "iss": self.url,
            "sub": "robot",
            "aud": AUDIENCE,
            "exp": 2_000_000_000,
            "iat": 1_500_000_000,
            "client_id": "robot",
            "scope": "messages:send messages:read",
        } | claims
        head = {"typ": "at+jwt", "alg": algorithm, "kid": key.kid} | (header or {})
        return jwt.encode(
            {name: value for name, value in head.items() if value is not None},
            {name: value for name, value in said.items() if value is not None},
            key,
            [algorithm],
        )

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/.well-known/oauth-authorization-server", self._oauth)
        app.router.add_get("/.well-known/openid-configuration", self._openid)
        app.router.add_get("/keys", self._keys)
        return app

    def _count(self, what: str) -> None:
        self.asked[what] = self.asked.get(what, 0) + 1

    async def _oauth(self, _: web.Request) -> web.Response:
        self._count("oauth")
        return web.Response(status=404) if self.openid else self._metadata()

    async def _openid(self, _: web.Request) -> web.Response:
        self._count("openid")
        return self._metadata() if self.openid else web.Response(status=404)

    def _metadata(self) -> web.Response:
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.metadata)

    async def _keys(self, _: web.Request) -> web.Response:
        self._count("keys")
        await self.answers.wait()
        if self.location:
            return web.Response(status=302, headers={"Location": self.location})
        if self.status != 200 or self.body is not None:
            return web.Response(status=self.status, body=self.body or b"")
        return web.json_response({"keys": [key.as_dict(private=False) for key in self.keys]})


@contextlib.asynccontextmanager
async def issuer() -> AsyncIterator[Issuer]:
    """One that listens."""
    made = Issuer()
    runner = web.AppRunner(made.application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        made.answers.set()
        await runner.cleanup()
