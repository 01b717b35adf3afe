"""The outbox: every event to every subscriber, at least once, in order where order means something."""

from heliograph.delivery.outbox.desk import Bounds
from heliograph.delivery.outbox.outbox import Outbox

__all__ = ["Bounds", "Outbox"]
