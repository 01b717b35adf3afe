"""The API in one piece: lean doors for the send endpoints, FastAPI for everything, them included."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from heliograph.ingress.doors import Door
from heliograph.ingress.rest.sending import SEND_SCOPE, Sending
from heliograph.ingress.rest.services import Services

__all__ = ["Api", "build"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class Api:
    """The whole API: an ASGI application, and the doors that our server opens by itself."""

    def __init__(self, application: Asgi, doors: Mapping[bytes, Door]) -> None:
        self._application = application
        self.doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)


def build(services: Services) -> Api:
    """The application, with both send endpoints as doors."""
    from heliograph.ingress.rest.api import cold_api  # FastAPI takes a quarter of a second to import

    bounds, keys, metrics = services.bounds, services.keys, services.metrics
    sending = Sending(
        services.intake,
        keys,
        services.connectors,
        bounds.batch_messages,
        metrics.refused,
        allow_private_addresses=services.allow_private_addresses,
        limiter=services.limiter,
    )
    doors = (
        Door("/v1/messages", SEND_SCOPE, bounds.body_octets, sending.one, keys, metrics, sending.begin),
        Door("/v1/messages/batch", SEND_SCOPE, bounds.batch_body_octets, sending.batch, keys, metrics),
    )
    return Api(cold_api(services, doors), {door.path.encode(): door for door in doors})
