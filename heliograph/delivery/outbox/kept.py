"""The ids of kept deliveries: the webhook id, whose they are, and whether somebody asked for them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from heliograph.model import Endpoint, PendingDelivery

__all__ = ["REPLAY_HEADER", "is_replay", "kept_id", "replay_id", "webhook_id_of"]

REPLAY_HEADER: Final[Mapping[str, str]] = {"heliograph-replay": "true"}
"""What a request has that somebody asked for again."""
_REPLAY: Final = "@replay"


def kept_id(webhook_id: str, endpoint: Endpoint) -> str:
    """A pending delivery's id: two endpoints may owe the same event, each its own second try."""
    return f"{webhook_id}@{endpoint.id}"


def replay_id(webhook_id: str, endpoint: Endpoint, now_us: int) -> str:
    """The id of a replay: it stands beside other deliveries of the same event, and ends for itself alone."""
    return f"{kept_id(webhook_id, endpoint)}{_REPLAY}{now_us:x}"


def webhook_id_of(delivery: PendingDelivery) -> str:
    """What the receiver knows it by."""
    return delivery.id.partition("@")[0]


def is_replay(delivery: PendingDelivery) -> bool:
    """Whether it was asked for again."""
    return _REPLAY in delivery.id
