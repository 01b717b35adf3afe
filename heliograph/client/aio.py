"""The client for asyncio. One for a program; tasks share its connections."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import TypeVar, Unpack

import aiohttp

from heliograph import __version__
from heliograph.client import calls
from heliograph.client.calls import Filter, MessageFields, OutgoingMessage
from heliograph.client.core import Answer, Call, Exchange, Retries, Server, Timeouts
from heliograph.client.values import Accepted, Event, Inspection, Message, PublishableToken, Refused, Webhook

__all__ = ["AsyncClient"]

T = TypeVar("T")


class AsyncClient:
    """Sends messages and follows them; the methods of :class:`~heliograph.client.sync.Client`, awaited.

    Close it, or use it in ``async with``: it opens its connections at the first call.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        proxy: str | None = None,
        ca_file: str | None = None,
        connections: int = 100,
    ) -> None:
        self._server = Server(
            url=url or os.environ.get("HELIOGRAPH_URL", ""), key=key or os.environ.get("HELIOGRAPH_KEY", "")
        )
        self._retries = retries or Retries()
        self._timeouts = timeouts or Timeouts()
        self._proxy = proxy
        self._ca_file = ca_file
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._user_agent = f"heliograph-python/{__version__}"

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections. The next call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # --- messages --------------------------------------------------------------------------------

    async def send(
        self, to: str, text: str | None = None, *, idempotency_key: str | None = None, **fields: Unpack[MessageFields]
    ) -> Accepted:
        """Sends one message: it is durable when this returns."""
        return await self._run(calls.send(to, text, fields, idempotency_key))

    async def send_batch(
        self, messages: Sequence[OutgoingMessage], *, idempotency_key: str | None = None
    ) -> tuple[Accepted | Refused, ...]:
        """Sends up to 10,000 in one transaction: a result for each, in order. A refused one spoils no other."""
        return await self._run(calls.send_batch(messages, idempotency_key))

    async def message(self, message_id: str) -> Message:
        """One message with its segments and attempts."""
        return await self._run(calls.message(message_id))

    async def events(self, message_id: str) -> tuple[Event, ...]:
        """What happened to a message, in order."""
        return await self._run(calls.events_of(message_id))

    async def messages(self, *, page: int = 100, **asked: Unpack[Filter]) -> AsyncIterator[Message]:
        """All messages of a filter, newest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            found = await self._run(calls.messages(asked, page, cursor))
            for one in found.messages:
                yield one
            cursor = found.next
            if cursor is None:
                return

    async def cancel(self, message_id: str, *, idempotency_key: str | None = None) -> Message:
        """Takes back a message that is not on its way yet. Raises ``Conflict`` (``too_late``) otherwise."""
        return await self._run(calls.cancel(message_id, idempotency_key))

    async def reschedule(
        self, message_id: str, *, idempotency_key: str | None = None, **fields: Unpack[MessageFields]
    ) -> Message:
        """Gives a scheduled message another date: ``send_at``, or ``send_at_local`` and ``time_zone``."""
        return await self._run(calls.reschedule(message_id, fields, idempotency_key))

    async def inspect(self, text: str, *, encoding: str = "auto") -> Inspection:
        """What a text needs: encoding, segments, and why."""
        return await self._run(calls.inspect(text, encoding))

    # --- web pages -------------------------------------------------------------------------------

    async def prepare(
        self,
        to: str,
        text: str | None = None,
        *,
        origins: Sequence[str],
        expires_in_s: int = 600,
        idempotency_key: str | None = None,
        **fields: Unpack[MessageFields],
    ) -> PublishableToken:
        """Prepares a message that a page of these origins can start once; its token is in the answer, once."""
        return await self._run(calls.prepare(to, text, fields, origins, expires_in_s, idempotency_key))

    async def publishable_token(self, token_id: str) -> PublishableToken:
        """What became of a token, until a day after its end."""
        return await self._run(calls.publishable_token(token_id))

    async def revoke_publishable_token(self, token_id: str) -> None:
        """Ends a token, everywhere at once."""
        await self._run(calls.revoke_publishable_token(token_id))

    # --- webhooks --------------------------------------------------------------------------------

    async def webhooks(self) -> tuple[Webhook, ...]:
        """Your endpoints."""
        return await self._run(calls.webhooks())

    async def create_webhook(
        self, url: str, *, events: Sequence[str] = (), batch: int = 1, idempotency_key: str | None = None
    ) -> Webhook:
        """Makes an endpoint; its secret is in the answer, once. No ``events`` means all."""
        return await self._run(calls.create_webhook(url, events, batch, idempotency_key))

    async def delete_webhook(self, webhook_id: str) -> None:
        """Deletes an endpoint."""
        await self._run(calls.delete_webhook(webhook_id))

    # --- one call --------------------------------------------------------------------------------

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            context = ssl.create_default_context(cafile=self._ca_file) if self._ca_file is not None else True
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, ssl=context),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self._timeouts.connect_s, sock_read=self._timeouts.answer_s
                ),
                auto_decompress=True,
            )
        return self._session

    async def _run(self, call: Call[T]) -> T:
        exchange = Exchange(call, self._retries)
        url, headers = call.url(self._server), call.headers(self._server, self._user_agent)
        while True:
            try:
                got = await self._ask(call, url, headers)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                wait_s = exchange.failed(f"{type(error).__name__}: {error}")
            else:
                result, wait = exchange.answered(got)
                if wait is None:
                    return result  # type: ignore[return-value]
                wait_s = wait
            await asyncio.sleep(wait_s)

    async def _ask(self, call: Call[T], url: str, headers: dict[str, str]) -> Answer:
        asked = self._open().request(
            call.method, url, data=call.body, headers=headers, proxy=self._proxy, allow_redirects=False
        )
        async with asked as got:
            body = await got.read()
            names = {name.lower(): value for name, value in got.headers.items()}
            return Answer(status=got.status, headers=names, body=body)
