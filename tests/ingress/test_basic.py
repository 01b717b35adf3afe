"""HTTP Basic: the id of a key as user, the key as password, and the same caller as by Bearer."""

from __future__ import annotations

import base64

import pytest

from tests.ingress.house import Answer, House

SENT = {"to": "+4915112345678", "from": "12345", "text": "hello"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def asked(api: House, headers: dict[str, str], client: str = "127.0.0.1") -> Answer:
    return await api.call("GET", "/v1/messages", key=None, headers=headers, client=client)


async def test_both_doors_take_it(api: House) -> None:
    headers = basic(api.key[:16], api.key)
    assert (await asked(api, headers)).status == 200
    assert (await api.call("POST", "/v1/messages", SENT, key=None, headers=headers)).status == 202
    assert (await api.lean("/v1/messages", SENT, headers=headers)).status == 202
    forbidden = await api.call("GET", "/v1/keys", key=None, headers=headers)
    assert (forbidden.status, forbidden.code) == (403, "forbidden")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: basic(key[:15], key),
        lambda key: basic("", key),
        lambda key: basic(key, ""),
        lambda key: basic(key[:16], key[:-1]),
        lambda key: basic(key[:16], "x." + key),
        lambda key: basic("h\u00e9", "\u20ac" * 100),
        lambda key: {"Authorization": "Basic " + key},
        lambda key: {"Authorization": "Basic \u00e9"},
        lambda key: {"Authorization": "Basic"},
        lambda key: {"Authorization": "Basic " + "A" * 20_000},
    ],
)
async def test_whatever_is_wrong_is_answered_as_a_wrong_key(api: House, spoil: object) -> None:
    headers = spoil(api.key)  # type: ignore[operator]
    headers = {name: value.encode("utf-8").decode("latin-1") for name, value in headers.items()}
    wrong = await api.call("GET", "/v1/messages", key="hg_live_" + "0" * 64)
    answer = await asked(api, headers)
    assert (answer.status, answer.code, answer.body) == (401, "unauthorized", wrong.body)


async def test_a_browser_is_refused(api: House) -> None:
    answer = await asked(api, basic(api.key[:16], api.key) | {"Origin": "https://shop.example"})
    assert (answer.status, answer.code) == (403, "browser_origin")


async def test_who_tries_passwords_waits(api: House) -> None:
    answers = [await asked(api, basic(api.key[:16], f"guess {at}"), "198.51.100.1") for at in range(12)]
    assert [one.status for one in answers] == [401] * 10 + [429] * 2
    assert (await asked(api, basic(api.key[:16], api.key), "198.51.100.1")).status == 429
    assert (await asked(api, basic(api.key[:16], api.key), "198.51.100.2")).status == 200
