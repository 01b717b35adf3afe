"""``POST /v1/start``: a web page starts the message that its token was made for. The one path with CORS.

Nothing that is said here tells of number, text, route or limits: pages of strangers may read it.
Source: docs/explanation/design/0052-publishable-tokens.md; Fetch §3.2 (CORS protocol)
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

import msgspec
from fastapi import Request
from msgspec import Struct
from msgspec.structs import replace

from heliograph.access.publishable import PUBLISHABLE_PREFIX, Pass, Passes, start_key
from heliograph.access.unseen import Unseen
from heliograph.errors import RequestRejected, StoreError
from heliograph.ingress.rest.asking import peer_of
from heliograph.ingress.rest.calls import decode
from heliograph.ingress.rest.endpoints import Reader
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply, refusal
from heliograph.ingress.rest.publishable import ENTRANCE, prepared_in
from heliograph.ingress.rest.replies import failed
from heliograph.ingress.rest.sending import submission_of
from heliograph.ingress.rest.services import Services
from heliograph.rules.origins import MOST_ORIGIN_CHARACTERS

__all__ = ["START_OPERATIONS", "START_PATH", "Starting"]

START_PATH: Final = "/v1/start"
_MOST_OCTETS: Final = 256
"""Of a body that says nothing."""
_ORIGIN: Final = re.compile(r"https?://[\x21-\x7e]+")
"""What is told to read an answer. ``null`` is many pages at once, and none of them is."""
_VARY: Final = (b"vary", b"origin")
_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"authorization, content-type"),
    (b"access-control-max-age", b"7200"),
    (b"vary", b"origin, access-control-request-method, access-control-request-headers"),
)
"""Two hours are the longest that Chromium keeps it for."""


class StartReply(Struct, frozen=True):
    """What a page is told: ``accepted``, the first time and again."""

    status: str


class StartBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing: the token says it all."""


START_OPERATIONS: Final = (
    Operation(
        "POST",
        START_PATH,
        "Start the message of a publishable token",
        "",
        None,
        StartReply,
        202,
        problems=(
            "body_too_large",
            "field_invalid",
            "field_unknown",
            "json_invalid",
            "origin_not_allowed",
            "start_refused",
        ),
    ),
)

_body = msgspec.json.Decoder(StartBody)
_ACCEPTED: Final = msgspec.json.encode(StartReply("accepted"))


class Starting:
    """The endpoint. ``read`` reads a body under a bound."""

    def __init__(self, services: Services, read: Reader) -> None:
        self._services = services
        self._read = read
        self._passes = Passes(services.store, services.keys, services.now_us)
        self._running: dict[str, asyncio.Task[None]] = {}

    async def preflight(self, request: Request) -> Reply:
        """What a browser asks before a page's request. It brings no token, so every origin may go on to ask."""
        return Reply(204, b"", (*_readable(request), *_PREFLIGHT))

    async def start(self, request: Request) -> Reply:
        """202, or a problem; either may be read by the page that asked."""
        reply = await self._answered(request)
        return replace(reply, headers=(*reply.headers, *_readable(request), _VARY))

    async def _answered(self, request: Request) -> Reply:
        metrics = self._services.metrics
        try:
            found = await self._admit(request)
            self._check_origin(found, request)
            call = await self._read(request, _MOST_OCTETS)
            if call.body.strip():
                decode(call, _body, ())
            await self._once(found)
        except (RequestRejected, StoreError) as error:
            metrics.refused("overloaded" if isinstance(error, StoreError) else error.code)
            return refusal(error, basic=False)
        except Exception as error:
            return failed(metrics, request.method, request.url.path, error)
        return Reply(202, _ACCEPTED)

    async def _admit(self, request: Request) -> Pass:
        header = request.headers.get("authorization", "")
        peer = peer_of(request)
        if header[:7].lower() == "bearer ":
            text = header[7:].strip()
            found = None
            if text.startswith(PUBLISHABLE_PREFIX):
                found = await self._passes.admit(text, peer)
            else:
                await self._meet_others(text, peer, request.headers.get("origin"))
            if found is not None:
                return found
        raise RequestRejected(
            "unauthorized",
            "Send a publishable token that is still good as Authorization: Bearer <token>. Your server makes them.",
            status=401,
        )

    async def _meet_others(self, text: str, peer: str | None, origin: str | None) -> None:
        """A secret key is no token; one in a page is told of as everywhere, and a wrong one counted."""
        raw = None if origin is None else origin.encode("latin-1")
        try:
            self._services.keys.admit(text, peer, raw)
        except Unseen as unseen:
            await unseen.meet()
            self._services.keys.admit(text, peer, raw)

    def _check_origin(self, found: Pass, request: Request) -> None:
        """Whether the page may use the token. Raises ``RequestRejected`` (403)."""
        origin = request.headers.get("origin")
        if origin in found.token.settings["origins"]:
            return
        peer = peer_of(request)
        shown = "none" if origin is None else origin[:MOST_ORIGIN_CHARACTERS]
        self._services.keys.refused(found.principal, peer, "origin", shown)
        raise RequestRejected(
            "origin_not_allowed",
            "This token is for pages of other origins: let your server name this page's origin when it makes one.",
            status=403,
        )

    async def _once(self, found: Pass) -> None:
        """Starts it, or waits with whoever is about to."""
        name = found.token.prefix
        task = self._running.get(name)
        if task is None:
            task = self._running[name] = asyncio.get_running_loop().create_task(self._begin(found))
            task.add_done_callback(lambda done: self._begun(name, done))
        await asyncio.shield(task)

    def _begun(self, name: str, task: asyncio.Task[None]) -> None:
        del self._running[name]
        if not task.cancelled():
            task.exception()  # whoever still waits gets it; nobody needs to

    async def _begin(self, found: Pass) -> None:
        services = self._services
        meters = None if services.limiter is None else services.limiter.of(found.maker)
        try:
            if meters is not None:
                meters.request()
            body = prepared_in(found.token, services)
            private = services.allow_private_addresses
            submission = submission_of(body, found.principal, ENTRANCE, private)
            received = await services.intake.accept((submission,), idempotency=start_key(found.token), allowance=meters)
        except RequestRejected as rejected:
            raise _told(rejected) from None
        result = received.results[0]
        if isinstance(result, RequestRejected):
            raise _told(result)


def _readable(request: Request) -> tuple[tuple[bytes, bytes], ...]:
    """That the page which asked may read the answer, and when to try again."""
    origin = request.headers.get("origin", "")
    if len(origin) > MOST_ORIGIN_CHARACTERS or not _ORIGIN.fullmatch(origin):
        return ()
    return (
        (b"access-control-allow-origin", origin.encode()),
        (b"access-control-expose-headers", b"retry-after"),
    )


def _told(error: RequestRejected) -> RequestRejected:
    """A refusal as a stranger may read it: the account's own words stay with the account."""
    if error.status == 429:
        detail = "Too much was started for now: try again after Retry-After."
        return RequestRejected(error.code, detail, status=429, retry_after_s=error.retry_after_s)
    if error.status == 503:
        detail = "The server is busy: try again in a moment."
        return RequestRejected("overloaded", detail, status=503, retry_after_s=error.retry_after_s or 1)
    return RequestRejected(
        "start_refused", "This message cannot be sent: the server that made the token can see why.", status=409
    )
