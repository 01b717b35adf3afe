"""The client for ordinary programs. Threads may share one: its connections are a pool."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TypeVar, Unpack

import urllib3

from heliograph import __version__
from heliograph.client import calls
from heliograph.client.calls import Filter, MessageFields, OutgoingMessage
from heliograph.client.core import Answer, Call, Exchange, Retries, Server, Timeouts
from heliograph.client.values import Accepted, Event, Inspection, Message, PublishableToken, Refused, Webhook

__all__ = ["Client"]

T = TypeVar("T")


class Client:
    """Sends messages and follows them.

    ``url`` and ``key`` come from ``HELIOGRAPH_URL`` and ``HELIOGRAPH_KEY`` where they are not given. Every call
    is tried again as ``retries`` say, and what is sent is sent once: under an idempotency key, the call's own unless
    you give one. Raises :class:`~heliograph.client.faults.ProblemError` where the server says no and
    :class:`~heliograph.client.faults.NoAnswer` where it says nothing.
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
        connections: int = 10,
    ) -> None:
        self._server = Server(
            url=url or os.environ.get("HELIOGRAPH_URL", ""), key=key or os.environ.get("HELIOGRAPH_KEY", "")
        )
        self._retries = retries or Retries()
        timeouts = timeouts or Timeouts()
        timeout = urllib3.Timeout(connect=timeouts.connect_s, read=timeouts.answer_s)
        self._pool: urllib3.PoolManager = (
            urllib3.PoolManager(timeout=timeout, retries=False, maxsize=connections, ca_certs=ca_file)
            if proxy is None
            else urllib3.ProxyManager(proxy, timeout=timeout, retries=False, maxsize=connections, ca_certs=ca_file)
        )
        self._user_agent = f"heliograph-python/{__version__}"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections. The next call opens new ones."""
        self._pool.clear()

    # --- messages --------------------------------------------------------------------------------

    def send(
        self, to: str, text: str | None = None, *, idempotency_key: str | None = None, **fields: Unpack[MessageFields]
    ) -> Accepted:
        """Sends one message: it is durable when this returns."""
        return self._run(calls.send(to, text, fields, idempotency_key))

    def send_batch(
        self, messages: Sequence[OutgoingMessage], *, idempotency_key: str | None = None
    ) -> tuple[Accepted | Refused, ...]:
        """Sends up to 10,000 in one transaction: a result for each, in order. A refused one spoils no other."""
        return self._run(calls.send_batch(messages, idempotency_key))

    def message(self, message_id: str) -> Message:
        """One message with its segments and attempts."""
        return self._run(calls.message(message_id))

    def events(self, message_id: str) -> tuple[Event, ...]:
        """What happened to a message, in order."""
        return self._run(calls.events_of(message_id))

    def messages(self, *, page: int = 100, **asked: Unpack[Filter]) -> Iterator[Message]:
        """All messages of a filter, newest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            found = self._run(calls.messages(asked, page, cursor))
            yield from found.messages
            cursor = found.next
            if cursor is None:
                return

    def cancel(self, message_id: str, *, idempotency_key: str | None = None) -> Message:
        """Takes back a message that is not on its way yet. Raises ``Conflict`` (``too_late``) otherwise."""
        return self._run(calls.cancel(message_id, idempotency_key))

    def reschedule(
        self, message_id: str, *, idempotency_key: str | None = None, **fields: Unpack[MessageFields]
    ) -> Message:
        """Gives a scheduled message another date: ``send_at``, or ``send_at_local`` and ``time_zone``."""
        return self._run(calls.reschedule(message_id, fields, idempotency_key))

    def inspect(self, text: str, *, encoding: str = "auto") -> Inspection:
        """What a text needs: encoding, segments, and why."""
        return self._run(calls.inspect(text, encoding))

    # --- web pages -------------------------------------------------------------------------------

    def prepare(
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
        return self._run(calls.prepare(to, text, fields, origins, expires_in_s, idempotency_key))

    def publishable_token(self, token_id: str) -> PublishableToken:
        """What became of a token, until a day after its end."""
        return self._run(calls.publishable_token(token_id))

    def revoke_publishable_token(self, token_id: str) -> None:
        """Ends a token, everywhere at once."""
        self._run(calls.revoke_publishable_token(token_id))

    # --- webhooks --------------------------------------------------------------------------------

    def webhooks(self) -> tuple[Webhook, ...]:
        """Your endpoints."""
        return self._run(calls.webhooks())

    def create_webhook(
        self, url: str, *, events: Sequence[str] = (), batch: int = 1, idempotency_key: str | None = None
    ) -> Webhook:
        """Makes an endpoint; its secret is in the answer, once. No ``events`` means all."""
        return self._run(calls.create_webhook(url, events, batch, idempotency_key))

    def delete_webhook(self, webhook_id: str) -> None:
        """Deletes an endpoint."""
        self._run(calls.delete_webhook(webhook_id))

    # --- one call --------------------------------------------------------------------------------

    def _run(self, call: Call[T]) -> T:
        exchange = Exchange(call, self._retries)
        url, headers = call.url(self._server), call.headers(self._server, self._user_agent)
        while True:
            try:
                got = self._pool.request(call.method, url, body=call.body, headers=headers, redirect=False)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                wait_s = exchange.failed(f"{type(error).__name__}: {error}")
            else:
                names = {name.lower(): value for name, value in got.headers.items()}
                result, wait = exchange.answered(Answer(status=got.status, headers=names, body=got.data))
                if wait is None:
                    return result  # type: ignore[return-value]
                wait_s = wait
            time.sleep(wait_s)
