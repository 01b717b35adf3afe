"""Publishable tokens as these tests make and use them."""

from __future__ import annotations

from typing import Any

from tests.ingress.house import Answer, House

__all__ = ["BODY", "MESSAGE", "PATH", "SHOP", "made", "messages", "start", "told"]

SHOP = "https://shop.example"
MESSAGE = {"to": "+4915123456789", "from": "12345", "text": "Your code is 4711"}
BODY: dict[str, Any] = {"message": MESSAGE, "origins": [SHOP]}
PATH = "/v1/publishable-tokens"


async def made(api: House, body: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    answer = await api.call("POST", PATH, body or BODY, **more)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


async def start(api: House, token: str | None, origin: str | None = SHOP, body: bytes = b"", **more: Any) -> Answer:
    headers = {} if origin is None else {"Origin": origin}
    return await api.call("POST", "/v1/start", body, key=token, headers=headers, **more)


async def messages(api: House, key: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.call("GET", "/v1/messages", key=key)).json["messages"]
    return found


def told(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code
