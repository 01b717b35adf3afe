"""Names to addresses, on threads of our own: a slow name server must not hold up the program's other threads."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from heliograph.outbound.addresses import AddressRefused, is_public

__all__ = ["GuardedResolver"]

_THREADS: Final = 16
_MOST_ADDRESSES: Final = 8
"""Of a name's addresses: more would only stretch the time that a dead host takes."""


class GuardedResolver(AbstractResolver):
    """Gives the addresses of a name that are allowed; raises :class:`AddressRefused` where none is."""

    def __init__(self, *, allow_private_addresses: bool) -> None:
        self._allow_private = allow_private_addresses
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port, family)
        allowed = [entry for entry in found if self._allow_private or is_public(entry["host"])]
        if found and not allowed:
            raise AddressRefused(f"{host} leads to private or reserved addresses only")
        return allowed[:_MOST_ADDRESSES]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int, family: int) -> list[ResolveResult]:
    """Raises ``OSError`` (``gaierror``) where the name is not known."""
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        if kind in (socket.AF_INET, socket.AF_INET6)
    ]
