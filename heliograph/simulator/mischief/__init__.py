"""Misbehaving carriers: every kind by its name, and what plays them between a session and its connection."""

from collections.abc import Mapping
from typing import Final

from heliograph.simulator.mischief.answering import ANSWERING
from heliograph.simulator.mischief.binding import BINDING
from heliograph.simulator.mischief.kinds import Fate, Misbehaviour, Moment
from heliograph.simulator.mischief.meddler import Meddler
from heliograph.simulator.mischief.mischief import Mischief
from heliograph.simulator.mischief.receipting import RECEIPTING
from heliograph.simulator.mischief.stream import STREAM

__all__ = ["MISBEHAVIOURS", "Fate", "Meddler", "Misbehaviour", "Mischief", "Moment"]

MISBEHAVIOURS: Final[Mapping[str, Misbehaviour]] = {
    kind.name: kind for kind in (*BINDING, *ANSWERING, *STREAM, *RECEIPTING)
}
"""Every kind by its name."""
