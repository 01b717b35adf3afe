"""The native HTTP API, version 1."""

from heliograph.ingress.rest.build import Services, build

__all__ = ["Services", "build"]
