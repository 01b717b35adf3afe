"""The guarded door: :class:`contracts.Http` on aiohttp.

Every socket is made by us, for an address that has just been checked, so a name that changes its mind
between look-up and connection gains nothing. No redirects, no proxies, no cookies, no decompression.
"""

from __future__ import annotations

import asyncio
import email.utils
import math
import socket
import time
from typing import Final

import aiohttp
from aiohttp import hdrs
from yarl import URL

from heliograph.contracts import Answer, HttpFailure, Post
from heliograph.outbound.addresses import AddressRefused, check_url, is_public
from heliograph.outbound.resolving import GuardedResolver

__all__ = ["GuardedHttp", "retry_after_s"]

MOST_BODY_OCTETS: Final = 4096
"""What we read of an answer."""
_MOST_DRAINED_OCTETS: Final = 65_536
"""An answer up to this long is read to its end, so that the connection can be used again; a longer one is cut."""
_MOST_LINE_OCTETS: Final = 8190
_MOST_HEADERS: Final = 64
_KEEP_ALIVE_S: Final = 4.0
"""Below the 5 s after which common servers close an idle connection."""
_DNS_KEPT_S: Final = 30
_CONNECT_S: Final = 10.0
_URLS_KEPT: Final = 10_000
_REFUSAL_WORDS: Final = "the address is private or reserved"


class GuardedHttp:
    """One HTTP client for everything that customers asked us to call.

    ``connections`` bounds open sockets in all; who calls bounds them per endpoint.
    """

    def __init__(self, *, allow_private_addresses: bool = False, connections: int = 1000) -> None:
        self._allow_private = allow_private_addresses
        self._connections = connections
        self._urls: dict[str, URL] = {}
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}
        self._session: aiohttp.ClientSession | None = None

    async def post(self, request: Post) -> Answer:
        """Raises :class:`HttpFailure`. A connection that the peer had closed while it was idle is made again, once."""
        url = self._urls.get(request.url) or self._url(request.url)
        started = time.monotonic()
        try:
            return await self._post_once(url, request, request.timeout_s)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if not _was_closed_while_idle(error):
                raise _failure(error) from error
            left_s = request.timeout_s - (time.monotonic() - started)
        try:
            return await self._post_once(url, request, max(left_s, 0.001))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure(error) from error

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await self._resolver.close()

    async def _post_once(self, url: URL, request: Post, timeout_s: float) -> Answer:
        session = self._session or self._open()
        timeout = self._timeouts.get(timeout_s) or self._timeout(timeout_s)
        response = await session.post(
            url, data=request.body, headers=request.headers, allow_redirects=False, timeout=timeout
        )
        try:
            body = await _read_start(response)
        except BaseException:
            response.close()
            raise
        asked = response.headers.get(hdrs.RETRY_AFTER)
        return Answer(response.status, None if asked is None else retry_after_s(asked, time.time()), body)

    def _open(self) -> aiohttp.ClientSession:
        self._resolver = GuardedResolver(allow_private_addresses=self._allow_private)
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            socket_factory=self._socket,
            limit=self._connections,
            ttl_dns_cache=_DNS_KEPT_S,
            keepalive_timeout=_KEEP_ALIVE_S,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING),
            read_bufsize=MOST_BODY_OCTETS,
            max_line_size=_MOST_LINE_OCTETS,
            max_field_size=_MOST_LINE_OCTETS,
            max_headers=_MOST_HEADERS,
        )
        return self._session

    def _socket(self, info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """A socket for this address, or none at all: here is the guard that nothing passes by."""
        family, kind, protocol, _, address = info
        if not (self._allow_private or is_public(str(address[0]))):
            raise AddressRefused(_REFUSAL_WORDS)
        return socket.socket(family, kind, protocol)

    def _url(self, text: str) -> URL:
        if len(self._urls) >= _URLS_KEPT:
            self._urls.clear()
        url = self._urls[text] = check_url(text, allow_private_addresses=self._allow_private)
        return url

    def _timeout(self, timeout_s: float) -> aiohttp.ClientTimeout:
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(_CONNECT_S, timeout_s))
        if len(self._timeouts) < 16:
            self._timeouts[timeout_s] = timeout
        return timeout


async def _read_start(response: aiohttp.ClientResponse) -> bytes:
    """The first 4 KiB of the body; what follows is thrown away, and with much of it the connection too."""
    content = response.content
    if content.at_eof():
        return b""
    body = b""
    octets = 0
    while chunk := await content.readany():
        octets += len(chunk)
        if len(body) < MOST_BODY_OCTETS:
            body += chunk[: MOST_BODY_OCTETS - len(body)]
        if octets > _MOST_DRAINED_OCTETS:
            response.close()
            break
    return body


def retry_after_s(value: str, now_s: float) -> float | None:
    """Seconds that a ``Retry-After`` asks for (a number or a date); None for what is neither. RFC 9110 §10.2.3."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    wait_s = at - now_s
    return wait_s if math.isfinite(wait_s) and wait_s > 0 else None


def _was_closed_while_idle(error: BaseException) -> bool:
    """Whether the peer closed without a word: what an idle connection's end looks like to the next request."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return False
    return isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)


def _failure(error: BaseException) -> HttpFailure:
    """Our stable word for what aiohttp says. No detail names an address: nobody shall explore our side with it."""
    cause = getattr(error, "os_error", error)
    if isinstance(cause, AddressRefused) or _REFUSAL_WORDS in str(cause):
        return HttpFailure("address_refused", str(cause))
    if isinstance(error, aiohttp.InvalidURL):  # an IPv4 address in one of its odd spellings
        return HttpFailure("address_refused", "this is not a URL")
    if isinstance(error, asyncio.TimeoutError):
        return HttpFailure("timeout", "no answer in time")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return HttpFailure("unreachable", "the TLS certificate or handshake was not accepted")
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError | ValueError):
        return HttpFailure("bad_answer", "the answer was not HTTP as it should be")
    return HttpFailure("unreachable", "no connection, or it was lost before the answer")
