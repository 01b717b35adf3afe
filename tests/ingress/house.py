"""A house for these tests: the real store, the real pipeline without carriers, and both doors to call."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heliograph.access import KeyRing, make_key
from heliograph.access.configuring import Configuring
from heliograph.access.limiting import Limiter
from heliograph.access.sealing import MasterKeys
from heliograph.access.signing import SigningKeys
from heliograph.access.tokens import Tokens
from heliograph.config import Config, ConnectorConfig
from heliograph.connectors.smpp import SmppSettings
from heliograph.contracts import SystemClock
from heliograph.delivery.directory import Directory
from heliograph.delivery.eventlog import EventLog
from heliograph.delivery.notices import Notices
from heliograph.delivery.outbox import Outbox
from heliograph.delivery.pipeline import Pipeline
from heliograph.delivery.replays import Replays
from heliograph.delivery.standard_webhooks import StandardWebhooks
from heliograph.delivery.tails import Tails
from heliograph.delivery.webhooks import Webhooks
from heliograph.ingress.rest import Services, build
from heliograph.ingress.rest.cursors import Cursors
from heliograph.ingress.rest.services import Bounds
from heliograph.ingress.server import HttpServer
from heliograph.model import CUSTOMER_SCOPES, IdSource, Route
from heliograph.outbound import DirectHttp
from heliograph.sandbox import Sandboxes
from heliograph.store.sqlite import SqliteStore
from heliograph.telemetry import journal
from heliograph.telemetry.metrics import Metrics
from tests.accounts import ensure_account
from tests.keys import keep_key

_MAIN = SmppSettings(name="main", host="127.0.0.1", system_id="esme", password="secret")
"""What the configuration file declares."""

__all__ = ["ISSUER", "Answer", "House", "call", "house"]

ISSUER = "http://127.0.0.1:8080"
"""Who issues tokens here."""


@dataclass
class Answer:
    """What an application said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The problem's code; its media type is checked on the way."""
        assert self.headers["content-type"] == "application/problem+json"
        problem = self.json
        assert problem["status"] == self.status
        assert problem["title"]
        assert problem["detail"].rstrip().endswith((".", "?"))
        return str(problem["code"])


def joined(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Header fields by name; those that come more than once with commas between them (RFC 9110 §5.2)."""
    found: dict[str, str] = {}
    for name, value in fields:
        known = found.get(name.lower())
        found[name.lower()] = value if known is None else f"{known}, {value}"
    return found


async def call(
    app: Any,
    method: str,
    path: str,
    body: bytes | object = b"",
    *,
    headers: dict[str, str] | None = None,
    client: str = "127.0.0.1",
    chunks: int = 1,
) -> Answer:
    """One request to an ASGI application; what is not octets is sent as JSON."""
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = max(1, -(-len(octets) // chunks))
    parts = [octets[at : at + size] for at in range(0, len(octets), size)] or [b""]
    messages = [
        {"type": "http.request", "body": part, "more_body": at < len(parts) - 1} for at, part in enumerate(parts)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not messages:
            await asyncio.Event().wait()  # the client stays
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "scheme": "http",
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "client": (client, 50_000),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    await app(scope, receive, send)
    start = sent[0]
    names = joined((name.decode(), value.decode()) for name, value in start["headers"])
    return Answer(start["status"], names, b"".join(one.get("body", b"") for one in sent[1:]))


@dataclass
class House:
    """One API, behind our server and as an ASGI application, with keys of two accounts."""

    services: Services
    app: Any
    server: HttpServer
    key: str
    operator: str
    stranger: str
    store: SqliteStore
    metrics: Metrics
    make: Callable[..., Any] = field(repr=False)
    port: int = 0

    async def lean(self, path: str, body: bytes | object, *, headers: Mapping[str, str], chunks: int = 1) -> Answer:
        """A POST through the door, over a socket. In several ``chunks``: without a declared length."""
        if not self.server.connections and not self.port:
            self.port = int((await self.server.start()).rpartition(":")[2])
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items())]
        if chunks > 1:
            size = -(-len(octets) // chunks)
            pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
            octets = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
            lines.append("Transfer-Encoding: chunked")
        elif "Content-Length" not in headers:
            lines.append(f"Content-Length: {len(octets)}")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + octets)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            names = joined((name, value) for name, _, value in (line.partition(": ") for line in head[1:] if line))
            said = await reader.readexactly(int(names["content-length"]))
            return Answer(int(head[0].split()[1]), names, said)
        finally:
            writer.close()

    async def call(self, method: str, path: str, body: Any = b"", *, key: str | None = "", **more: Any) -> Answer:
        """A request with a key (None: without one) to the ASGI application."""
        return await call(self.app, method, path, body, headers=self.headers(key, more.pop("headers", None)), **more)

    def headers(self, key: str | None, more: Mapping[str, str] | None) -> dict[str, str]:
        bearer = {} if key is None else {"Authorization": f"Bearer {key or self.key}"}
        return bearer | dict(more or {})


@contextlib.asynccontextmanager
async def house(
    folder: Path, bounds: Bounds | None = None, *, allow_private_addresses: bool = True
) -> AsyncIterator[House]:
    """An API on a store of its own; every number has a route, and no carrier is there to take anything."""
    store = SqliteStore(str(folder / "house.db"), serve=True)
    await store.open()
    clock, metrics, directory = SystemClock(), Metrics(), Directory()
    pipeline = Pipeline(store, directory, IdSource(), clock, metrics)
    ids = await store.ensure_connectors(["main"])
    directory.set_routes([Route(name="default", prefixes=("",), connectors=(ids["main"],))])
    keys = KeyRing(store, clock.now_us)
    signing = SigningKeys(store, MasterKeys(lambda: [bytes(range(32))]), clock.now_us)
    keys.tokens = Tokens(signing, clock.now_us, keys.find, keys.refresh, issuer=ISSUER)

    async def make(account: str, scopes: tuple[str, ...] = CUSTOMER_SCOPES, **more: Any) -> str:
        owner = await ensure_account(store, account, clock.now_us())
        text, key = make_key(owner.id, scopes, now_us=clock.now_us(), **more)
        await keep_key(store, key)
        await keys.refresh()
        return text

    http = DirectHttp(allow_private_addresses=True)
    outbox = Outbox(store, http, StandardWebhooks(), metrics=metrics, clock=clock, tick_s=0.02)
    config = Config(connectors=(ConnectorConfig(name="main", kind="smpp", settings=_MAIN),))
    sealer = MasterKeys(lambda: [bytes(32)])
    notices = Notices(store, clock, outbox.look)

    async def tell(account_id: int, subject: str, data: Mapping[str, object], once: str, until_us: int) -> bool:
        return await notices.tell(account_id, "limit.reached", subject, data, once=once, until_us=until_us)

    limiter = Limiter(store, clock, tell, journal.limit_reached)
    keys.on_refresh = limiter.load
    services = Services(
        sandboxes=Sandboxes(store, pipeline),
        sealer=sealer,
        configuring=Configuring(store, sealer, clock.now_us, lambda: config, {}),
        intake=pipeline.intake,
        schedules=pipeline.schedules,
        store=store,
        keys=keys,
        webhooks=Webhooks(store, clock, lambda: 0),
        outbox=outbox,
        replays=Replays(store, outbox, clock),
        now_us=clock.now_us,
        tails=Tails(EventLog(store, clock, 7 * 86_400_000_000)),
        cursors=Cursors(lambda: [bytes(range(64))]),
        connectors={ids["main"]: "main"},
        metrics_text=metrics.exposition,
        ready=lambda: None,
        bounds=bounds or Bounds(),
        allow_private_addresses=allow_private_addresses,
        reconfigured=keys.refresh,
        limiter=limiter,
        metrics=metrics,
    )
    app = build(services)
    made = House(
        services=services,
        app=app,
        server=HttpServer(app, host="127.0.0.1", port=0),
        key=await make("demo"),
        operator=await make("demo", (*CUSTOMER_SCOPES, "routes:read", "metrics:read")),
        stranger=await make("other"),
        store=store,
        metrics=metrics,
        make=make,
    )
    try:
        yield made
    finally:
        await made.server.stop()
        await outbox.close()
        await http.close()
        await pipeline.intake.drain(5.0)
        await keys.tokens.close()
        await services.sandboxes.stop()
        await store.close()
