"""Versions of what is configured, as HTTP says them: ``ETag``, ``If-Match`` and ``If-None-Match`` (RFC 9110)."""

from __future__ import annotations

import re
from typing import Final

from fastapi import Request

from heliograph.errors import RequestRejected, VersionConflict

__all__ = ["etag", "expected_of", "stale"]

_TAG: Final = re.compile(r'"([1-9]\d{0,8})"\Z')


def etag(version: int) -> tuple[bytes, bytes]:
    """The header of an answer that shows this version."""
    return b"etag", f'"{version}"'.encode()


def expected_of(request: Request) -> int | None:
    """The version that the caller has seen; 0: it must not be there yet; None: whichever there is.

    Raises ``RequestRejected`` for a tag that none of our answers had.
    """
    if (none := request.headers.get("if-none-match")) is not None:
        if none.strip() != "*":
            raise RequestRejected("field_invalid", "If-None-Match can only be *.", field="If-None-Match")
        return 0
    match = request.headers.get("if-match")
    if match is None or match.strip() == "*":
        return None
    found = _TAG.match(match.strip())
    if found is None:
        raise RequestRejected(
            "field_invalid", 'If-Match must be the ETag that an answer had, such as "3".', field="If-Match"
        )
    return int(found[1])


def stale(error: VersionConflict) -> RequestRejected:
    """A conflict of versions as a problem."""
    if error.version:
        detail = f"The {error.kind} {error.name[:64]} has version {error.version} by now: read it again first."
    else:
        detail = f"There is no {error.kind} {error.name[:64]} any more, or not yet."
    return RequestRejected("version_mismatch", detail, status=412)
