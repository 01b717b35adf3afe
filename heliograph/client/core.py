"""The client without I/O: what a call asks, what its answer means, and when it is tried again.

Every call may be repeated: reading changes nothing, and what changes something carries an idempotency key,
under which the server does it once however often it hears of it. So a lost answer is asked for again.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Generic, TypeVar
from urllib.parse import urlencode

import msgspec

from heliograph.client.faults import ClientError, NoAnswer, problem_error

__all__ = ["Answer", "Call", "Exchange", "Retries", "Server", "Timeouts"]

T = TypeVar("T")

_AGAIN: Final = frozenset((429, 500, 502, 503, 504))
_IN_PROGRESS: Final = "idempotency_in_progress"


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds for each try: to connect, and from then to the whole answer."""

    connect_s: float = 5.0
    answer_s: float = 30.0


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often and when a call is tried again: waits double from ``first_s`` with full jitter.

    The server's ``Retry-After`` is honoured upward; one above ``longest_s`` ends the call with its error.
    """

    tries: int = 5
    first_s: float = 0.25
    longest_s: float = 30.0

    def __post_init__(self) -> None:
        if self.tries < 1 or self.first_s < 0 or self.longest_s < 0:
            raise ValueError("tries must be at least 1, first_s and longest_s at least 0")


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where the server is and who asks. Raises ``ValueError`` for what can be neither."""

    url: str
    key: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url must be like https://sms.example.com, not {self.url!r}")
        if not self.key or not self.key.isascii() or any(letter.isspace() for letter in self.key):
            raise ValueError("key must be an API key, such as hg_live_…: heliograph keys create makes one")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a transport got. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Call(Generic[T]):
    """One operation of the API. ``read`` makes its result of the body of a good answer."""

    method: str
    path: str
    read: Callable[[bytes], T]
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    idempotency_key: str | None = None

    def url(self, server: Server) -> str:
        """The whole address."""
        query = f"?{urlencode(self.query)}" if self.query else ""
        return f"{server.url.rstrip('/')}{self.path}{query}"

    def headers(self, server: Server, user_agent: str) -> dict[str, str]:
        """What goes with it."""
        headers = {"Authorization": f"Bearer {server.key}", "Accept": "application/json", "User-Agent": user_agent}
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        if self.idempotency_key is not None:
            headers["Idempotency-Key"] = self.idempotency_key
        return headers


def new_idempotency_key() -> str:
    """128 random bits."""
    return secrets.token_hex(16)


@dataclass(slots=True)
class Exchange(Generic[T]):
    """One call with all its tries. A transport asks, tells what came, waits as it is told, and asks again."""

    call: Call[T]
    retries: Retries
    tries: int = 0
    _jitter: Callable[[float, float], float] = random.uniform

    def answered(self, answer: Answer) -> tuple[T, None] | tuple[None, float]:
        """(result, None), or (None, seconds to wait before the next try). Raises ``ProblemError``."""
        self.tries += 1
        if 200 <= answer.status < 300:
            try:
                return self.call.read(answer.body), None
            except msgspec.DecodeError as strange:
                raise ClientError(f"the server answered what this client cannot read: {strange}") from strange
        retry_after_s = _retry_after_s(answer.headers.get("retry-after"))
        error = problem_error(answer.status, answer.body, retry_after_s)
        if answer.status not in _AGAIN and error.code != _IN_PROGRESS:
            raise error
        if self.tries >= self.retries.tries or (retry_after_s or 0.0) > self.retries.longest_s:
            raise error
        return None, max(self._wait_s(), retry_after_s or 0.0)

    def failed(self, detail: str) -> float:
        """No answer came: seconds to wait before the next try. Raises ``NoAnswer``."""
        self.tries += 1
        if self.tries >= self.retries.tries:
            raise NoAnswer(detail, tries=self.tries, idempotency_key=self.call.idempotency_key)
        return self._wait_s()

    def _wait_s(self) -> float:
        return self._jitter(0.0, min(self.retries.longest_s, self.retries.first_s * 2.0 ** (self.tries - 1)))


def _retry_after_s(value: str | None) -> float | None:
    """Seconds, or a date. Source: RFC 9110 §10.2.3"""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at - datetime.now(UTC)).total_seconds()) if at.tzinfo is not None else None
