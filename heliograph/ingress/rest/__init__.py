"""The native HTTP API, version 1."""

from heliograph.ingress.rest.build import build
from heliograph.ingress.rest.services import Services

__all__ = ["Services", "build"]
