"""What endpoints have in common: whom they ask about a caller and for a body, and headers that many answers have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from fastapi import Request

from heliograph.access import Principal
from heliograph.ingress.rest.calls import Call
from heliograph.ingress.rest.problems import Reply

__all__ = ["NOT_KEPT", "REPLAYED", "Answerer", "Caller", "Reader", "or_empty"]

Answerer = Callable[[Request], Awaitable[Reply]]
"""One endpoint."""
Caller = Callable[..., Principal]
"""Says who asks, from the request and the scopes of which one is enough, or raises ``RequestRejected``."""
Reader = Callable[[Request, int], Awaitable[Call]]
"""Reads a request whose body has at most so many octets, or raises ``RequestRejected``."""

NOT_KEPT: Final = ((b"cache-control", b"no-store"),)
"""Of answers with a secret."""
REPLAYED: Final = ((b"idempotent-replayed", b"true"),)
"""Of answers to requests that were done before."""


def or_empty(call: Call) -> Call:
    """The call; a body that nobody sent says nothing."""
    return call if call.body else msgspec.structs.replace(call, body=b"{}")
