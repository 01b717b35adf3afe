"""The Python client: what an application imports.

from heliograph import Client

with Client("https://sms.example.com", "hg_live_…") as client:
    accepted = client.send("+14155550123", "Your table is ready.", sender="12345")
    print(client.message(accepted.id).state)
"""

from heliograph.client.calls import Filter, MessageFields, OutgoingMessage
from heliograph.client.core import Retries, Timeouts
from heliograph.client.faults import (
    BadSignature,
    ClientError,
    Conflict,
    Forbidden,
    Gone,
    InvalidRequest,
    NoAnswer,
    NotFound,
    Overloaded,
    ProblemError,
    RateLimited,
    ServerFailed,
    Unauthorized,
)
from heliograph.client.values import (
    Accepted,
    Attempt,
    Event,
    ForcedUnicode,
    InspectedSegment,
    Inspection,
    Message,
    PublishableToken,
    Refused,
    Segment,
    Webhook,
)
from heliograph.client.verification import WebhookVerifier

__all__ = [
    "Accepted",
    "Attempt",
    "BadSignature",
    "ClientError",
    "Conflict",
    "Event",
    "Filter",
    "Forbidden",
    "ForcedUnicode",
    "Gone",
    "InspectedSegment",
    "Inspection",
    "InvalidRequest",
    "Message",
    "MessageFields",
    "NoAnswer",
    "NotFound",
    "OutgoingMessage",
    "Overloaded",
    "ProblemError",
    "PublishableToken",
    "RateLimited",
    "Refused",
    "Retries",
    "Segment",
    "ServerFailed",
    "Timeouts",
    "Unauthorized",
    "Webhook",
    "WebhookVerifier",
]
