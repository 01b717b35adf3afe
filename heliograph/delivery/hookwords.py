"""What the audit log tells of a webhook: never its secret, nor the part of its URL that may hold one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from heliograph.contracts import Recorder
from heliograph.delivery.instants import iso
from heliograph.model import AuditEntry, Endpoint

__all__ = ["endpoint_entry", "shown_endpoint", "shown_url"]


def shown_url(url: str) -> str:
    """A URL without password, query and fragment; three dots stand for a query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" + ("?…" if parts.query else "")


def shown_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as the audit log has it."""
    return {
        "url": shown_url(endpoint.url),
        "events": endpoint.events,
        "tags": endpoint.tags,
        "batch": endpoint.batch,
        "paused": endpoint.paused_us is not None,
    }


def endpoint_entry(
    by: Recorder, at_us: int, action: str, before: Endpoint | None, after: Endpoint | None
) -> AuditEntry:
    """The entry of a change, None where there is nothing before or after it. What changed unseen is said to have."""
    known = after or before
    assert known is not None
    old = None if before is None else shown_endpoint(before)
    new = None if after is None else shown_endpoint(after)
    if before is not None and after is not None and new is not None:
        if before.secret != after.secret:
            new["secret"] = "changed"
            new["old_secret_until"] = iso(after.old_until_us) if after.old_secret else None
        if before.url != after.url:
            new["whole_url"] = "changed"
    kind = "webhook" if known.kind == "webhook" else "callbacks"
    return by(at_us, action, kind, known.id, known.account_id, before=old, after=new)
