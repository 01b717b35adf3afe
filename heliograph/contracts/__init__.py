"""What the rooms promise each other, in words that a test can check."""

from heliograph.contracts.clock import Clock, SystemClock
from heliograph.contracts.connector import CarrierNews, Connector, InboundShort, Outcome, ReceiptNews, SegmentSubmission
from heliograph.contracts.http import Answer, Http, HttpFailure, Post
from heliograph.contracts.store import (
    Acceptance,
    Backlog,
    Changes,
    Claim,
    Committed,
    Correlation,
    InboundPart,
    ListFilter,
    MessageRecord,
    NewMessage,
    Orphan,
    OutboxPage,
    ReferenceKey,
    Store,
    StoreCheck,
    Update,
)
from heliograph.contracts.voice import Heard, Telling, Verdict, Voice

__all__ = [
    "Acceptance",
    "Answer",
    "Backlog",
    "CarrierNews",
    "Changes",
    "Claim",
    "Clock",
    "Committed",
    "Connector",
    "Correlation",
    "Heard",
    "Http",
    "HttpFailure",
    "InboundPart",
    "InboundShort",
    "ListFilter",
    "MessageRecord",
    "NewMessage",
    "Orphan",
    "OutboxPage",
    "Outcome",
    "Post",
    "ReceiptNews",
    "ReferenceKey",
    "SegmentSubmission",
    "Store",
    "StoreCheck",
    "SystemClock",
    "Telling",
    "Update",
    "Verdict",
    "Voice",
]
