"""What can go wrong between an application and the server, sorted by what the application can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from heliograph.errors import HeliographError

__all__ = [
    "BadSignature",
    "ClientError",
    "Conflict",
    "Forbidden",
    "Gone",
    "InvalidRequest",
    "NoAnswer",
    "NotFound",
    "Overloaded",
    "ProblemError",
    "RateLimited",
    "ServerFailed",
    "Unauthorized",
    "problem_error",
]


class ClientError(HeliographError):
    """Root of everything that the client raises."""


class NoAnswer(ClientError):
    """The server was not reached, or did not answer in time, at any try.

    What was asked may have been done all the same. The same call with the same ``idempotency_key`` finds that
    out without doing it twice; the key that was used is in :attr:`idempotency_key`.
    """

    def __init__(self, detail: str, *, tries: int, idempotency_key: str | None) -> None:
        self.tries = tries
        self.idempotency_key = idempotency_key
        super().__init__(f"no answer after {tries} tries: {detail}")


class BadSignature(ClientError):
    """A webhook that was not signed with this secret, or too long ago: answer 401 and do nothing."""


class ProblemError(ClientError):
    """The server said no, in the words of an RFC 9457 problem.

    ``code`` is stable and listed in the reference of errors, ``field`` names the part of the request,
    ``retry_after_s`` is there where waiting helps.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, field: str | None = None, retry_after_s: float | None = None
    ) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.retry_after_s = retry_after_s
        super().__init__(f"{code}: {detail}" + (f" (field {field})" if field else ""))


class InvalidRequest(ProblemError):
    """The request must be changed: it will never be accepted as it is."""


class Unauthorized(ProblemError):
    """No key, or none that is valid."""


class Forbidden(ProblemError):
    """The key lacks the scope."""


class NotFound(ProblemError):
    """There is nothing of this name, for this key."""


class Conflict(ProblemError):
    """It does not fit what is there: an idempotency key used for another request, a message that is over."""


class Gone(ProblemError):
    """What was asked for is past its retention."""


class RateLimited(ProblemError):
    """Too many requests for this account, at every try."""


class ServerFailed(ProblemError):
    """The server failed at every try."""


class Overloaded(ServerFailed):
    """The server or its store was busy at every try; nothing was kept."""


_BY_STATUS: Mapping[int, type[ProblemError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    429: RateLimited,
    503: Overloaded,
}


def problem_error(status: int, body: bytes, retry_after_s: float | None) -> ProblemError:
    """The error of an answer. One that is no problem object (a proxy's page) has the code ``http_<status>``."""
    kind = _BY_STATUS.get(status) or (ServerFailed if status >= 500 else InvalidRequest)
    try:
        problem: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        problem = None
    if not isinstance(problem, dict) or not isinstance(problem.get("code"), str):
        return kind(status, f"http_{status}", "the answer is none of Heliograph's", retry_after_s=retry_after_s)
    detail = problem.get("detail") or problem.get("title") or ""
    return kind(status, problem["code"], str(detail), field=problem.get("field"), retry_after_s=retry_after_s)
