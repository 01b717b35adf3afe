"""Asking a running server: a request as an operation and what is set in it, and the whole answer."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from tests.surface.operations import Operation, Place

__all__ = ["Answer", "Asker", "together"]

T = TypeVar("T")
_AT_ONCE = 8
_OF_THE_MOMENT = ("date", "content-length")


class Answer(NamedTuple):
    """What was said, without what differs from one moment to the next."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def code(self) -> str | None:
        """The problem's code, if it is one."""
        return json.loads(self.body)["code"] if self.status >= 400 else None

    @property
    def busy(self) -> bool:
        """A documented answer under load, which says nothing of what was asked."""
        return self.status in (429, 503) and self.code in ("overloaded", "rate_limited")

    def without(self, *words: str) -> Answer:
        """The same, with these words taken out."""
        body = self.body
        for word in words:  # a sentence begins with a capital
            body = re.sub(rb"(?<!\w)" + re.escape(word.encode()) + rb"(?!\w)", b"#", body, flags=re.IGNORECASE)
        return self._replace(body=body)


@dataclass
class Asker:
    """Asks at ``url``; used as an asynchronous context."""

    url: str

    async def __aenter__(self) -> Asker:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def ask(
        self,
        operation: Operation,
        key: str | None,
        *,
        path: Mapping[str, str] | None = None,
        place: Place | None = None,
        value: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The operation's example, with ``value`` in ``place``; ``path`` names what stands in braces."""
        target = operation.path
        for name in operation.names:
            target = target.replace(f"{{{name}}}", quote((path or {}).get(name, "nothing"), safe=""))
        sent = {} if key is None else {"Authorization": f"Bearer {key}"}
        sent |= dict(headers or {})
        body = operation.example
        if place is not None and place.where == "query":
            target += "?" + urlencode({place.name: value})
        elif place is not None and place.where == "header":
            sent[place.name] = value
        elif place is not None:
            body = operation.body_with(place, value)
        octets = None
        if body is not None:
            sent["Content-Type"] = operation.media or ""
            form = sent["Content-Type"] == "application/x-www-form-urlencoded"
            octets = (urlencode(body, errors="replace") if form else json.dumps(body)).encode()
        return await self.raw(operation.method, target, sent, octets)

    async def raw(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Any request; one that finds the server busy is asked again, as its answer says."""
        asked = URL(self.url + target, encoded=True)
        async with asyncio.timeout(60):
            while (answer := await self._once(method, asked, headers, body)).busy:
                await asyncio.sleep(0.05)
        return answer

    async def _once(self, method: str, asked: URL, headers: Mapping[str, str], body: bytes | None) -> Answer:
        async with self._http.request(method, asked, headers=headers, data=body, allow_redirects=False) as answer:
            names = sorted((name.lower(), said) for name, said in answer.headers.items())
            kept = tuple((name, said) for name, said in names if name not in _OF_THE_MOMENT)
            return Answer(answer.status, kept, await answer.read())


async def together(asked: Iterable[Awaitable[T]]) -> list[T]:
    """All of them, a few at once, in order."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(what: Awaitable[T]) -> T:
        async with slots:
            return await what

    return list(await asyncio.gather(*map(one, asked)))
