"""The carrier: ``python -m heliograph.bench.carrier JOB`` runs a virtual carrier with a log in a file.

JSON of :class:`CarrierJob`. SIGUSR1 prints the counts of its log as one JSON line, SIGTERM prints them and ends.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import msgspec

from heliograph.simulator import CarrierSettings, Fact, ReceiptSettings, VirtualCarrier

__all__ = ["CarrierJob", "serve"]


class CarrierJob(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of carrier. ``log`` is the file of its log."""

    port: int
    log: str
    receipts: bool = True
    receipt_delay_ms: float = 0.0
    latency_ms: float = 0.0
    throughput: float = 0.0
    reply_every: int = 0
    """After every n-th message a handset writes a new text to ``reply_to`` (0: never)."""
    reply_to: str = "12345"


async def serve(job: CarrierJob) -> None:
    """Runs until SIGTERM."""
    settings = CarrierSettings(
        port=job.port,
        log=job.log,
        latency_ms=job.latency_ms,
        throughput=job.throughput,
        receipts=ReceiptSettings(send=job.receipts, delay_ms=job.receipt_delay_ms),
        keep_messages=10,
        keep_facts=10,
    )
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    carrier = VirtualCarrier(settings)
    if job.reply_every:
        _reply(carrier, job, loop)

    def report() -> None:
        carrier.log.flush()
        print(msgspec.json.encode(dict(carrier.log.counts)).decode(), flush=True)

    await carrier.start()
    loop.add_signal_handler(signal.SIGUSR1, report)
    loop.add_signal_handler(signal.SIGTERM, over.set)
    print("ready", flush=True)
    await over.wait()
    report()
    await carrier.stop()


def _reply(carrier: VirtualCarrier, job: CarrierJob, loop: asyncio.AbstractEventLoop) -> None:
    """Lets a handset answer every n-th message; the text tells which it was."""
    add, seen = carrier.log.add, 0

    def add_and_reply(fact: Fact) -> None:
        nonlocal seen
        add(fact)
        if fact.fact == "message":
            seen += 1
            if seen % job.reply_every == 0:
                loop.call_soon(carrier.reply, fact.to, job.reply_to, f"reply {fact.id}")

    watched: Any = carrier.log
    watched.add = add_and_reply


def main(argument: str) -> None:
    """Runs the job."""
    job = msgspec.json.decode(argument, type=CarrierJob)
    try:
        import uvloop

        uvloop.run(serve(job))
    except ModuleNotFoundError:
        asyncio.run(serve(job))


if __name__ == "__main__":
    main(sys.argv[1])
