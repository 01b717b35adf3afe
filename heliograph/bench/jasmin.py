"""Jasmin as a gateway to compare with: its broker, its store of receipts, its daemon and its thrower of callbacks.

Set up as its guide says: two daemons beside RabbitMQ and Redis, and users, routes and carriers over its console.
"""

from __future__ import annotations

import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import quote

from heliograph.bench.gateways import await_port, program
from heliograph.bench.processes import BenchError, Child, free_port
from heliograph.bench.traffic import number, text

__all__ = ["Jasmin"]

_BROKERS: Final = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
"""The packages' own script changes the user; the one behind it runs as whoever starts it."""

_PATIENCE_S: Final = 60.0


@dataclass
class Jasmin:
    """Jasmin with RabbitMQ and Redis, all on the loopback."""

    store: str = ""
    missing: ClassVar[str] = (
        "Jasmin is not installed, so it is not in the list: its jasmind.py and dlrlookupd.py, redis-server and "
        "rabbitmq-server must be on the path."
    )

    @property
    def name(self) -> str:
        return f"Jasmin, {self.store or 'RabbitMQ'}"

    @staticmethod
    def found() -> bool:
        """Whether all of its parts are installed."""
        return bool(shutil.which("jasmind.py") and shutil.which("redis-server") and _broker())

    @property
    def port(self) -> int:
        """Where requests go."""
        return self._port

    def start(self, children: list[Child], folder: Path, carrier_port: int, callback_port: int, window: int) -> None:
        """Adds its processes to ``children``; its daemon is bound to the carrier when this returns."""
        self._port, console = free_port(), free_port()
        self._callback = quote(f"http://127.0.0.1:{callback_port}/?place=", safe="")
        broker_port, receipts_port = free_port(), free_port()
        for one in ("store", "log", "rabbit", "redis"):
            (folder / one).mkdir()
        config = folder / "jasmin.cfg"
        config.write_text(_config(folder, self._port, console, broker_port, receipts_port))
        command = ["--port", str(receipts_port), "--bind", "127.0.0.1", "--dir", str(folder / "redis")]
        receipts = Child("redis-server", [program("redis-server"), *command], folder / "redis.out")
        children.append(receipts)
        broker = Child("rabbitmq-server", [_broker() or "rabbitmq-server"], folder / "rabbit.out",
                       environment=_broker_environment(folder, broker_port))  # fmt: skip
        children.insert(0, broker)
        await_port(receipts, receipts_port)
        await_port(broker, broker_port, _PATIENCE_S)
        places = {"CONFIG_PATH": f"{folder}/", "STORE_PATH": f"{folder}/store/", "LOG_PATH": str(folder / "log")}
        for one, more in (("dlrlookupd.py", ["--id", f"bench{console}"]), ("jasmind.py", ["--enable-dlr-thrower"])):
            command = [program(one), "--config", str(config), *more]
            children.insert(0, Child(one, command, folder / f"{one}.out", environment=places))
        await_port(children[0], console, _PATIENCE_S)
        await_port(children[0], self._port, _PATIENCE_S)
        _set_up(console, carrier_port)

    def request(self, place: int) -> bytes:
        """One message, with a callback for its end."""
        path = (
            f"/send?username=bench&password=bench&from=12345&to={quote(number(place).lstrip('+'))}"
            f"&content={quote(text(place))}&dlr=yes&dlr-level=2&dlr-method=GET&dlr-url={self._callback}{place}"
        )
        return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def _broker() -> str | None:
    return next((found for one in _BROKERS if (found := shutil.which(one))), None)


def _broker_environment(folder: Path, port: int) -> dict[str, str]:
    return {
        "HOME": str(folder / "rabbit"),
        "RABBITMQ_NODENAME": f"bench{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "rabbit"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "rabbit" / "plugins"),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }


def _config(folder: Path, port: int, console: int, broker: int, receipts: int) -> str:
    """Its configuration: ports of our own, and no line in a log but errors."""
    sections: dict[str, dict[str, object]] = {
        "http-api": {"bind": "127.0.0.1", "port": port, "access_log": folder / "log" / "access.log"},
        "jcli": {"bind": "127.0.0.1", "port": console, "authentication": False},
        "smpp-server": {"bind": "127.0.0.1", "port": free_port()},
        "smpp-server-pb": {"bind": "127.0.0.1", "port": free_port()},
        "client-management": {"bind": "127.0.0.1", "port": free_port()},
        "router": {"bind": "127.0.0.1", "port": free_port()},
        "redis-client": {"host": "127.0.0.1", "port": receipts},
        "amqp-broker": {"host": "127.0.0.1", "port": broker, "spec": _specification()},
        "sm-listener": {},
        "dlr": {},
        "dlr-thrower": {},
        "deliversm-thrower": {},
        "service-smppclient": {},
    }
    lines = []
    for section, values in sections.items():
        lines.append(f"[{section}]\nlog_level = ERROR")
        lines += [f"{name} = {value}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _specification() -> str:
    """The description of the broker's protocol, which comes with the library that Jasmin is installed with."""
    beside = Path(program("jasmind.py")).resolve().parent.parent
    for found in sorted(beside.glob("lib/python*/site-packages/txamqp/specs/standard/amqp0-9-1*.xml")):
        return str(found)
    raise BenchError("Jasmin's library for RabbitMQ (txAMQP3) is not beside jasmind.py.")


def _set_up(console: int, carrier_port: int) -> None:
    """A user, a carrier without a limit of its own, and the one route, over the console."""
    said = [
        "group -a", "gid bench", "ok",
        "user -a", "username bench", "password bench", "gid bench", "uid bench", "ok",
        "smppccm -a", "cid carrier", "host 127.0.0.1", f"port {carrier_port}", "username esme", "password secret",
        "submit_throughput 0", "bind transceiver", f"bind_to {_PATIENCE_S:g}", "ok",
        "mtrouter -a", "type DefaultRoute", "connector smppc(carrier)", "rate 0.0", "ok",
        "smppccm -1 carrier",
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", console), timeout=_PATIENCE_S) as line:
        line.sendall(b"\r\n")
        _until(line, b"jcli : ")
        for one in said:
            line.sendall(one.encode() + b"\r\n")
            answer = _until(line, b"> " if not one.startswith(("ok", "smppccm -1")) else b"jcli : ")
            if b"rror" in answer or b"nknown" in answer:
                raise BenchError(f"Jasmin's console did not take {one!r}: {answer.decode(errors='replace').strip()}")
        until = time.monotonic() + _PATIENCE_S
        while True:
            line.sendall(b"smppccm -l\r\n")
            if b"BOUND" in _until(line, b"jcli : "):
                return
            if time.monotonic() > until:
                raise BenchError(f"Jasmin did not bind to the carrier within {_PATIENCE_S:g} s")
            time.sleep(0.2)


def _until(line: socket.socket, prompt: bytes) -> bytes:
    octets = b""
    while not octets.endswith(prompt):
        more = line.recv(4096)
        if not more:
            raise BenchError(f"Jasmin's console hung up after {octets[-200:]!r}")
        octets += more
    return octets
