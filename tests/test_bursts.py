"""Writes that leave together."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from heliograph.bursts import Burst


@asynccontextmanager
async def connection() -> AsyncIterator[tuple[asyncio.Transport, asyncio.StreamReader]]:
    """Our end, and what the other end reads."""
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    yield transport, reader
    transport.abort()
    writer.close()


async def test_writes_wait_for_the_end_of_the_turn_and_keep_their_order() -> None:
    burst = Burst()
    async with connection() as (first, one), connection() as (second, other):
        for number in range(3):
            burst.write(first, b"%d" % number)
            burst.write(second, b"%d" % (number + 5))
        asyncio.get_running_loop().call_soon(first.write, b"!")  # what is written by itself later stays behind
        async with asyncio.timeout(5):
            assert await one.readexactly(4) == b"012!"
            assert await other.readexactly(3) == b"567"


async def test_a_flush_writes_now_and_once() -> None:
    burst = Burst()
    async with connection() as (transport, reader):
        burst.write(transport, b"a")
        burst.flush()
        transport.write(b"b")
        burst.write(transport, b"c")
        async with asyncio.timeout(5):
            assert await reader.readexactly(3) == b"abc"
        assert transport.get_write_buffer_size() == 0


async def test_a_connection_that_closed_meanwhile_disturbs_nobody() -> None:
    burst = Burst()
    async with connection() as (gone, _), connection() as (stays, reader):
        burst.write(gone, b"lost")
        burst.write(stays, b"told")
        gone.abort()
        async with asyncio.timeout(5):
            assert await reader.readexactly(4) == b"told"
