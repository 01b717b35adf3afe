"""The far ends of a run: load, carrier and webhook sink. Ours, or the C programs of a folder (``--tools``)."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from heliograph.bench.carrier import CarrierJob
from heliograph.bench.driver import Figures, Job
from heliograph.bench.processes import BenchError, Child, cores_of, python
from heliograph.bench.sink import SinkFigures

__all__ = ["Instruments", "OurInstruments", "ToolInstruments"]

_START_S: Final = 30.0
_TOOL_BASE: Final = 4_915_110_000_000
"""The first number of the C load; ten million valid ones follow."""


class Instruments(Protocol):
    """What a run is made with."""

    name: str

    def carrier(self, job: CarrierJob) -> Child:
        """Starts a carrier that keeps a log."""
        ...

    def submitted(self, log: Path, recipients: Collection[str]) -> Counter[str]:
        """Of these recipients: how many segments the carrier took, by its log."""
        ...

    def load(self, job: Job) -> Child:
        """Starts a load."""
        ...

    def figures(self, load: Child, job: Job) -> Figures:
        """What became of it, when it has ended."""
        ...

    def sink(self, port: int, batch: int) -> Child:
        """Starts an endpoint for webhooks, of up to ``batch`` events each."""
        ...

    def sunk(self, sink: Child) -> SinkFigures:
        """What it has got so far."""
        ...


class OurInstruments:
    """The processes of this package."""

    name = "ours"

    def __init__(self, folder: Path, cores: str = "") -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._cores = cores_of(cores) if cores else None

    def _child(self, name: str, module: str, argument: str) -> Child:
        output = self._folder / f"{name}-{next(self._numbers)}.out"
        return Child(f"the {name}", python(module, argument), output, cores=self._cores)

    def carrier(self, job: CarrierJob) -> Child:
        child = self._child("carrier", "heliograph.bench.carrier", msgspec.json.encode(job).decode())
        child.line("ready", _START_S)
        return child

    def submitted(self, log: Path, recipients: Collection[str]) -> Counter[str]:
        found: Counter[str] = Counter()
        with log.open("rb") as lines:
            for line in lines:
                if line.startswith(b'{"fact":"submit"') and line.endswith(b"\n"):
                    fact = _SUBMIT.decode(line)
                    if not fact.status and fact.to in recipients:
                        found[fact.to] += 1
        return found

    def load(self, job: Job) -> Child:
        child = self._child("load", "heliograph.bench.driver", msgspec.json.encode(job).decode())
        child.line("ready", _START_S)  # from here on it may be asked and told
        return child

    def figures(self, load: Child, job: Job) -> Figures:
        return msgspec.convert(load.result(job.max_s + 60), Figures)

    def sink(self, port: int, batch: int) -> Child:
        child = self._child("sink", "heliograph.bench.sink", str(port))
        child.line("ready", _START_S)
        return child

    def sunk(self, sink: Child) -> SinkFigures:
        return msgspec.convert(sink.ask(), SinkFigures)


class _Submit(msgspec.Struct):
    to: str
    status: int = 0


_SUBMIT: Final = msgspec.json.Decoder(_Submit)


class ToolInstruments(OurInstruments):
    """``httpload``, ``smscsim`` and ``httpsink``, compiled from a folder of C files. One account, plain texts."""

    def __init__(self, folder: Path, sources: Path, cores: str = "") -> None:
        super().__init__(folder, cores)
        self.name = f"tools of {sources}"
        if shutil.which("gcc") is None:
            raise BenchError("--tools needs gcc, which is not installed")
        self._programs = {
            name: _compiled(sources / f"{name}.c", folder) for name in ("httpload", "smscsim", "httpsink")
        }

    def _tool(self, name: str, tool: str, *arguments: str) -> Child:
        output = self._folder / f"{name}-{next(self._numbers)}.out"
        return Child(f"the {name}", [str(self._programs[tool]), *arguments], output, cores=self._cores)

    def carrier(self, job: CarrierJob) -> Child:
        if job.throughput or job.reply_every:
            return super().carrier(job)
        quiet = [] if job.receipts else ["--no-dlr"]
        delays = ["--latency-ms", f"{job.latency_ms:.0f}", "--dlr-delay-ms", f"{job.receipt_delay_ms:.0f}"]
        child = self._tool("carrier", "smscsim", "--port", str(job.port), "--log", job.log, *delays, *quiet)
        _listening(child, job.port)
        return child

    def submitted(self, log: Path, recipients: Collection[str]) -> Counter[str]:
        found: Counter[str] = Counter()
        with log.open("rb") as lines:
            for line in lines:
                fields = line.rstrip(b"\n").split(b"\t")
                recipient = "+" + fields[0].decode("latin-1")
                if fields[-1] == b"0" and recipient in recipients:
                    found[recipient] += 1
        return found

    def load(self, job: Job) -> Child:
        if job.type != "transactional" or job.once_every:
            return super().load(job)
        text = "Your parcel {n} arrives today between 8:00 and 10:00."
        body = {"from": job.sender, "text": text}
        many = job.batch > 1
        template = json.dumps(body)[:-1] + (', "to": [{tos}]}' if many else ', "to": "{to}"}')
        arguments = [
            "--n", str(-(-job.messages // job.batch)), "--conns", str(job.connections), "--port", str(job.port),
            "--method", "POST", "--header", f"Authorization: Bearer {job.keys[0]}",
            "--header", "Content-Type: application/json", "--body", template, "--to-base", str(_TOOL_BASE + job.first),
            "--batch", str(job.batch), "--max-s", f"{job.max_s:.0f}", "--ok-log", job.ok_log or "/dev/null",
        ]  # fmt: skip
        if job.rate:
            arguments += ["--rate", str(job.rate)]
        return self._tool("load", "httpload", *arguments, "/v1/messages/batch" if many else "/v1/messages")

    def figures(self, load: Child, job: Job) -> Figures:
        found = load.result(job.max_s + 60)
        if "conn_fail" not in found:  # ours did it
            return msgspec.convert(found, Figures)
        if job.ok_log:
            _with_plus(Path(job.ok_log))
        return Figures(
            requests=found["answered"],
            accepted=found["accepted_msgs"],
            refused=(found["answered"] - found["accepted"]) * job.batch,
            lost=found["errors"] * job.batch,
            seconds=found["secs"],
            p50_ms=found["p50_ms"],
            p99_ms=found["p99_ms"],
            max_ms=found["max_ms"],
            due_p50_ms=found["due_p50_ms"],
            due_p99_ms=found["due_p99_ms"],
            codes=found["codes"],
            sample=found["sample"],
        )

    def sink(self, port: int, batch: int) -> Child:
        if batch > 1:  # httpsink counts one event a request
            return super().sink(port, batch)
        child = self._tool("sink", "httpsink", "--port", str(port), "--key", "id", "--by", "type")
        _listening(child, port)
        return child

    def sunk(self, sink: Child) -> SinkFigures:
        found: dict[str, Any] = sink.ask()
        if "by" not in found:
            return msgspec.convert(found, SinkFigures)
        types = {name: kind["n"] for name, kind in found["by"].items()}
        distinct = sum(kind["distinct"] for kind in found["by"].values())
        return SinkFigures(
            requests=found["requests"], events=found["requests"], distinct=distinct, types=types, last=found["last"]
        )


def _compiled(source: Path, folder: Path) -> Path:
    program = folder / source.stem
    command = ["gcc", "-O2", "-w", "-o", str(program), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{source} does not compile: {done.stderr[-500:]}")
    return program


def _listening(child: Child, port: int) -> None:
    """Waits until somebody listens there."""
    until = time.monotonic() + _START_S
    while child.alive and time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    child.signal(signal.SIGTERM)
    raise BenchError(f"{child.name} does not listen on port {port}: {child.complaint()}")


def _with_plus(log: Path) -> None:
    """Numbers of the C load as E.164."""
    text = log.read_text()
    if text and not text.startswith("+"):
        log.write_text("".join(f"+{line.lstrip('+')}\n" for line in text.splitlines()))
