"""Webhooks as JSON: what their endpoints take and answer, and how values of the house become it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from heliograph.delivery.instants import iso
from heliograph.delivery.outbox.health import Health, Tried
from heliograph.delivery.outbox.kept import is_replay, webhook_id_of
from heliograph.delivery.outbox.redacting import shown_answer, shown_body, shown_headers
from heliograph.ingress.rest.operations import Operation
from heliograph.model import DEAD_FROM_US, Endpoint, PendingDelivery, event_id

__all__ = [
    "HOOK_OPERATIONS",
    "HOOK_PAGE",
    "MOST_HOOKS_LISTED",
    "CallbacksView",
    "ReplayBody",
    "SecretBody",
    "WebhookBody",
    "WebhookList",
    "WebhookPatch",
    "delivery_of_kept",
    "delivery_of_tried",
    "webhook_view",
]

Tag = Annotated[str, Meta(min_length=1, max_length=128)]
Tags = Annotated[list[Tag], Meta(max_length=16)]
Url = Annotated[str, Meta(max_length=2048)]
Types = Annotated[list[str], Meta(max_length=32)]
Batch = Annotated[int, Meta(ge=1, le=100)]


class WebhookBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An endpoint to be called. ``events`` and ``tags`` empty mean all; ``batch`` up to 100 events in one request."""

    url: Url
    events: Types = []
    tags: Tags = []
    batch: Batch = 1


class WebhookPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a webhook; what is not there stays."""

    url: Url | UnsetType = UNSET
    events: Types | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    batch: Batch | UnsetType = UNSET
    paused: bool | UnsetType = UNSET


class SecretBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A new secret. Requests are signed with the old one too, for so many seconds."""

    old_valid_s: Annotated[int, Meta(ge=0, le=30 * 86_400)] = 86_400


class ReplayBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What to tell again: these ``events``, or all that ``failed``, or what happened in a span of time."""

    events: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(min_length=1, max_length=100)] | None = None
    failed: bool = False
    since: Annotated[str, Meta(max_length=40)] | None = None
    until: Annotated[str, Meta(max_length=40)] | None = None


class HealthView(Struct, frozen=True):
    """How an endpoint does. ``state`` is closed, half_open, open or paused."""

    state: str
    failures: int
    last_error: str | None
    failing_since: str | None


class WebhookView(Struct, frozen=True, omit_defaults=True):
    """An endpoint as its owner sees it; the secret only when it is made (a replay has ``secret_shown`` false)."""

    id: str
    url: str
    events: list[str]
    batch: int
    created_at: str
    secret: str | UnsetType = UNSET
    secret_shown: bool | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    paused_at: str | UnsetType = UNSET
    old_secret_until: str | UnsetType = UNSET
    health: HealthView | UnsetType = UNSET
    account: str | UnsetType = UNSET


class WebhookList(Struct, frozen=True):
    """Webhooks in the order in which they were made. ``next`` is the cursor of the next page, or null."""

    webhooks: list[WebhookView]
    next: str | None


class CallbacksView(Struct, frozen=True):
    """What the callbacks of the account's messages have in common. The secret stays until it is changed."""

    secret: str


class DeliveryView(Struct, frozen=True, omit_defaults=True):
    """One delivery. ``outcome`` is delivered, failed (one try), pending (will be tried again) or dead."""

    id: str
    outcome: str
    at: str
    error: str | UnsetType | None = UNSET
    events: list[str] | UnsetType = UNSET
    tries: int | UnsetType = UNSET
    next_at: str | UnsetType = UNSET
    replay: bool | UnsetType = UNSET
    request: dict[str, Any] | UnsetType = UNSET
    answer: dict[str, Any] | UnsetType = UNSET


class DeliveryList(Struct, frozen=True):
    """Newest first. ``next`` is the cursor of the next page, or null."""

    deliveries: list[DeliveryView]
    next: str | None


class ReplayView(Struct, frozen=True):
    """How many deliveries are told again; ``next_since``: there is more from then on."""

    replayed: int
    next_since: str | None


_SCOPE: Final = "webhooks"
MOST_HOOKS_LISTED: Final = 100
HOOK_PAGE: Final = {
    "account": "tree: of your account and of all below it; or the name of one of them; each says whose it is. Without "
    "it, your own alone.",
    "cursor": "What the page before gave as next; account must be the same.",
    "limit": f"Webhooks in the page, 1 to {MOST_HOOKS_LISTED}, which is also the default.",
}
HOOK_OPERATIONS: Final = (
    Operation(
        "POST",
        "/v1/webhooks",
        "Make a webhook",
        _SCOPE,
        WebhookBody,
        WebhookView,
        201,
        example={"url": "https://example.com/sms", "events": ["message.delivered", "message.received"]},
        problems=("conflict",),
    ),
    Operation("GET", "/v1/webhooks", "List webhooks", _SCOPE, None, WebhookList, query=HOOK_PAGE),
    Operation("GET", "/v1/webhooks/callbacks", "Show the secret of callbacks", _SCOPE, None, CallbacksView),
    Operation("GET", "/v1/webhooks/{id}", "Show a webhook and how it does", _SCOPE, None, WebhookView),
    Operation(
        "PATCH",
        "/v1/webhooks/{id}",
        "Change, pause or resume a webhook",
        _SCOPE,
        WebhookPatch,
        WebhookView,
        example={"paused": True},
    ),
    Operation(
        "POST",
        "/v1/webhooks/{id}/secret",
        "Change the secret of a webhook, or of callbacks",
        _SCOPE,
        SecretBody,
        WebhookView,
        example={"old_valid_s": 86400},
    ),
    Operation("POST", "/v1/webhooks/{id}/test", "Send a test event to a webhook now", _SCOPE, None, DeliveryView),
    Operation(
        "POST",
        "/v1/webhooks/{id}/replay",
        "Tell a webhook again",
        _SCOPE,
        ReplayBody,
        ReplayView,
        202,
        example={"failed": True},
    ),
    Operation(
        "GET",
        "/v1/webhooks/{id}/deliveries",
        "List deliveries of a webhook",
        _SCOPE,
        None,
        DeliveryList,
        query={
            "state": "recent (by default: the last requests since the server started), pending or dead.",
            "cursor": "What the page before gave as next.",
            "limit": "Deliveries in the page, 1 to 100; 50 by default.",
        },
    ),
    Operation("DELETE", "/v1/webhooks/{id}", "Delete a webhook", _SCOPE, None, None, 204),
)


def webhook_view(endpoint: Endpoint, health: Health | None = None, *, now_us: int = 0, **more: Any) -> WebhookView:
    """An endpoint as its owner sees it."""
    seen: HealthView | UnsetType = UNSET
    if health is not None:
        since = iso(health.failing_since_us) if health.failing_since_us else None
        seen = HealthView(health.state, health.failures, health.last_error, since)
    return WebhookView(
        endpoint.id,
        endpoint.url,
        list(endpoint.events),
        endpoint.batch,
        iso(endpoint.created_us),
        tags=list(endpoint.tags) or UNSET,
        paused_at=UNSET if endpoint.paused_us is None else iso(endpoint.paused_us),
        old_secret_until=iso(endpoint.old_until_us) if endpoint.old_until_us > now_us else UNSET,
        health=seen,
        **more,
    )


def delivery_of_tried(tried: Tried) -> DeliveryView:
    """A request that was made, as its owner may see it."""
    post, answer = tried.post, tried.answer
    return DeliveryView(
        id=post.headers.get("webhook-id", ""),
        outcome="delivered" if tried.error is None else "failed",
        at=iso(tried.at_us),
        error=tried.error,
        replay=True if "heliograph-replay" in post.headers else UNSET,
        request={"url": post.url, "headers": shown_headers(post.headers), "events": shown_body(post.body)},
        answer=UNSET if answer is None else {"status": answer.status, "body": shown_answer(answer.body)},
    )


def delivery_of_kept(delivery: PendingDelivery) -> DeliveryView:
    """A delivery that is still tried, or a dead letter."""
    dead = delivery.next_us >= DEAD_FROM_US
    return DeliveryView(
        id=webhook_id_of(delivery),
        outcome="dead" if dead else "pending",
        at=iso(delivery.next_us - DEAD_FROM_US if dead else delivery.first_us),
        error=delivery.last_error,
        events=[event_id(*event) for event in delivery.events],
        tries=delivery.tries,
        next_at=UNSET if dead else iso(delivery.next_us),
        replay=True if is_replay(delivery) else UNSET,
    )
