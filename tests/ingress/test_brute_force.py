"""Wrong keys over HTTP: the same answer for whatever is wrong, then a wait, and nobody else is kept out."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from heliograph.access import tokens
from heliograph.access.guard import Guard
from heliograph.model import CUSTOMER_SCOPES
from tests.ingress.house import Answer, House
from tests.ingress.test_oauth import FORM, form_of, token_of
from tests.keys import revoke_key


async def tried(api: House, key: str, client: str) -> Answer:
    return await api.call("GET", "/v1/messages", key=key, client=client)


def seen(answer: Answer) -> tuple[int, bytes, dict[str, str]]:
    return answer.status, answer.body, answer.headers


async def test_unknown_and_wrong_are_answered_alike_to_the_last_octet(api: House) -> None:
    last = "0" if api.key[-1] != "0" else "1"
    wrong, unknown = api.key[:-1] + last, "hg_live_" + "0" * 64
    for at in range(20):
        there = await tried(api, wrong, "198.51.100.1")
        nobodys = await tried(api, unknown, "198.51.100.2")
        assert seen(there) == seen(nobodys)
        assert there.status == (401 if at < 10 else 429)
    assert there.code == "too_many_failures"
    assert there.headers["retry-after"] == "1"


async def test_a_customer_is_not_locked_out_by_500_strangers(api: House) -> None:
    wrong = api.key[:16] + "0" * 56
    answers = [(await tried(api, wrong, f"198.51.{at >> 8}.{at & 255}")).status for at in range(500)]
    assert (answers[:10], set(answers[10:])) == ([401] * 10, {429})
    assert (await tried(api, api.key, "203.0.113.1")).status == 200
    assert (await tried(api, api.key, "198.51.0.3")).status == 429


async def test_a_neighbour_at_the_same_address_does_no_harm(api: House) -> None:
    assert (await tried(api, api.key, "192.0.2.1")).status == 200
    for _ in range(30):
        await tried(api, "hg_live_" + "0" * 64, "192.0.2.1")
    assert (await tried(api, api.key, "192.0.2.1")).status == 200
    assert (await tried(api, api.stranger, "192.0.2.1")).status == 429


# --- access tokens ---------------------------------------------------------------------------------
def forged(token: str, at: int = 0) -> str:
    """The token with another signature: all that it says stays."""
    head, claims, signature = token.split(".")
    first = "B" if signature[at] == "A" else "A"
    return f"{head}.{claims}.{signature[:at]}{first}{signature[at + 1 :]}"


async def statuses(api: House, token: str, client: str, count: int = 1) -> list[int]:
    return [(await tried(api, token, client)).status for _ in range(count)]


@pytest.fixture
def still(api: House) -> House:
    """The house with a guard whose time stands still: no wait is over before it was looked for."""
    now_us = api.services.now_us()
    api.services.keys.guard = Guard(lambda: now_us)
    return api


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every signature that is looked at."""
    looked: list[Any] = []

    def verify(token: Any, key: Any, real: Any = tokens.verify) -> None:
        looked.append(token)
        real(token, key)

    monkeypatch.setattr(tokens, "verify", verify)
    return looked


async def test_forged_tokens_wait_like_wrong_keys_and_cost_nothing_then(still: House, verified: list[Any]) -> None:
    bad = forged(await token_of(still, still.key))
    assert await statuses(still, bad, "198.51.100.1", 30) == [401] * 10 + [429] * 20
    assert len(verified) == 10
    assert (await tried(still, still.stranger, "198.51.100.1")).code == "too_many_failures"
    garbage = [await statuses(still, f"{at}.no.token", "198.51.100.2") for at in range(12)]
    assert garbage == [[401]] * 10 + [[429]] * 2


async def test_what_a_forged_token_says_locks_nobody(still: House) -> None:
    """Anybody can write a customer's key into a token: it counts where it comes from, and with all."""
    good = await token_of(still, still.key)
    for at in range(500):
        assert (await tried(still, forged(good, at % 80), f"198.51.{at >> 8}.{at & 255}")).status == 401
    assert still.services.keys.guard.sizes()[:2] == (500, 0)
    assert await statuses(still, good, "198.51.0.3") == [200]  # even there
    assert await statuses(still, still.key, "198.51.0.4") == [200]
    assert await statuses(still, good, "203.0.113.1") == [200]


async def test_a_token_gets_in_where_its_key_was_good_whatever_a_neighbour_does(still: House) -> None:
    assert await statuses(still, still.key, "192.0.2.1") == [200]
    await statuses(still, forged(await token_of(still, still.stranger)), "192.0.2.1", 20)
    assert await statuses(still, await token_of(still, still.key), "192.0.2.1") == [200]
    assert await statuses(still, await token_of(still, still.stranger), "192.0.2.1") == [429]


async def test_tokens_that_end_are_no_failures(still: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every client meets the end of its token, and a server that begins anew knows none of those before."""
    key = await still.make("demo", CUSTOMER_SCOPES, expires_us=still.services.now_us() + 3_600_000_000)
    token = await token_of(still, key)
    issuer = still.services.keys.tokens
    assert issuer is not None
    monkeypatch.setattr(issuer, "_now_us", lambda: still.services.now_us() + 7_200_000_000)
    assert await statuses(still, token, "192.0.2.1", 30) == [401] * 30
    assert still.services.keys.guard.sizes()[:2] == (0, 0)


async def test_a_token_of_a_revoked_key_counts_as_the_key(still: House) -> None:
    key = await still.make("demo")
    token = await token_of(still, key)
    await revoke_key(still.store, key[:16], 1)
    await still.services.keys.refresh()
    assert await statuses(still, token, "192.0.2.1", 12) == [401] * 10 + [429] * 2
    assert still.services.keys.guard.sizes()[:2] == (1, 1)


async def test_wrong_client_secrets_are_counted_under_their_client(still: House) -> None:
    async def asked(secret: str, client: str) -> tuple[int, Any]:
        form = urlencode({**form_of(still.key), "client_secret": secret}).encode()
        answer = await still.call("POST", "/oauth/token", form, key=None, headers=FORM, client=client)
        return answer.status, json.loads(answer.body).get("error") or json.loads(answer.body).get("code")

    for at in range(10):
        secret = ("nonsense", still.stranger, "a.b.c", still.key[:16] + "0" * 56)[at % 4]
        assert await asked(secret, f"198.51.100.{at}") == (401, "invalid_client")
    assert await asked("nonsense", "198.51.100.99") == (429, "too_many_failures")
    assert await asked(still.key, "198.51.100.3") == (429, "too_many_failures")
    assert await asked(still.key, "203.0.113.1") == (200, None)
    assert still.services.keys.guard.sizes() == (11, 1, 1)
