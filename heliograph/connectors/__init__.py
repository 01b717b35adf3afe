"""Configured ways to carriers: one kind for each way that carriers are spoken to."""

from heliograph.connectors.kinds import GROUP, KINDS, Kind

__all__ = ["GROUP", "KINDS", "Kind"]
