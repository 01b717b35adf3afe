"""Wrong keys over HTTP: the same answer for whatever is wrong, then a wait, and nobody else is kept out."""

from __future__ import annotations

from tests.ingress.house import Answer, House


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
