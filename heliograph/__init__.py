"""Heliograph: an SMS API platform that you run yourself. ``Client`` and ``AsyncClient`` talk to it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heliograph.client.aio import AsyncClient
    from heliograph.client.sync import Client

__all__ = ["AsyncClient", "Client", "__version__"]

__version__ = "0.1.0"

_HOMES = {"AsyncClient": "heliograph.client.aio", "Client": "heliograph.client.sync"}


def __getattr__(name: str) -> Any:
    """The clients when they are asked for: who needs neither pays for no HTTP library."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'heliograph' has no attribute {name!r}")
    return getattr(import_module(home), name)
