"""What the control API shows, as plain values for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from heliograph.simulator.carrier import VirtualCarrier
from heliograph.simulator.handsets import HandsetMessage
from heliograph.simulator.mischief import Misbehaviour

__all__ = ["carrier_view", "message_view", "misbehaviour_view"]


def carrier_view(carrier: VirtualCarrier) -> dict[str, Any]:
    """A carrier as it is now. Its password is not shown."""
    settings = {name: value for name, value in asdict(carrier.settings).items() if name != "password"}
    settings["receipts"]["final_states"] = dict(settings["receipts"]["final_states"])
    kind = carrier.mischief.kind
    return {
        "name": carrier.settings.name,
        "address": f"{carrier.settings.host}:{carrier.port}",
        "up": carrier.is_up,
        "binds": carrier.binds,
        "misbehaviour": None if kind is None else {"kind": kind.name, "share": carrier.mischief.share},
        "misbehaved": dict(carrier.mischief.done),
        "facts": dict(carrier.log.counts),
        "messages": carrier.handsets.count,
        "unfinished": carrier.unfinished,
        "opted_out": carrier.owners.opted_out,
        "after_opt_out": carrier.owners.after_opt_out,
        "settings": settings,
    }


def message_view(message: HandsetMessage) -> dict[str, Any]:
    """A message on a handset; what is no text stands as hexadecimal octets."""
    return {
        "to": message.to,
        "from": message.sender,
        "text": message.text,
        "octets": message.octets.hex() if message.text is None else None,
        "encoding": message.encoding,
        "segments": message.segments,
        "ids": list(message.ids),
        "at": message.at,
        "flash": message.flash,
    }


def misbehaviour_view(kind: Misbehaviour) -> dict[str, Any]:
    """A misbehaviour and what follows from it."""
    return {"kind": kind.name, "what": kind.what, "fate": kind.fate.value}
