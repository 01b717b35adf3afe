"""``heliograph simulate``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heliograph.cli.simulating import add_to

if TYPE_CHECKING:
    from heliograph.simulator import ReceiptSettings, Refusal, World

__all__ = ["app", "receipt_settings", "refusal"]

app = typer.Typer(invoke_without_command=True)
add_to(app)


@app.callback()
def simulate(
    ctx: typer.Context,
    world: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Run a whole world: a file, or one that heliograph simulate worlds lists. Of the other options "
            "only --control-port and --seed count then.",
        ),
    ] = "",
    control_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the control API on loopback; 0 takes a free one."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 2775,
    system_id: Annotated[str, typer.Option(help="Who may bind.")] = "esme",
    password: Annotated[str, typer.Option(help="With which password.")] = "secret",
    latency_ms: Annotated[float, typer.Option(min=0, help="From a submit to its response.")] = 0,
    throughput: Annotated[float, typer.Option(min=0, help="Segments a second; above it 0x58. 0: no limit.")] = 0,
    refuse: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATUS[:SHARE[:PREFIX[:SUFFIX]]]",
            help='Refuse submits: "0x0B" all of them, "0x14:0.1" one in ten, "0x0B:1:+1" those to +1…, '
            '"0x0B:1::99" those to …99. May be repeated; the first that fits counts.',
        ),
    ] = None,
    receipts: Annotated[
        str,
        typer.Option(
            metavar="WORDS",
            help="How receipts come, with commas: none; delay=MS; jitter=MS; before (the response); other (bind); "
            "ids=decimal|hex|hex_upper|decimal_padded|hex_padded; final states with their weights, "
            "as DELIVRD=0.9,UNDELIV=0.1.",
        ),
    ] = "",
    ids: Annotated[str, typer.Option(help="How responses write ids: as receipts' ids=.")] = "decimal",
    first_id: Annotated[int | None, typer.Option(min=0, help="The first message id; by the clock without it.")] = None,
    silent: Annotated[float, typer.Option(min=0, max=1, help="Share of submits taken and never answered.")] = 0,
    drop_after: Annotated[int, typer.Option(min=0, help="Break each link on its n-th submit; 0: never.")] = 0,
    window: Annotated[int, typer.Option(min=1, help="Receipts that a link may have unanswered.")] = 1000,
    congestion: Annotated[
        int, typer.Option(min=-1, max=100, help="congestion_state told to SMPP 5.0 clients; -1: none.")
    ] = -1,
    misbehave: Annotated[str, typer.Option(metavar="KIND", help="Go wrong in this way from the start.")] = "",
    misbehave_share: Annotated[float, typer.Option(min=0, max=1, help="In which share of the cases.")] = 1,
    reply: Annotated[str, typer.Option(help="What handsets answer each message with.")] = "",
    long_replies: Annotated[str, typer.Option(help="How they send long texts: udh, sar or payload.")] = "udh",
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append every fact to this file, a JSON object a line.")
    ] = None,
    hash_texts: Annotated[bool, typer.Option("--hash-texts", help="Log hashes in the place of texts.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed and submits give the same answers.")] = 0,
) -> None:
    """Run virtual carriers: SMPP servers with a handset behind every number.

    Prints one line "ready host:port" for each when it listens, and one "control URL" where there is a control API
    (always with --world, else with --control-port). Runs until SIGTERM or Ctrl-C.
    """
    if ctx.invoked_subcommand is not None:
        return
    import uvloop

    from heliograph.simulator import CarrierSettings, World

    if world:
        uvloop.run(_run(_world(world, seed, control_port), control=True))
        return
    settings = CarrierSettings(
        host=host,
        port=port,
        system_id=system_id,
        password=password,
        latency_ms=latency_ms,
        throughput=throughput,
        refusals=tuple(refusal(text) for text in refuse or ()),
        receipts=receipt_settings(receipts),
        ids=ids,
        first_id=first_id,
        silent=silent,
        drop_after=drop_after,
        window=window,
        congestion=congestion,
        misbehaviour=misbehave,
        misbehaviour_share=misbehave_share,
        reply_text=reply,
        long_replies=long_replies,
        log=None if log is None else str(log),
        log_texts=not hash_texts,
        seed=seed,
    )
    alone = World(carriers=(settings,), seed=seed, control_port=control_port or 0)
    uvloop.run(_run(alone, control=control_port is not None))


def _world(name: str, seed: int, control_port: int | None) -> World:
    """The world of a file, with what the command line says above it."""
    from dataclasses import replace

    from heliograph.simulator import read_world

    world = read_world(name)
    return replace(
        world,
        seed=seed or world.seed,
        control_port=world.control_port if control_port is None else control_port,
    )


async def _run(world: World, *, control: bool) -> None:
    import asyncio
    import signal
    from contextlib import AsyncExitStack

    from heliograph.simulator import RunningWorld
    from heliograph.simulator.control import Control

    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(RunningWorld(world))
        for carrier in running.carriers.values():
            print(f"ready {carrier.settings.host}:{carrier.port}", flush=True)
        if control:
            api = Control(running, host=world.control_host, port=world.control_port)
            print(f"control {(await stack.enter_async_context(api)).url}", flush=True)
        await stopping.wait()


def refusal(text: str) -> Refusal:
    """``STATUS[:SHARE[:PREFIX[:SUFFIX]]]`` as a value."""
    from heliograph.simulator import Refusal

    status, share, prefix, suffix = (*text.split(":", 3), "", "", "")[:4]
    try:
        return Refusal(status=int(status, 0), fraction=float(share or 1), prefix=prefix, suffix=suffix)
    except ValueError:
        raise typer.BadParameter(f"{text} does not begin with a status and a share", param_hint="--refuse") from None


_FLAGS = {"none": ("send", False), "before": ("before_response", True), "other": ("bind", "other")}
_NUMBERS = {"delay": "delay_ms", "jitter": "jitter_ms"}


def receipt_settings(text: str) -> ReceiptSettings:
    """The words of ``--receipts`` as a value."""
    from heliograph.simulator import ReceiptSettings

    changes: dict[str, Any] = {}
    states: list[tuple[str, float]] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = word.partition("=")
        try:
            if word in _FLAGS:
                changes.update([_FLAGS[word]])
            elif name in _NUMBERS:
                changes[_NUMBERS[name]] = float(value)
            elif name == "ids":
                changes["style"] = value
            else:
                states.append((name, float(value)))
        except ValueError:
            known = ", ".join((*_FLAGS, *(f"{number}=MS" for number in _NUMBERS), "ids=STYLE", "STATE=WEIGHT"))
            raise typer.BadParameter(f"{word} is none of {known}", param_hint="--receipts") from None
    if states:
        changes["final_states"] = tuple(states)
    return ReceiptSettings(**changes)
