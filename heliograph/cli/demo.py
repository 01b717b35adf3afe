"""``heliograph demo``: the whole path on one machine, from an HTTP request to a virtual handset and back."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    import aiohttp
    from rich.console import Console

    from heliograph.cli.webhooksink import WebhookSink
    from heliograph.config import Config
    from heliograph.simulator import VirtualCarrier

__all__ = ["demo"]

_PORT: Final = 8080
_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.05
_ACCOUNT: Final = "demo"
_SENDER: Final = "12345"
_RECIPIENT: Final = "+14155550123"  # 555-01xx is kept free for films
_TEXT: Final = "Hello from Heliograph! Reply to this message."
_REPLY: Final = "It works 🎉"

_CONFIG: Final = """\
[http]
listen = "127.0.0.1:{http_port}"

[store]
url = "sqlite:///{folder}/demo.db"

[[connectors]]
name = "virtual"
kind = "smpp"
host = "127.0.0.1"
port = {smpp_port}
system_id = "esme"
password = "secret"
bind = "transceiver"
window = 100

[[routes]]
name = "default"
prefixes = [""]
connectors = ["virtual"]

[[numbers]]
number = "{sender}"
account = "{account}"
connectors = ["virtual"]

[webhooks]
allow_private_addresses = true

[log]
level = "warning"
"""

_STEPS: Final = {
    "message.queued": "accepted, and on disk before the answer",
    "message.sent": "taken by the carrier over SMPP",
    "message.delivered": "on the handset, says the carrier's receipt",
}


def demo(
    once: Annotated[bool, typer.Option("--once", help="Leave after the first message was delivered and answered.")] = (
        False
    ),
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help=f"Port of the API; without it {_PORT}, or a free one.")
    ] = None,
) -> None:
    """Show a message's whole way, with a virtual carrier and virtual handsets; then stay up to be played with.

    Everything lives in a temporary folder and on loopback.
    """
    import uvloop

    uvloop.run(_demo(once, port))


async def _demo(once: bool, port: int | None) -> None:
    import signal

    from rich.console import Console

    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    console = Console(highlight=False, soft_wrap=True)
    async with AsyncExitStack() as stack:
        stage = await _set_up(stack, _PORT if port is None else port, strict=port is not None)
        show = asyncio.create_task(_show(console, stage))
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait((show, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not show.done():
            show.cancel()
            await asyncio.wait((show,))
            return
        show.result()
        if not once:
            _invite(console, stage)
            follow = asyncio.create_task(_follow(console, stage))
            await stopped
            follow.cancel()
            await asyncio.wait((follow,))
            console.print("\nBye.")
        stopped.cancel()


class _Stage:
    """What the demo runs on."""

    def __init__(
        self, carrier: VirtualCarrier, sink: WebhookSink, http: aiohttp.ClientSession, url: str, key: str
    ) -> None:
        self.carrier = carrier
        self.sink = sink
        self.http = http
        self.url = url
        self.key = key

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request to our own API."""
        from heliograph.cli.api import refused

        headers = {"Authorization": f"Bearer {self.key}"}
        async with self.http.request(method, self.url + path, json=body, headers=headers) as answer:
            value = await answer.json(content_type=None)
            if answer.status >= 400:
                raise refused(answer.status, value)
            return value


async def _set_up(stack: AsyncExitStack, port: int, *, strict: bool) -> _Stage:
    """A carrier, a webhook's receiver and a server with its key; ``stack`` takes them down again."""
    from tempfile import TemporaryDirectory

    import aiohttp

    from heliograph.app import Heliograph
    from heliograph.cli.faults import CommandFailed
    from heliograph.cli.webhooksink import WebhookSink
    from heliograph.simulator import ReceiptSettings, VirtualCarrier
    from heliograph.telemetry import journal

    folder = stack.enter_context(TemporaryDirectory(prefix="heliograph-demo-"))
    carrier = await stack.enter_async_context(
        VirtualCarrier(latency_ms=20, receipts=ReceiptSettings(delay_ms=300), log=f"{folder}/carrier.jsonl")
    )
    sink = await stack.enter_async_context(WebhookSink())
    config = _configure(Path(folder), _usable(port, strict=strict), carrier.port)
    journal.configure(config.log.format, config.log.level)
    key = await _make_key(config)
    server = await stack.enter_async_context(Heliograph(config))
    http = await stack.enter_async_context(aiohttp.ClientSession())
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await carrier.bound()
    except TimeoutError:
        raise CommandFailed(
            f"the virtual carrier saw no bind within {_TIMEOUT_S:g} s", "run it again with --traceback in front"
        ) from None
    return _Stage(carrier, sink, http, server.url, key)


def _usable(port: int, *, strict: bool) -> int:
    """The port, or 0 (any free one) where it is in use and nobody insisted on it."""
    from heliograph.cli.faults import CommandFailed

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if strict:
                raise CommandFailed(
                    f"port {port} cannot be used ({error.strerror})", "choose another --port"
                ) from error
            return 0
    return port


def _configure(folder: Path, http_port: int, smpp_port: int) -> Config:
    from heliograph.config import load

    path = folder / "heliograph.toml"
    path.write_text(
        _CONFIG.format(folder=folder, http_port=http_port, smpp_port=smpp_port, sender=_SENDER, account=_ACCOUNT)
    )
    return load(path, {})


async def _make_key(config: Config) -> str:
    from heliograph.cli.keys import create_key
    from heliograph.cli.stores import opened
    from heliograph.model import CUSTOMER_SCOPES

    async with opened(config) as store:
        text, _ = await create_key(store, _ACCOUNT, (*CUSTOMER_SCOPES, "routes:read"))
        return text


# --- the story ---------------------------------------------------------------------------------------------------


async def _show(console: Console, stage: _Stage) -> None:
    """Send, deliver, reply. Raises ``CommandFailed`` when that is not done in time."""
    from heliograph.cli.faults import CommandFailed

    reached = "the message was not even accepted"
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _say(console, "Heliograph", f"{stage.url}, with a virtual carrier behind SMPP port {stage.carrier.port}")
            webhook = await stage.ask("POST", "/v1/webhooks", {"url": stage.sink.url})
            stage.sink.secret = webhook["secret"]
            message = await _send(console, stage)
            reached = "the message was accepted and not delivered"
            await _watch(console, stage, message["id"])
            reached = "the message was delivered and no webhook told it"
            await _told(console, stage, "message.delivered", message["id"])
            reached = "the handset's reply did not arrive"
            await _reply(console, stage)
    except TimeoutError:
        raise CommandFailed(
            f"{reached} within {_TIMEOUT_S:g} s", "run it again with --traceback in front, and look at what it says"
        ) from None


async def _send(console: Console, stage: _Stage) -> Any:
    body = {"to": _RECIPIENT, "from": _SENDER, "text": _TEXT}
    message = await stage.ask("POST", "/v1/messages", body)
    _say(console, "POST /v1/messages", f'to {_RECIPIENT} from {_SENDER}: "{_TEXT}"')
    _say(console, "202", f"id {message['id']}, {message['encoding']}, {message['segments']} segment")
    return message


async def _watch(console: Console, stage: _Stage, message_id: str) -> None:
    """The timeline, event by event, until the message is delivered."""
    path = f"/v1/messages/{message_id}"
    shown = 0
    began: datetime | None = None
    while True:
        events = (await stage.ask("GET", f"{path}/events"))["events"]
        for event in events[shown:]:
            at = datetime.fromisoformat(event["time"])
            began = began or at
            after_ms = (at - began).total_seconds() * 1000
            _say(console, event["type"], f"+{after_ms:.0f} ms  {_STEPS.get(event['type'], '')}", "cyan")
        shown = len(events)
        if any(event["type"] == "message.delivered" for event in events):
            break
        await asyncio.sleep(_POLL_S)
    message = await stage.ask("GET", path)
    _say(console, "route", f"{message['route']} over connector {message['connector']}")
    [read] = await stage.carrier.received(1)
    _say(console, f"handset {read.to}", f'reads from {read.sender}: "{read.text}"', "green")


async def _reply(console: Console, stage: _Stage) -> None:
    stage.carrier.reply(_RECIPIENT, _SENDER, _REPLY)
    _say(console, f"handset {_RECIPIENT}", f'writes to {_SENDER}: "{_REPLY}"', "green")
    await _told(console, stage, "message.received", None)


async def _told(console: Console, stage: _Stage, type: str, message_id: str | None) -> None:
    def right(event: dict[str, Any]) -> bool:
        return event["type"] == type and message_id in (None, event["data"]["id"])

    event = await stage.sink.wait_for(right)
    _say_event(console, event)


def _say_event(console: Console, event: dict[str, Any]) -> None:
    data = event["data"]
    text = f': "{data["text"]}"' if data.get("text") else ""
    words = f"{event['type']} from {data['from']} to {data['to']}{text}, signature verified"
    _say(console, "webhook", words, "magenta")


def _say(console: Console, what: str, words: str, style: str = "bold") -> None:
    from rich.text import Text

    console.print(Text.assemble((f"{what:<22}", style), "  ", words))


# --- afterwards --------------------------------------------------------------------------------------------------


def _invite(console: Console, stage: _Stage) -> None:
    console.print()
    _say(console, "URL", f"{stage.url}   (readable at {stage.url}/docs)")
    _say(console, "API key", stage.key)
    console.print("\nTry it; every number is a handset here, and what arrives is shown below. Ctrl-C ends it.\n")
    console.print(
        f"curl {stage.url}/v1/messages -H 'Authorization: Bearer {stage.key}' "
        f"-H 'Content-Type: application/json' "
        f"""-d '{{"to": "{_RECIPIENT}", "from": "{_SENDER}", "text": "Hello again"}}'""",
        markup=False,
    )
    console.print()


async def _follow(console: Console, stage: _Stage) -> None:
    """Show what arrives on handsets and in the webhook."""
    await asyncio.gather(_follow_handsets(console, stage), _follow_webhook(console, stage))


async def _follow_handsets(console: Console, stage: _Stage) -> None:
    seen = stage.carrier.handsets.count
    while True:
        messages = await stage.carrier.received(seen + 1, timeout_s=None)
        new = min(stage.carrier.handsets.count - seen, len(messages))
        for message in messages[-new:]:
            _say(console, f"handset {message.to}", f'reads from {message.sender}: "{message.text}"', "green")
        seen = stage.carrier.handsets.count


async def _follow_webhook(console: Console, stage: _Stage) -> None:
    seen = len(stage.sink.events)
    while True:
        for event in await stage.sink.next_after(seen):
            seen += 1
            _say_event(console, event)
