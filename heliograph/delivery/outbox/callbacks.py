"""A message's own webhook: its target is in the message, its secret is the account's."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from heliograph.delivery.outbox.line import states_of
from heliograph.model import Endpoint, Message

__all__ = ["callback_endpoint"]

_ENDPOINTS_KEPT: Final = 4096


class _Callback(Struct, frozen=True):
    url: str
    events: tuple[str, ...] = ()


_decoder: Final = msgspec.json.Decoder(_Callback)
_endpoints: dict[tuple[Endpoint, str], Endpoint] = {}
_states: dict[tuple[str, ...], frozenset[int] | None] = {}


def callback_endpoint(line: Endpoint, message: Message, state: int | None) -> Endpoint | None:
    """Where the event of this state goes: the account's callback endpoint with the message's own URL.

    None where the message wants no word of it. ``state`` None asks for the address alone (a second try).
    """
    if message.callback is None:
        return None
    try:
        callback = _decoder.decode(message.callback)
    except msgspec.DecodeError:
        return None
    if state is not None and callback.events and state not in _wanted(callback.events):
        return None
    return _with_url(line, callback.url)


def _wanted(events: tuple[str, ...]) -> frozenset[int]:
    states = _states.get(events)
    if states is None:
        if len(_states) >= _ENDPOINTS_KEPT:
            _states.clear()
        states = _states[events] = states_of(events) or frozenset()
    return states


def _with_url(line: Endpoint, url: str) -> Endpoint:
    """Kept, because many messages share one address."""
    endpoint = _endpoints.get((line, url))
    if endpoint is None:
        if len(_endpoints) >= _ENDPOINTS_KEPT:
            _endpoints.clear()
        endpoint = _endpoints[line, url] = msgspec.structs.replace(line, url=url)
    return endpoint
