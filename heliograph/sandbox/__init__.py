"""Sandboxes: what test keys send goes the whole path, to virtual carriers on loopback.

Source: docs/explanation/design/0041-sandbox.md
"""

from heliograph.sandbox.sandboxes import Sandboxes
from heliograph.sandbox.world import SandboxWorld

__all__ = ["SandboxWorld", "Sandboxes"]
