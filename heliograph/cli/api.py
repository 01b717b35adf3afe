"""The HTTP API, as ``send`` and ``messages`` use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import urllib3

from heliograph.cli.faults import CommandFailed

__all__ = ["Api", "refused"]

_TIMEOUT_S = 30.0
_PIECE_OCTETS = 65_536
_PIECES: dict[str, Any] = {"preload_content": False}


class Api:
    """A server and a key for it. Every method raises ``CommandFailed`` with what the server said."""

    def __init__(self, url: str, key: str) -> None:
        if not key:
            raise CommandFailed(
                "there is no API key", "give --key or set HELIOGRAPH_KEY; heliograph keys create makes one"
            )
        if not url.startswith(("http://", "https://")):
            raise CommandFailed(f"{url} is no address of a server", "give one like http://127.0.0.1:8080")
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT_S, retries=False)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """What the server answers to a GET."""
        return self._ask("GET", path, fields=dict(query or {}))

    def stream(self, path: str, query: Mapping[str, str]) -> Iterator[bytes]:
        """A long answer to a GET, piece by piece. What is refused is raised before the first piece."""
        try:
            answer = self._pool.request("GET", self._url + path, fields=dict(query), headers=self._headers, **_PIECES)
            if answer.status >= 400:
                raise refused(answer.status, _problem_in(answer.read()))
            yield from answer.stream(_PIECE_OCTETS)
        except urllib3.exceptions.HTTPError as error:
            raise CommandFailed(
                f"the answer from {self._url} has no end", "what came is not all of it: check the server, and try again"
            ) from error

    def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        """What the server answers to a POST."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self._ask("POST", path, body=msgspec.json.encode(body), headers=sent)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """What the server answers to a PATCH."""
        return self._ask("PATCH", path, body=msgspec.json.encode(body), headers={"Content-Type": "application/json"})

    def delete(self, path: str) -> None:
        """Deletes something."""
        self._ask("DELETE", path)

    def _ask(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **rest: Any) -> Any:
        try:
            answer = self._pool.request(method, self._url + path, headers={**self._headers, **(headers or {})}, **rest)
        except urllib3.exceptions.HTTPError as error:
            raise CommandFailed(
                f"no answer from {self._url}", "check --url, and that heliograph serve runs there"
            ) from error
        try:
            value = msgspec.json.decode(answer.data) if answer.data else None
        except msgspec.DecodeError as error:
            raise CommandFailed(
                f"{self._url} answered {answer.status} with something that is not JSON", "check --url"
            ) from error
        if answer.status >= 400:
            raise refused(answer.status, value)
        return value


def _problem_in(octets: bytes) -> Any:
    try:
        return msgspec.json.decode(octets)
    except msgspec.DecodeError:
        return None


def refused(status: int, problem: Any) -> CommandFailed:
    """What a problem (RFC 9457) of the server means for a person."""
    if not isinstance(problem, dict) or "code" not in problem:
        return CommandFailed(f"the server refused with {status}", "its journal tells more")
    detail = str(problem.get("detail") or problem.get("title") or "no more is known").rstrip(".")
    return CommandFailed(f"the server refused ({problem['code']})", detail)
