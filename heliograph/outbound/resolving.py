"""Names to addresses, on threads of our own: a slow name server must not hold up the program's other threads."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from heliograph.outbound.addresses import AddressRefused, is_public

__all__ = ["Address", "GuardedResolver"]

_THREADS: Final = 16
_MOST_ADDRESSES: Final = 8
"""Of a name's addresses: more would only stretch the time that a dead host takes."""


class Address(NamedTuple):
    """Where a socket may lead: ``host`` is an IP address in text, ``protocol`` the number that goes with the family."""

    host: str
    port: int
    family: int
    protocol: int


class GuardedResolver:
    """Gives the addresses of a name that are allowed; raises :class:`AddressRefused` where none is."""

    def __init__(self, *, allow_private_addresses: bool) -> None:
        self._allow_private = allow_private_addresses
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolve")

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Raises ``OSError`` (``gaierror``) where the name is not known."""
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
        allowed = [address for address in found if self._allow_private or is_public(address.host)]
        if found and not allowed:
            raise AddressRefused(f"{host} leads to private or reserved addresses only")
        return allowed[:_MOST_ADDRESSES]

    def close(self) -> None:
        """Look-ups that still run are left to their end, unheard."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[Address]:
    return [
        Address(str(address[0]), port, family, protocol)
        for family, _, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if family in (socket.AF_INET, socket.AF_INET6)
    ]
