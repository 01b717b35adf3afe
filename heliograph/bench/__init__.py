"""Measuring the whole path, and breaking it: ``heliograph bench``."""

from __future__ import annotations

from heliograph.bench.command import main

__all__ = ["main"]
