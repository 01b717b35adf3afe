"""Virtual carriers and virtual handsets: the far end of the path, for the demo, the sandbox, benchmarks and tests."""

from heliograph.simulator.carrier import VirtualCarrier
from heliograph.simulator.handsets import HandsetMessage
from heliograph.simulator.log import CarrierLog, Fact, read_log
from heliograph.simulator.mischief import MISBEHAVIOURS, Fate, Misbehaviour
from heliograph.simulator.reading import WORLDS, read_world, world_file
from heliograph.simulator.settings import CarrierSettings, ReceiptSettings, Refusal
from heliograph.simulator.world import RunningWorld, World

__all__ = [
    "MISBEHAVIOURS",
    "WORLDS",
    "CarrierLog",
    "CarrierSettings",
    "Fact",
    "Fate",
    "HandsetMessage",
    "Misbehaviour",
    "ReceiptSettings",
    "Refusal",
    "RunningWorld",
    "VirtualCarrier",
    "World",
    "read_log",
    "read_world",
    "world_file",
]
