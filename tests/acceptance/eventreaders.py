"""Readers of ``GET /v1/events`` for tests that end the server under them: one by cursor, one live."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.request
from typing import Any
from urllib.parse import quote

from heliograph.bench.house import House

__all__ = ["PagesReader", "Reader", "TailReader", "everything", "place"]

_PAUSE_S = 0.02
_ANSWER_S = 30.0


class Reader(threading.Thread):
    """Reads in a thread until ``enough``, from server to server; ``seen`` are the events' ids in their order."""

    def __init__(self, house: House, key: str) -> None:
        super().__init__(daemon=True)
        self.seen: list[str] = []
        self.broken = 0
        """Answers that never came, or not whole."""
        self.refused: list[Any] = []
        """What no restart explains."""
        self._house = house
        self._key = key
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._over.is_set() and not self.refused:
            connection = http.client.HTTPConnection("127.0.0.1", self._house.port, timeout=_ANSWER_S)
            try:
                self.read(connection)
            except (OSError, http.client.HTTPException):
                self.broken += 1
                time.sleep(_PAUSE_S)
            finally:
                connection.close()

    def read(self, connection: http.client.HTTPConnection) -> None:
        """Reads while the connection lasts. Raises ``OSError`` or ``HTTPException``."""
        raise NotImplementedError

    def ask(self, connection: http.client.HTTPConnection, path: str, **headers: str) -> http.client.HTTPResponse:
        """An answer of 200. A server that has trouble at the moment counts as a broken connection."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers={"Authorization": f"Bearer {self._key}", **named})
        answer = connection.getresponse()
        if answer.status >= 500:
            raise http.client.HTTPException(str(answer.status))
        if answer.status != 200:
            self.refused.append((answer.status, answer.read()))
            raise http.client.HTTPException("refused")
        return answer

    def until(self, count: int, timeout_s: float = 60.0) -> None:
        """Waits for so many events, then ends the reader."""
        end = time.monotonic() + timeout_s
        while len(self.seen) < count and time.monotonic() < end and not self.refused:
            time.sleep(_PAUSE_S)
        self._over.set()


class PagesReader(Reader):
    """Asks for page after page. What it keeps is the cursor of the last page that came whole."""

    cursor = ""

    def read(self, connection: http.client.HTTPConnection) -> None:
        while not self._over.is_set():
            query = f"&cursor={quote(self.cursor)}" if self.cursor else ""
            page = json.loads(self.ask(connection, f"/v1/events?limit=23{query}").read())
            self.cursor = page["cursor"]
            self.seen += [event["id"] for event in page["events"]]
            if not page["more"]:
                time.sleep(_PAUSE_S)


class TailReader(Reader):
    """Listens to the stream. What it keeps is the id of the last block that came whole."""

    def __init__(self, house: House, key: str, last: str) -> None:
        self.last = last
        super().__init__(house, key)

    def read(self, connection: http.client.HTTPConnection) -> None:
        answer = self.ask(connection, "/v1/events", Accept="text/event-stream", Last_Event_ID=self.last)
        block: dict[str, str] = {}
        while not self._over.is_set() and (line := answer.readline()):
            if line.endswith(b"\n") and line != b"\n":
                name, _, value = line.decode().rstrip("\n").partition(": ")
                block[name] = value
            elif line == b"\n":
                if "id" in block:
                    self.last = block["id"]
                if "data" in block:
                    self.seen.append(json.loads(block["data"])["id"])
                block = {}
        raise http.client.HTTPException("the stream ended")


def place(house: House, key: str) -> str:
    """The cursor behind everything that has happened."""
    return str(_page(house, key, "cursor=now")["cursor"])


def everything(house: House, key: str) -> list[dict[str, Any]]:
    """All events of an account, from the oldest on."""
    found: list[dict[str, Any]] = []
    cursor, more = "", True
    while more:
        page = _page(house, key, f"limit=500{cursor}")
        found += page["events"]
        cursor, more = f"&cursor={quote(page['cursor'])}", page["more"]
    return found


def _page(house: House, key: str, query: str) -> dict[str, Any]:
    request = urllib.request.Request(f"{house.url}/v1/events?{query}", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:
        page: dict[str, Any] = json.load(answer)
        return page
