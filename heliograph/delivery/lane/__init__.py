"""A lane: one connector's share of the work. Bounded, fair, paced, and never on the wire without a permit."""

from heliograph.delivery.lane.lane import Lane
from heliograph.delivery.lane.work import Admission, LaneLimits, Work

__all__ = ["Admission", "Lane", "LaneLimits", "Work"]
