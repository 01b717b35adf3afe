"""Frozen values and their states: what the rooms hand each other."""

from heliograph.model.accounts import (
    CUSTOMER_SCOPES,
    SCOPES,
    Account,
    Credential,
    Number,
    OptOut,
    Route,
    is_sandbox,
    sandbox_of,
)
from heliograph.model.administration import AuditEntry, ConfigObject
from heliograph.model.events import DEAD_FROM_US, Endpoint, Fact, LoggedEvent, PendingDelivery, event_id
from heliograph.model.ids import IdSource, id_from_number, id_number, id_time_us, normalize_id
from heliograph.model.limits import LIMIT_NAMES, LimitSet, Usage, UsageRow
from heliograph.model.message import AT_ONCE, Attempt, Content, Live, Message, Progress, SegmentProgress
from heliograph.model.roles import ROLES, scopes_of_role
from heliograph.model.schedule import Schedule, Window, schedule_at
from heliograph.model.states import (
    ARRIVED,
    END,
    ENDS,
    AddressKind,
    ContentKind,
    Direction,
    Encoding,
    State,
    TrafficType,
)

__all__ = [
    "ARRIVED",
    "AT_ONCE",
    "CUSTOMER_SCOPES",
    "DEAD_FROM_US",
    "END",
    "ENDS",
    "LIMIT_NAMES",
    "ROLES",
    "SCOPES",
    "Account",
    "AddressKind",
    "Attempt",
    "AuditEntry",
    "ConfigObject",
    "Content",
    "ContentKind",
    "Credential",
    "Direction",
    "Encoding",
    "Endpoint",
    "Fact",
    "IdSource",
    "LimitSet",
    "Live",
    "LoggedEvent",
    "Message",
    "Number",
    "OptOut",
    "PendingDelivery",
    "Progress",
    "Route",
    "Schedule",
    "SegmentProgress",
    "State",
    "TrafficType",
    "Usage",
    "UsageRow",
    "Window",
    "event_id",
    "id_from_number",
    "id_number",
    "id_time_us",
    "is_sandbox",
    "normalize_id",
    "sandbox_of",
    "schedule_at",
    "scopes_of_role",
]
