"""What the rooms promise each other, in words that a test can check."""

from heliograph.contracts.administration import (
    NEW_ACCOUNT,
    Administered,
    Administration,
    Administrative,
    AuditFilter,
    OptOutTrail,
    Recorder,
)
from heliograph.contracts.answering import settle
from heliograph.contracts.care import StoreCheck
from heliograph.contracts.changes import (
    Acceptance,
    Changes,
    Committed,
    Correlation,
    InboundPart,
    NewMessage,
    Orphan,
    ReferenceKey,
    Told,
    Update,
)
from heliograph.contracts.claims import Claim
from heliograph.contracts.clock import Clock, SystemClock
from heliograph.contracts.connector import CarrierNews, Connector, InboundShort, Outcome, ReceiptNews, SegmentSubmission
from heliograph.contracts.http import Answer, Http, HttpFailure, Post
from heliograph.contracts.lanes import Backlog
from heliograph.contracts.outbox import OutboxPage
from heliograph.contracts.publishable import PUBLISHABLE, PublishableTokens
from heliograph.contracts.records import ListFilter, MessagePage, MessageRecord
from heliograph.contracts.sealing import Sealer
from heliograph.contracts.store import Store
from heliograph.contracts.tallies import ACCEPTED, COUNTED_BY, OPTED_OUT, Tally, TallyFilter, TallyRow
from heliograph.contracts.unreadable import FAULTS, SET_ASIDE, Unreadable
from heliograph.contracts.voice import Heard, Telling, Verdict, Voice

__all__ = [
    "ACCEPTED",
    "COUNTED_BY",
    "FAULTS",
    "NEW_ACCOUNT",
    "OPTED_OUT",
    "PUBLISHABLE",
    "SET_ASIDE",
    "Acceptance",
    "Administered",
    "Administration",
    "Administrative",
    "Answer",
    "AuditFilter",
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
    "MessagePage",
    "MessageRecord",
    "NewMessage",
    "OptOutTrail",
    "Orphan",
    "OutboxPage",
    "Outcome",
    "Post",
    "PublishableTokens",
    "ReceiptNews",
    "Recorder",
    "ReferenceKey",
    "Sealer",
    "SegmentSubmission",
    "Store",
    "StoreCheck",
    "SystemClock",
    "Tally",
    "TallyFilter",
    "TallyRow",
    "Telling",
    "Told",
    "Unreadable",
    "Update",
    "Verdict",
    "Voice",
    "settle",
]
