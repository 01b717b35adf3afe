"""Documents of servers that the operator named: GET, bounded in size and time, without redirects.

For addresses of the operator's alone. What customers name goes through :mod:`heliograph.outbound.direct`.
"""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp

from heliograph.contracts import HttpFailure

__all__ = ["Fetching"]

_TIMEOUT_S: Final = 5.0
_CHUNK_OCTETS: Final = 16_384
_HEADERS: Final = {"Accept": "application/json, application/jwk-set+json", "Accept-Encoding": "identity"}


class Fetching:
    """One client for all of them. No proxies, cookies or decompression. ``timeout_s`` covers the whole answer."""

    def __init__(self, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str, most_octets: int) -> bytes:
        """The body of a 200. Raises :class:`HttpFailure`; its detail names no address and no content."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                headers=_HEADERS,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        try:
            async with self._session.get(url, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise HttpFailure("bad_answer", f"it answers {answer.status}")
                return await _bounded(answer, most_octets)
        except TimeoutError:
            raise HttpFailure("timeout", "it does not answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:  # RuntimeError: closed meanwhile
            raise HttpFailure("unreachable", f"it can't be reached ({type(error).__name__})") from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)  # transports say goodbye


async def _bounded(answer: aiohttp.ClientResponse, most_octets: int) -> bytes:
    found = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK_OCTETS):
        found += chunk
        if len(found) > most_octets:
            raise HttpFailure("bad_answer", f"its answer has more than {most_octets} octets")
    return bytes(found)
