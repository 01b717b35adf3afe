"""Tokens as strangers use them: a client library, a resource server that verifies, an issuer outside."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.jwk import KeySet

from heliograph.app import Heliograph
from heliograph.config import load
from tests.access.issuer import AUDIENCE, Issuer, issuer

MESSAGE = {"to": "+14155550123", "from": "12345", "text": "By a token"}
CONFIG = """\
[http]
listen = "127.0.0.1:0"
[store]
url = "sqlite:///{folder}/store.db"
[[connectors]]
name = "main"
kind = "smpp"
host = "127.0.0.1"
port = 1
system_id = "esme"
password = "secret"
[[routes]]
name = "default"
connectors = ["main"]
[[issuers]]
name = "login"
issuer = "{issuer}"
audience = "{audience}"
account = "shop"
scopes = ["messages:send", "messages:read", "keys"]
"""


@dataclass
class Stage:
    """A running server that trusts an issuer, and its command line."""

    server: Heliograph
    there: Issuer
    config: Path

    async def command(self, *words: str) -> str:
        """What a command of a process of its own says."""
        line = [sys.executable, "-m", "heliograph", *words, "--config", str(self.config)]
        done = await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    async def key(self, *words: str) -> str:
        return (await self.command("keys", "create", "--account", "shop", *words)).strip()

    def ask(self, method: str, path: str, token: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, self.server.url + path, json=body, headers=headers, timeout=30)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with issuer() as there:
        path = tmp_path / "heliograph.toml"
        path.write_text(CONFIG.format(folder=tmp_path, issuer=there.url, audience=AUDIENCE))
        async with Heliograph(load(path, {})) as server:
            yield Stage(server, there, path)


def client_of(stage: Stage, key: str, **more: Any) -> OAuth2Session:
    """A stranger's client, which knows the address of the API and a key."""
    found = requests.get(f"{stage.server.url}/.well-known/oauth-authorization-server", timeout=30).json()
    assert found["issuer"] == stage.server.url
    endpoint = found["token_endpoint"]
    return OAuth2Session(key[:16], key, token_endpoint=endpoint, grant_type="client_credentials", **more)


@pytest.mark.parametrize("way", ["client_secret_basic", "client_secret_post"])
async def test_a_strangers_client_gets_a_token_sends_and_gets_another_when_it_is_over(stage: Stage, way: str) -> None:
    key = await stage.key()

    def strange() -> tuple[int, int, bool]:
        client = client_of(stage, key, scope="messages:send messages:read", token_endpoint_auth_method=way)
        first = client.fetch_token()
        sent = client.post(f"{stage.server.url}/v1/messages", json=MESSAGE)
        client.token = {**first, "expires_at": 1}
        shown = client.get(f"{stage.server.url}/v1/messages/{sent.json()['id']}")
        return sent.status_code, shown.status_code, client.token["access_token"] != first["access_token"]

    await _known(stage, key)
    assert await asyncio.to_thread(strange) == (202, 200, True)


async def test_a_strangers_server_verifies_our_tokens_while_keys_follow_each_other(stage: Stage) -> None:
    key = await stage.key("--scopes", "messages:send,inspect")
    await _known(stage, key)

    class Validator(JWTBearerTokenValidator):
        def get_jwks(self) -> KeySet:
            return KeySet.import_key_set(requests.get(f"{stage.server.url}/.well-known/jwks.json", timeout=30).json())

    def verified(token: str) -> Any:
        validator = Validator(issuer=stage.server.url, resource_server=stage.server.url)
        claims = validator.authenticate_token(token)
        validator.validate_token(claims, ["messages:send"], None)
        return claims

    def fresh() -> str:
        return str(client_of(stage, key).fetch_token()["access_token"])

    before = await asyncio.to_thread(fresh)
    await stage.command("oauth", "rotate", "--algorithm", "RS256")
    async with asyncio.timeout(30):
        while len(json.loads(stage.server.tokens.signing.published())["keys"]) < 2:
            await asyncio.sleep(0.05)
    after = await asyncio.to_thread(fresh)
    for token in (before, after):
        claims = await asyncio.to_thread(verified, token)
        assert claims["client_id"] == key[:16]
        assert (await asyncio.to_thread(stage.ask, "POST", "/v1/messages", token, MESSAGE)).status_code == 202


async def test_a_revoked_key_ends_its_tokens_on_a_running_server(stage: Stage) -> None:
    key = await stage.key()
    await _known(stage, key)
    token = await asyncio.to_thread(lambda: str(client_of(stage, key).fetch_token()["access_token"]))
    assert (await asyncio.to_thread(stage.ask, "GET", "/v1/messages", token)).status_code == 200
    await stage.command("keys", "revoke", key)
    async with asyncio.timeout(30):
        while (answer := await asyncio.to_thread(stage.ask, "GET", "/v1/messages", token)).status_code == 200:
            await asyncio.sleep(0.05)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    with pytest.raises(Exception, match="invalid_client"):
        await asyncio.to_thread(lambda: client_of(stage, key).fetch_token())


async def test_a_token_of_an_issuer_outside_sends_and_stands_in_the_trail(stage: Stage) -> None:
    token = stage.there.token(scope="messages:send messages:read keys admin")
    sent = await asyncio.to_thread(stage.ask, "POST", "/v1/messages", token, MESSAGE)
    assert sent.status_code == 202
    made = await asyncio.to_thread(stage.ask, "POST", "/v1/keys", token, {"scopes": ["messages:send"]})
    assert (made.status_code, made.json()["account"]) == (201, "shop")
    assert made.json()["expires_at"].startswith("2033-05-18T03:33:20"), "no key outlives the token that made it"
    assert (await asyncio.to_thread(stage.ask, "GET", "/v1/audit", token)).status_code == 403
    [entry] = json.loads(await stage.command("audit", "list", "--object-kind", "key", "--json"))["entries"]
    assert (entry["actor"], entry["action"], entry["address"]) == ("token login/robot", "create", "127.0.0.1")


async def test_an_issuer_that_leaves_the_file_is_trusted_no_longer(stage: Stage) -> None:
    token, whole = stage.there.token(), stage.config.read_text()
    assert (await asyncio.to_thread(stage.ask, "GET", "/v1/messages", token)).status_code == 200
    await stage.server.reload(load(stage.config, {}))
    assert stage.there.asked["keys"] == 1
    stage.config.write_text(whole.partition("[[issuers]]")[0])
    await stage.server.reload(load(stage.config, {}))
    refused = await asyncio.to_thread(stage.ask, "GET", "/v1/messages", token)
    assert (refused.status_code, refused.json()["code"]) == (401, "token_invalid")
    stage.config.write_text(whole)
    await stage.server.reload(load(stage.config, {}))
    assert (await asyncio.to_thread(stage.ask, "GET", "/v1/messages", token)).status_code == 200


async def _known(stage: Stage, key: str) -> None:
    """The server has heard of a key that was made on the command line."""
    async with asyncio.timeout(30):
        while stage.server.keys.find(key[:16]) is None:
            await asyncio.sleep(0.02)
