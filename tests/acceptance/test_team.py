"""The life of a team, by HTTP and by command: what it sets up holds on a running server, refusals have their codes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from heliograph.app import Heliograph
from heliograph.config import load

CONFIG = """\
[http]
listen = "127.0.0.1:0"
[store]
url = "sqlite:///{folder}/store.db"
"""
TEAM = "messages:send,messages:read,inspect,webhooks,keys,accounts"

Said = tuple[int, dict[str, Any], Mapping[str, str]]


class Team:
    """A server, the commands beside it, and everybody who calls."""

    def __init__(self, config: Path, url: str, http: aiohttp.ClientSession) -> None:
        self._config = config
        self._url = url
        self._http = http

    async def command(self, *words: str) -> str:
        line = [sys.executable, "-m", "heliograph", *words, "--config", str(self._config)]
        done = await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    async def ask(self, key: str, method: str, path: str, body: Any = None, **headers: str) -> Said:
        sent = {"Authorization": f"Bearer {key}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._http.request(method, f"{self._url}/v1/{path}", json=body, headers=sent) as answer:
            said = await answer.json() if answer.content_length else {}
            return answer.status, said, answer.headers

    async def until(self, asked: Callable[[], Awaitable[Said]], status: int, code: str | None = None) -> Said:
        async with asyncio.timeout(60):
            while True:
                found = await asked()
                if found[0] == status and found[1].get("code") == code:
                    return found
                await asyncio.sleep(0.05)


async def test_a_team_sets_itself_up_and_what_it_may_not_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "heliograph.toml"
    config.write_text(CONFIG.format(folder=tmp_path))
    async with Heliograph(load(config, {})) as server, aiohttp.ClientSession() as http:
        team = Team(config, server.url, http)
        await team.command("accounts", "create", "acme")
        lead = await team.command("keys", "create", "--account", "acme", "--scopes", TEAM)
        stranger = await team.command("keys", "create", "--account", "other", "--scopes", TEAM)
        operator = await team.command("keys", "create", "--account", "house", "--scopes", "admin")
        await team.until(lambda: team.ask(operator, "GET", "accounts"), 200)

        # a sub-account, changed by its version
        status, shop, headers = await team.ask(lead, "POST", "accounts", {"name": "shop"})
        assert (status, shop["name"], shop["parent"]) == (201, "acme.shop", "acme")
        change = {"settings": {"default_region": "DE"}}
        assert (await team.ask(lead, "PATCH", "accounts/acme.shop", change, If_Match=headers["ETag"]))[0] == 200
        late = await team.ask(lead, "PATCH", "accounts/acme.shop", change | {"closed": True}, If_Match=headers["ETag"])
        assert (late[0], late[1]["code"]) == (412, "version_mismatch")
        assert (await team.ask(stranger, "GET", "accounts/acme.shop"))[1]["code"] == "not_found"

        # people
        ada = {"email": "ada@example.com", "role": "owner"}
        assert (await team.ask(lead, "POST", "people", ada))[0] == 201
        assert (await team.ask(lead, "DELETE", "people/ada@example.com"))[1]["code"] == "conflict"
        assert "ada@example.com" in await team.command("people", "list")

        # keys with scopes, for the sub-account; nobody hands on more than they have
        wish = {"account": "acme.shop", "name": "till", "scopes": ["messages:send", "messages:read"]}
        status, till, _ = await team.ask(lead, "POST", "keys", wish)
        assert (status, till["account"]) == (201, "acme.shop")
        await team.until(lambda: team.ask(till["key"], "GET", "messages"), 200)
        assert (await team.ask(till["key"], "GET", "webhooks"))[1]["code"] == "forbidden"
        assert (await team.ask(lead, "POST", "keys", wish | {"scopes": ["admin"]}))[1]["code"] == "forbidden"
        assert (await team.ask(stranger, "GET", f"keys/{till['id']}"))[1]["code"] == "not_found"
        assert (await team.ask(stranger, "POST", "keys", wish))[1]["code"] == "not_found"

        # rotated: both hold; revoked: one no more
        _, fresh, _ = await team.ask(lead, "POST", f"keys/{till['id']}/rotate", {"overlap_s": 3600})
        await team.until(lambda: team.ask(fresh["key"], "GET", "messages"), 200)
        assert (await team.ask(till["key"], "GET", "messages"))[0] == 200
        assert (await team.ask(lead, "DELETE", f"keys/{till['id']}"))[0] == 204
        await team.until(lambda: team.ask(till["key"], "GET", "messages"), 401, "unauthorized")

        # guessed at: locked, and the right key goes on
        guess = fresh["key"][:20] + "0" * (len(fresh["key"]) - 20)
        await team.until(lambda: team.ask(guess, "GET", "messages"), 429, "too_many_failures")
        assert (await team.ask(fresh["key"], "GET", "messages"))[0] == 200

        # limited
        assert (await team.ask(lead, "PUT", "limits/account:acme", {"requests_per_day": 9}))[1]["code"] == "forbidden"
        assert (await team.ask(lead, "PUT", "limits/account:acme.shop", {"requests_per_day": 2}))[0] == 200
        over = await team.until(lambda: team.ask(fresh["key"], "GET", "messages"), 429, "quota_exhausted")
        assert "q=2" in over[2]["RateLimit-Policy"]
        await team.command("limits", "remove", "account:acme.shop")
        await team.until(lambda: team.ask(fresh["key"], "GET", "messages"), 200)

        # closed by command, seen by the server
        await team.command("accounts", "close", "acme.shop")
        await team.until(lambda: team.ask(fresh["key"], "GET", "messages"), 401, "unauthorized")
        assert (await team.ask(lead, "GET", "messages?account=tree"))[0] == 200

        # all of it is in the trail, and nothing that is secret
        own = (await team.ask(lead, "GET", "audit?account=tree&limit=200"))[1]["entries"]
        assert {one["account"] for one in own} == {"acme", "acme.shop"}
        assert {one["actor"] for one in own} >= {lead[:16], "operator"}
        assert (await team.ask(stranger, "GET", "audit?account=acme"))[1]["code"] == "field_invalid"
        _, trail, _ = await team.ask(operator, "GET", "audit?limit=200")
        done = {(one["action"], one["object_kind"], one["object_name"]) for one in trail["entries"]}
        assert done >= {
            ("create", "account", "acme"),
            ("create", "account", "acme.shop"),
            ("change", "account", "acme.shop"),
            ("create", "person", "ada@example.com"),
            ("create", "key", till["id"]),
            ("rotate", "key", till["id"]),
            ("revoke", "key", till["id"]),
            ("create", "limit", "account:acme.shop"),
            ("delete", "limit", "account:acme.shop"),
            ("close", "account", "acme.shop"),
        }
        assert "refused" in {one["outcome"] for one in trail["entries"]}
        assert {one["actor_kind"] for one in trail["entries"]} >= {"key", "command"}
        assert till["key"] not in str(trail)
        assert "acme.shop" in await team.command("audit", "list")
