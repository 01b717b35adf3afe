"""The shapes in which the public sees messages, their parts and their events, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from heliograph.delivery.segmenting import TextChanges
from heliograph.model import State

__all__ = [
    "DAYS",
    "STATE_WORDS",
    "AttemptView",
    "EventView",
    "MessageView",
    "ScheduleView",
    "SegmentView",
    "WindowView",
]

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of a delivery window, Monday first."""

STATE_WORDS: Final = {state.value: state.word for state in State}


class SegmentView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One segment. The fields from ``connector`` on are the operator's."""

    number: int
    state: str
    sent_at: str | None
    ended_at: str | None
    error: str | None
    possible_duplicate: bool
    connector: str | UnsetType | None = UNSET
    carrier_status: int | UnsetType | None = UNSET
    carrier_message_id: str | UnsetType | None = UNSET


class AttemptView(Struct, frozen=True, kw_only=True):
    """One submission to a carrier. The fields from ``connector`` on are the operator's."""

    segment: int
    number: int
    at: str
    error: str | None
    connector: str | UnsetType | None = UNSET
    carrier_status: int | UnsetType | None = UNSET
    carrier_message_id: str | UnsetType | None = UNSET


class WindowView(Struct, frozen=True, kw_only=True):
    """When the handset may be written to."""

    time_zones: Sequence[str]
    days: Sequence[str]
    hours: Sequence[str]
    holidays: str | None


class ScheduleView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked of the date. ``zone_data`` is the version of the zone data that read a local time."""

    send_at: str | UnsetType = UNSET
    send_at_local: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    zone_data: str | UnsetType = UNSET
    deliver_within: WindowView | UnsetType = UNSET


class MessageView(Struct, frozen=True, gc=False):
    """A message as JSON. It has ``text`` or ``data``; null where the content is gone."""

    id: str
    direction: str
    channel: str
    state: str
    to: str
    from_: str = msgspec.field(name="from")
    type: str
    encoding: str
    segments: int
    segments_delivered: int
    client_ref: str | None
    tags: Raw | None
    metadata: Raw | None
    at_most_once: bool
    flash: bool
    possible_duplicate: bool
    error: str | None
    accepted_at: str
    expires_at: str | None
    sent_at: str | None
    ended_at: str | None
    text: str | UnsetType | None = UNSET
    data: str | UnsetType | None = UNSET
    udh: str | UnsetType = UNSET
    send_at: str | UnsetType = UNSET
    schedule: ScheduleView | UnsetType = UNSET
    segment_list: Sequence[SegmentView] | UnsetType = UNSET
    attempts: Sequence[AttemptView] | UnsetType = UNSET
    connector: str | UnsetType | None = UNSET
    route: str | UnsetType | None = UNSET
    route_reason: str | UnsetType | None = UNSET
    carrier_status: int | UnsetType | None = UNSET
    carrier_message_id: str | UnsetType | None = UNSET
    text_changes: TextChanges | UnsetType = UNSET
    sandbox: bool | UnsetType = UNSET
    account: str | UnsetType = UNSET


class EventView(Struct, frozen=True, gc=False):
    """An event as JSON. ``corrects`` is the state that this one corrects; ``detail`` what a logged event adds."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    sequence: int
    datacontenttype: str
    data: MessageView
    corrects: str | UnsetType = UNSET
    detail: Raw | UnsetType = UNSET
