"""The API as one ASGI application: a lean door for the send endpoints in front of FastAPI for everything else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from heliograph.access import KeyRing
from heliograph.contracts import Store
from heliograph.delivery.intake import Intake
from heliograph.delivery.webhooks import Webhooks
from heliograph.errors import RequestRejected
from heliograph.ingress.rest.calls import Call, caller
from heliograph.ingress.rest.problems import Reply, refusal
from heliograph.ingress.rest.replies import failed, too_large
from heliograph.ingress.rest.sending import Sending
from heliograph.telemetry.metrics import Metrics

__all__ = ["Bounds", "Services", "build"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a request may be at most."""

    body_octets: int = 65_536
    batch_body_octets: int = 8_388_608
    batch_messages: int = 10_000


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the API needs of the house."""

    intake: Intake
    store: Store
    keys: KeyRing
    webhooks: Webhooks
    connectors: Mapping[int, str]
    """Names by number, for operators' views."""
    metrics_text: Callable[[], bytes]
    ready: Callable[[], str | None]
    """None when ready, otherwise the reason."""
    bounds: Bounds = field(default_factory=Bounds)
    metrics: Metrics = field(default_factory=Metrics)
    """Counts what is refused here; what intake refuses it counts itself."""


def build(services: Services) -> Asgi:
    """The application."""
    from heliograph.ingress.rest.api import cold_api  # FastAPI takes a quarter of a second to import

    bounds = services.bounds
    sending = Sending(
        services.intake, services.keys, services.connectors, bounds.batch_messages, services.metrics.refused
    )
    cold = cold_api(services, sending)
    hot = {
        "/v1/messages": (sending.one, bounds.body_octets),
        "/v1/messages/batch": (sending.batch, bounds.batch_body_octets),
    }

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            found = hot.get(scope["path"])
            if found is not None:
                answer, most_octets = found
                try:
                    reply = await _answered(scope, receive, answer, most_octets, services)
                except RequestRejected as rejected:
                    services.metrics.refused(rejected.code)
                    reply = refusal(rejected)
                except Exception as error:
                    reply = failed(services.metrics, scope["method"], scope["path"], error)
                if reply is not None:
                    await _send(send, reply)
                return
        await cold(scope, receive, send)

    return application


async def _answered(
    scope: Scope, receive: Receive, answer: Callable[[Call], Awaitable[Reply]], most_octets: int, services: Services
) -> Reply | None:
    """Reads a request whole and answers it; None when the client went away. Raises ``RequestRejected``."""
    authorization = idempotency_key = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value
        elif name == b"idempotency-key":
            idempotency_key = value
        elif name == b"content-length" and len(value) < 20 and int(value) > most_octets:
            raise too_large(most_octets)
    event = await receive()
    body: bytes = event.get("body", b"")
    if event.get("more_body"):
        # Nobody without a key makes us hold a large body.
        caller(Call(scope["method"], scope["path"], b"", authorization), services.keys, "messages:send")
        chunks = [body]
        size = len(body)
        while event.get("more_body"):
            event = await receive()
            chunks.append(event.get("body", b""))
            size += len(chunks[-1])
            if size > most_octets:
                raise too_large(most_octets)
        body = b"".join(chunks)
    if event["type"] == "http.disconnect":
        return None
    if len(body) > most_octets:
        raise too_large(most_octets)
    return await answer(Call(scope["method"], scope["path"], body, authorization, idempotency_key))


async def _send(send: Send, reply: Reply) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [
                (b"content-type", reply.media_type),
                (b"content-length", b"%d" % len(reply.body)),
                *reply.headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": reply.body})
