"""Gateways that are compared: what each of them runs, and how one message is asked of it."""

from __future__ import annotations

import json
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol
from urllib.parse import quote

from heliograph.bench.house import House
from heliograph.bench.processes import BenchError, Child, free_port
from heliograph.bench.traffic import number, text

__all__ = ["Gateway", "Kannel", "Ours", "await_port", "program"]


class Gateway(Protocol):
    """One that can be compared."""

    @property
    def name(self) -> str: ...

    def start(self, children: list[Child], folder: Path, carrier_port: int, callback_port: int, window: int) -> None:
        """Adds its processes to ``children`` as they start; they are ready to be asked when this returns."""
        ...

    def request(self, place: int) -> bytes:
        """The request for the message at this place, as it goes over the wire."""
        ...

    @property
    def port(self) -> int:
        """Where requests go."""
        ...


class Ours:
    """Heliograph on SQLite, as it comes."""

    name = "Heliograph, SQLite"

    def start(self, children: list[Child], folder: Path, carrier_port: int, callback_port: int, window: int) -> None:
        self._house = House(folder, f"sqlite:///{folder / 'heliograph.db'}", carrier_port, window=window)
        [self._key] = self._house.prepare()
        children.append(self._house.start())
        self._house.add_webhook(self._key, callback_port, ["message.delivered"], 1)

    @property
    def port(self) -> int:
        return self._house.port

    def request(self, place: int) -> bytes:
        body = json.dumps({"to": number(place), "from": "12345", "text": text(place)}).encode()
        return (
            f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


@dataclass
class Kannel:
    """Kannel as its guide sets it up; ``store`` is where it keeps messages: ``spool`` on disk, or nothing at all."""

    store: str = ""
    missing: ClassVar[str] = (
        "Kannel is not installed, so it is not in the list: `apt-get install kannel` puts bearerbox and smsbox on the "
        "path."
    )

    @staticmethod
    def found() -> bool:
        """Whether all of its parts are installed."""
        return bool(shutil.which("bearerbox") and shutil.which("smsbox"))

    @property
    def name(self) -> str:
        return f"Kannel, {'spool on disk' if self.store else 'kept in memory'}"

    @property
    def port(self) -> int:
        return self._port

    def start(self, children: list[Child], folder: Path, carrier_port: int, callback_port: int, window: int) -> None:
        self._port, admin, box = free_port(), free_port(), free_port()
        self._callback = quote(f"http://127.0.0.1:{callback_port}/?place=", safe="")
        kept = f"store-type = {self.store}\nstore-location = {folder / 'store'}\n" if self.store else ""
        (folder / "store").mkdir()
        config = folder / "kannel.conf"
        config.write_text(f"""
group = core
admin-port = {admin}
admin-password = bench
smsbox-port = {box}
box-allow-ip = "127.0.0.1"
dlr-storage = internal
log-level = 4
{kept}
group = smsc
smsc = smpp
host = 127.0.0.1
port = {carrier_port}
smsc-username = esme
smsc-password = secret
system-type = ""
transceiver-mode = true
max-pending-submits = {window}

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {box}
sendsms-port = {self._port}
log-level = 4

group = sendsms-user
username = bench
password = bench
max-messages = 10
concatenation = true
""")
        bearerbox = Child("bearerbox", [program("bearerbox"), str(config)], folder / "bearerbox.out")
        children.append(bearerbox)
        await_port(bearerbox, box)
        smsbox = Child("smsbox", [program("smsbox"), str(config)], folder / "smsbox.out")
        children.insert(0, smsbox)
        await_port(smsbox, self._port)
        time.sleep(2.0)  # its bind to the carrier is told to nobody

    def request(self, place: int) -> bytes:
        path = (
            f"/cgi-bin/sendsms?username=bench&password=bench&from=12345&to={quote(number(place))}"
            f"&text={quote(text(place))}&dlr-mask=3&dlr-url={self._callback}{place}"
        )
        return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def program(name: str) -> str:
    """Where it is on the path."""
    return shutil.which(name) or name


def await_port(child: Child, port: int, timeout_s: float = 30.0) -> None:
    """Waits until somebody listens there. Raises :class:`BenchError`."""
    until = time.monotonic() + timeout_s
    while child.alive and time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise BenchError(f"{child.name} does not listen on port {port}: {child.complaint()}")
