"""A message's own webhook: its target is in the message, its secret is the account's."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from heliograph.delivery.eventwords import states_of
from heliograph.model import Endpoint, Message

__all__ = ["Callbacks", "Target"]

_TARGETS_KEPT: Final = 4096


class _Callback(Struct, frozen=True):
    url: str
    events: tuple[str, ...] = ()


_decoder: Final = msgspec.json.Decoder(_Callback)


class Target(NamedTuple):
    """The account's callback endpoint with a message's own URL, and the host of that URL."""

    endpoint: Endpoint
    host: str


class Callbacks:
    """Where the events of an account's messages go. Kept, because many messages share one address."""

    __slots__ = ("_endpoint", "_states", "_targets")

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._targets: dict[str, Target] = {}
        self._states: dict[tuple[str, ...], frozenset[int]] = {}

    def target(self, message: Message, state: int | None) -> Target | None:
        """None where the message wants no word of this state. ``state`` None asks for the address alone."""
        if message.callback is None:
            return None
        try:
            callback = _decoder.decode(message.callback)
        except msgspec.DecodeError:
            return None
        if state is not None and callback.events and state not in self._wanted(callback.events):
            return None
        return self._targets.get(callback.url) or self._new_target(callback.url)

    def _wanted(self, events: tuple[str, ...]) -> frozenset[int]:
        states = self._states.get(events)
        if states is None:
            if len(self._states) >= _TARGETS_KEPT:
                self._states.clear()
            states = self._states[events] = states_of(events) or frozenset()
        return states

    def _new_target(self, url: str) -> Target:
        if len(self._targets) >= _TARGETS_KEPT:
            self._targets.clear()
        target = self._targets[url] = Target(msgspec.structs.replace(self._endpoint, url=url), _host_of(url))
        return target


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url
