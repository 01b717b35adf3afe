"""Refusals that both doors make before, or instead of, what an endpoint says."""

from __future__ import annotations

from heliograph.errors import RequestRejected
from heliograph.ingress.rest.problems import Reply, refusal
from heliograph.telemetry import journal
from heliograph.telemetry.metrics import Metrics

__all__ = ["failed", "too_large"]


def too_large(most_octets: int) -> RequestRejected:
    """A body over its bound."""
    return RequestRejected(
        "body_too_large", f"The body may have {most_octets} octets here: send less at a time.", status=413
    )


def failed(metrics: Metrics, method: str, path: str, error: Exception) -> Reply:
    """The answer to a request that met a fault of ours: the journal has it, the caller learns nothing of it."""
    metrics.trouble("http")
    journal.request_failed(method, path, error)
    return refusal(
        RequestRejected("internal", "The server failed at this request; its operator can see why.", status=500)
    )
