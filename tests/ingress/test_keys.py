"""What a caller hears whose key may not be used now, from here: the same through the door and behind FastAPI."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ingress.house import House, call, house

GOOD = {"to": "+4915112345678", "from": "12345", "text": "hello"}


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"addresses": ("127.0.0.0/8",)}, 202, None),
        ({"addresses": ("192.0.2.0/24",)}, 403, "address_not_allowed"),
        ({"expires_us": 1}, 401, "key_expired"),
        ({"expires_us": 1, "addresses": ("192.0.2.0/24",)}, 403, "address_not_allowed"),
    ],
)
async def test_a_key_is_used_where_and_while_it_may(
    tmp_path: Path, more: dict[str, object], status: int, code: str | None
) -> None:
    async with house(tmp_path) as api:
        key = await api.make("demo", **more)
        headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": "192.0.2.7", "Forwarded": "for=192.0.2.7"}
        lean = await api.lean("/v1/messages", GOOD, headers=headers)
        long = await api.lean("/v1/messages", GOOD, headers=headers, chunks=4)
        cold = await call(api.app, "POST", "/v1/messages", GOOD, headers=headers)
        for answer in (lean, long, cold):
            assert (answer.status, answer.code if code else None) == (status, code)


async def test_another_address_is_another_caller(tmp_path: Path) -> None:
    async with house(tmp_path) as api:
        await is_for(api, await api.make("demo", addresses=("2001:db8::/32",)))


async def is_for(api: House, key: str) -> None:
    for client, status in (("2001:db8::7", 200), ("2001:db9::7", 403), ("192.0.2.7", 403)):
        assert (await api.call("GET", "/v1/messages", key=key, client=client)).status == status


@pytest.mark.parametrize(("origin", "code"), [("https://shop.example", "browser_origin"), ("null", "browser_origin")])
async def test_a_key_in_a_page_is_refused_at_every_door(tmp_path: Path, origin: str, code: str) -> None:
    async with house(tmp_path) as api:
        for key, expected in ((api.key, (403, code)), ("hg_live_nobodys", (401, "unauthorized"))):
            headers = {"Authorization": f"Bearer {key}", "Origin": origin}
            answers = [
                await api.lean("/v1/messages", GOOD, headers=headers),
                await api.lean("/v1/messages", GOOD, headers=headers, chunks=4),
                await call(api.app, "POST", "/v1/messages", GOOD, headers=headers),
                await call(api.app, "GET", "/v1/messages", headers=headers),
            ]
            assert {(answer.status, answer.code) for answer in answers} == {expected}
        assert b'heliograph_refused_requests_total{code="browser_origin"} 4.0' in api.metrics.exposition()
