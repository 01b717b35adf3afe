"""The store: where the truth is kept. One contract, SQLite and PostgreSQL fulfil it.

Everything that changes a message goes through :meth:`Store.commit`: the store collects what waits,
writes it as one transaction, makes it durable (fsync), and then answers every waiter. Reads are
batched. Every tenant's read takes its ``account_id`` and finds nothing of anybody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from heliograph.contracts.administration import Administrative, OptOutTrail
from heliograph.contracts.claims import Claim
from heliograph.contracts.publishable import PublishableTokens
from heliograph.model import (
    Account,
    ApiKey,
    Attempt,
    AuditEntry,
    Content,
    Endpoint,
    Fact,
    Live,
    LoggedEvent,
    Message,
    OptOut,
    PendingDelivery,
    Progress,
    Schedule,
    SegmentProgress,
    Usage,
    UsageRow,
)

__all__ = [
    "ACCEPTED",
    "COUNTED_BY",
    "OPTED_OUT",
    "Acceptance",
    "Backlog",
    "Changes",
    "Committed",
    "Correlation",
    "InboundPart",
    "ListFilter",
    "MessagePage",
    "MessageRecord",
    "NewMessage",
    "Orphan",
    "OutboxPage",
    "ReferenceKey",
    "Store",
    "StoreCheck",
    "Tally",
    "TallyFilter",
    "TallyRow",
    "Update",
]


class NewMessage(Struct, frozen=True, gc=False):
    """The rows of one new message. ``segments`` has an entry each where there are several."""

    message: Message
    progress: Progress
    content: Content
    segments: tuple[SegmentProgress, ...] | None = None


@dataclass(slots=True)
class Acceptance:
    """What is written all together, or not at all because its claim is taken.

    One without messages stands for the ``updates`` beside it as well: where its claim is taken these are not
    written, and where one of them is stale its claim is not taken.

    ``guard_optouts``: recipients are checked once more inside the transaction (see
    :attr:`Committed.opted_out`).
    """

    messages: Sequence[NewMessage]
    claim: Claim | None = None
    endpoints: Sequence[Endpoint] = ()
    deleted_endpoints: Sequence[tuple[int, str, int]] = ()
    """(account_id, endpoint id, when in µs)."""
    schedules: Sequence[Schedule] = ()
    """The dates of those of ``messages`` that have one."""
    deliveries: Sequence[PendingDelivery] = ()
    """As those of :class:`Changes`, under the claim."""
    deliveries_done: Sequence[str] = ()
    usage: Sequence[Usage] = ()
    """What it uses of the limits of accounts and keys: counted with it, or not at all."""
    audit: Sequence[AuditEntry] = ()
    """Who asked for it, where it changes what somebody set up."""


class Update(Struct, frozen=True, gc=False):
    """A new ``progress`` for a message whose row is still at ``base_version``; otherwise it is stale."""

    message_id: str
    account_id: int
    base_version: int
    progress: Progress


class Correlation(Struct, frozen=True, gc=False):
    """Which submission a carrier's message id belongs to. ``canonical`` is the id after the connector's codec."""

    connector_id: int
    canonical: str
    account_id: int
    message_id: str
    segment: int
    attempt: int


class Orphan(Struct, frozen=True, kw_only=True):
    """A receipt that found no message yet. ``fields`` is the receipt as JSON, ``id`` the store's own (0: new)."""

    connector_id: int
    canonical: str
    arrived_us: int
    fields: str
    id: int = 0


class InboundPart(Struct, frozen=True, kw_only=True):
    """A part of a long inbound message that waits for the others.

    ``(connector_id, sender, recipient, reference, reference_octets, total)`` names the set.
    """

    connector_id: int
    sender: str
    recipient: str
    reference: int
    reference_octets: int
    total: int
    number: int
    arrived_us: int
    data_coding: int
    octets: bytes

    @property
    def set_key(self) -> tuple[int, str, str, int, int, int]:
        return (self.connector_id, self.sender, self.recipient, self.reference, self.reference_octets, self.total)


ReferenceKey = tuple[int, str, str]
"""(connector_id, sender, recipient): what concatenation references count per."""


@dataclass(slots=True)
class Changes:
    """What one caller wants written, in one transaction (with the changes of others).

    Within one message the order of ``updates`` is the order of the list; across calls to
    ``commit`` it is the order of the calls.
    """

    acceptances: list[Acceptance] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    segments: list[tuple[str, int, SegmentProgress]] = field(default_factory=list)
    """(message_id, account_id, new progress) of segments whose rows exist."""
    attempts: list[Attempt] = field(default_factory=list)
    logged: list[LoggedEvent] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)
    """A second correlation with the same key replaces the first (carriers reuse ids after weeks)."""
    orphans: list[Orphan] = field(default_factory=list)
    orphans_matched: list[int] = field(default_factory=list)
    wires: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """connector_id → ids of messages that this node's lane may have on the wire from this commit on."""
    facts: list[Fact] = field(default_factory=list)
    """Written as one outbox row; together with the facts of all others in the transaction."""
    lives: list[Live] = field(default_factory=list)
    """Beside ``facts``, one for one: the messages in memory. Not written; told with the facts."""
    positions: dict[str, int] = field(default_factory=dict)
    """endpoint id → outbox position up to which it is owed nothing (never moves back)."""
    deliveries: list[PendingDelivery] = field(default_factory=list)
    """Inserted, or replaced by id."""
    deliveries_done: list[str] = field(default_factory=list)
    """Ids of pending deliveries that are over."""
    parts: list[InboundPart] = field(default_factory=list)
    """The same part twice is kept once."""
    parts_done: list[tuple[int, str, str, int, int, int]] = field(default_factory=list)
    """Set keys whose parts are deleted."""
    references: dict[ReferenceKey, int] = field(default_factory=dict)
    schedules: list[Schedule] = field(default_factory=list)
    """Further dates of messages that exist, or the same again (by message and sequence): their ``expires_us`` is the
    message's from now on."""

    @property
    def empty(self) -> bool:
        """Nothing at all to write."""
        return not any(getattr(self, name) for name in self.__dataclass_fields__)


@dataclass(slots=True)
class Committed:
    """What became of one caller's changes. Everything not named here is durable."""

    lost: dict[int, Claim] = field(default_factory=dict)
    """Index in ``acceptances`` → the claim that was there first; nothing of that acceptance was written."""
    opted_out: dict[int, frozenset[str]] = field(default_factory=dict)
    """Index in ``acceptances`` → recipients that opted out since the gather step; nothing of it was written."""
    stale: set[str] = field(default_factory=set)
    """Message ids whose update met another version; neither the update nor the rest of this
    call's rows of that message (segments, facts) may be believed: read it again and decide anew."""
    position: int = 0
    """The outbox position of this transaction's facts (0: there were none)."""


class MessageRecord(Struct, frozen=True, kw_only=True):
    """A message as it is shown: every row of it. ``on_wire``: a lane may have it on the wire now."""

    message: Message
    progress: Progress
    content: Content | None
    segments: tuple[SegmentProgress, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    on_wire: bool = False
    schedules: tuple[Schedule, ...] = ()


class ListFilter(Struct, frozen=True, kw_only=True):
    """What ``GET /v1/messages`` asks. ``before`` is the id after which the page begins (exclusive).

    ``tag`` is one of the message's tags; ``from_us`` (inclusive) and ``to_us`` (exclusive) bound ``accepted_us``.
    """

    states: tuple[int, ...] = ()
    recipient: str | None = None
    sender: str | None = None
    tag: str | None = None
    client_ref: str | None = None
    from_us: int | None = None
    to_us: int | None = None
    connector_id: int | None = None
    before: str | None = None
    limit: int = 50


class MessagePage(Struct, frozen=True):
    """Messages newest first. The next page is ``before`` ``next``; None where nothing older is left.

    A page has fewer messages than asked, perhaps none, where the store looked through its share of
    messages that the filter does not want: each page costs a bounded time.
    """

    records: tuple[MessageRecord, ...]
    next: str | None


Tally = tuple[int, int, int, str, str, str, int, int, int, int, str, int]
"""What is counted alike: (hour_us, account_id, direction, country, network, sender, connector_id, type, event, was,
error, waited). ``hour_us`` is the hour in which the message was accepted; ``event`` a number of
``delivery.counting``; the rest as in :class:`~heliograph.model.Fact`."""


ACCEPTED = 0
"""The event of a tally that counts acceptances; the other events are states, and:"""
OPTED_OUT = 100
"""an opt-out, which the store counts with its row."""

COUNTED_BY = ("account", "country", "network", "sender", "connector", "type", "error")
"""What counts can be told apart by."""


class TallyFilter(Struct, frozen=True, kw_only=True):
    """Which counts, and what of them is told apart.

    ``from_us`` (inclusive) and ``to_us`` (exclusive) are whole hours. ``step_us`` is how much time one row
    spans, in step with 1970; 0 is all. ``by`` is of :data:`COUNTED_BY`.
    """

    accounts: tuple[int, ...]
    from_us: int
    to_us: int
    step_us: int = 0
    by: tuple[str, ...] = ()
    limit: int = 50_000


class TallyRow(Struct, frozen=True, array_like=True):
    """Counts that are alike in everything that is told apart; what is not reads None."""

    at_us: int
    account: int | None
    country: str | None
    network: str | None
    sender: str | None
    connector: int | None
    type: int | None
    error: str | None
    event: int
    was: int
    waited: int
    messages: int
    segments: int


class Backlog(Struct, frozen=True):
    """One (class, account) that waits in a lane, unclaimed and due."""

    type: int
    account_id: int


class OutboxPage(Struct, frozen=True):
    """Rows of the outbox in order. ``position`` of the last row is where the next page begins."""

    rows: tuple[tuple[int, tuple[Fact, ...]], ...]


class StoreCheck(Struct, frozen=True):
    """One finding of ``heliograph store check``."""

    ok: bool
    what: str


class Store(Administrative, PublishableTokens, Protocol):
    """Where the truth is kept. ``open`` before everything else; methods are called on one event loop.

    Raises :class:`~heliograph.errors.StoreBusy` where a later try can succeed (full disk, locked or
    read-only database, connection lost, write queue full) and recovers by itself, without restart.
    """

    node_id: int
    """This process among those that share the store (from 1); owners in rows are node ids."""

    on_facts: Callable[[int, Sequence[Fact], Sequence[Live]], None] | None
    """Called on the loop once for each transaction that had facts, in order of their outbox position,
    before any waiter is answered: (position, facts, lives), the last two one for one (lives may be
    shorter than facts, or empty, where a caller gave none)."""

    on_opt_outs: Callable[[], None] | None
    """Called on the loop, within 1 s of it, when any process added opt-outs; ``may_be_opted_out`` knows them then."""

    # --- life ---------------------------------------------------------------------------------
    async def open(self) -> None:
        """Connects, checks the schema (``StoreOutdated``), takes the ``serve`` lock where there is one.

        Raises ``StoreInUse`` when another ``serve`` holds it.
        """
        ...

    async def close(self) -> None:
        """Finishes what is queued, then disconnects."""
        ...

    # --- writing ------------------------------------------------------------------------------
    async def commit(self, changes: Changes) -> Committed:
        """Durable when it returns. All of ``changes`` in one transaction, less what :class:`Committed` names."""
        ...

    async def claim(
        self, connector_id: int, type: int, account_id: int, *, now_us: int, limit: int
    ) -> list[tuple[Live, Content | None]]:
        """Takes up to ``limit`` due, unclaimed messages for this node, oldest first. Durable when it returns.

        Their new progress (owner, version) is in the answer. Two claimers never get the same one.
        """
        ...

    async def release(self, connector_id: int | None = None) -> list[Live]:
        """Start-up or lost lane: what this node id owns goes back to the backlog (owner 0, due ``AT_ONCE``)

        except those that the lanes' wire rows name: these are given back to the caller (still owned),
        who decides what the unknown outcome means. None means all connectors.
        """
        ...

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written now, in words: the last transaction failed as ``StoreBusy`` and none succeeded

        since, or one has been under way for longer than 5 s. None: nothing speaks against the next one.
        """
        ...

    async def probe(self) -> None:
        """A transaction that changes nothing anybody sees, durable when it returns; it ends a ``trouble`` that is over.

        Raises ``StoreBusy`` where nothing can be written.
        """
        ...

    # --- the pipeline's reads, all batched -----------------------------------------------------
    async def newest_id(self) -> str | None:
        """The greatest message id in the store: new ids must be later."""
        ...

    async def claims(self, keys: Sequence[tuple[int, str, str]], now_us: int) -> dict[tuple[int, str, str], Claim]:
        """Those of the keys (account_id, scope, key) that are taken and not expired."""
        ...

    async def opted_out(self, pairs: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
        """Those of the (account_id, recipient) that opted out."""
        ...

    def may_be_opted_out(self, account_id: int, recipient: str) -> bool:
        """False only if it surely is not: a filter in memory, kept fresh (also of other processes' writes,
        within 1 s; the commit checks again what was written since)."""
        ...

    async def references(self, keys: Sequence[ReferenceKey]) -> dict[ReferenceKey, int]:
        """The last concatenation reference of those keys that ever had one."""
        ...

    async def correlate(self, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Correlation]:
        """What the (connector_id, canonical id) belong to, for those that are known."""
        ...

    async def live(self, ids: Sequence[tuple[int, str]]) -> dict[str, Live]:
        """Messages by (account_id, id) with segments (``parts`` empty), for updates."""
        ...

    async def orphans(self, keys: Sequence[tuple[int, str]]) -> list[Orphan]:
        """Kept receipts of these (connector_id, canonical id)."""
        ...

    async def matched_orphans(self, limit: int) -> list[tuple[Orphan, Correlation]]:
        """Kept receipts whose (connector_id, canonical id) has a correlation by now, oldest first."""
        ...

    async def recent_writer(self, sender: str, recipient: str, since_us: int) -> int | None:
        """The account that last sent from ``sender`` to ``recipient`` since then (for replies to shared senders).

        Never a sandbox: what it sends is on no handset.
        """
        ...

    async def parts(self, keys: Sequence[tuple[int, str, str, int, int, int]]) -> list[InboundPart]:
        """All kept parts of these sets."""
        ...

    async def stale_parts(self, before_us: int, limit: int) -> list[InboundPart]:
        """All parts of up to ``limit`` sets whose newest part arrived before then."""
        ...

    async def backlog(self, connector_id: int, now_us: int) -> list[Backlog]:
        """Which (class, account) have unclaimed messages due in this lane."""
        ...

    async def waiting(self) -> set[tuple[int, int, int]]:
        """Every (connector_id, class, account_id) with unclaimed messages, due or not."""
        ...

    async def overdue(self, *, after: str | None, accepted_before_us: int, limit: int) -> tuple[list[Live], str | None]:
        """Messages accepted before then that have not ended, in id order after ``after``; with the id to go on from
        (None: done)."""
        ...

    async def expired_waiting(self, now_us: int, limit: int) -> list[Live]:
        """Waiting, unclaimed messages whose validity is over."""
        ...

    async def moved_zones(self, version: str, *, after: str | None, due_before_us: int, limit: int) -> list[Live]:
        """Scheduled messages due before then whose wall time was read with other zone data than ``version``,

        in id order after ``after``.
        """
        ...

    # --- outbox -------------------------------------------------------------------------------
    async def outbox(self, after: int, limit: int) -> OutboxPage:
        """Up to ``limit`` rows after a position, never skipping one that is still being written."""
        ...

    async def outbox_end(self) -> int:
        """A position behind which :meth:`outbox` gives everything that is committed from now on; 0 at the beginning."""
        ...

    async def due_deliveries(self, endpoint_id: str, now_us: int, limit: int) -> list[PendingDelivery]:
        """Pending deliveries of an endpoint that are due, oldest first."""
        ...

    async def deliveries(self, endpoint_id: str, from_us: int, before_us: int, limit: int) -> list[PendingDelivery]:
        """Deliveries of an endpoint by when they are due (``next_us`` in this span), the latest first.

        Dead letters are those from ``DEAD_FROM_US`` on.
        """
        ...

    async def next_delivery_us(self) -> int | None:
        """When the earliest pending delivery of any endpoint is due (dead letters are not)."""
        ...

    async def add_tallies(
        self, after: int, position: int, commits: int, tallies: Mapping[Tally, tuple[int, int]]
    ) -> bool:
        """Adds (messages, segments) and moves the counter's place from ``after`` to ``position``, in one transaction.

        Nothing is written, and False given, where the counter is not at ``after``, where the outbox has not
        exactly ``commits`` rows behind it up to ``position``, or where one of them could still come: another
        process wrote or counted, and the outbox must be read from :meth:`counts_position` on.
        """
        ...

    async def tallies(self, asked: TallyFilter) -> list[TallyRow]:
        """Counts, at most ``limit`` rows, in order of time."""
        ...

    async def counts_position(self) -> int:
        """The counter's place in the outbox."""
        ...

    async def usage(self, since_us: int) -> list[UsageRow]:
        """What every node used of limits, of periods that began then or later."""
        ...

    # --- what customers see ---------------------------------------------------------------------
    async def message(self, account_id: int, message_id: str) -> MessageRecord | None:
        """One message of this account with all its rows."""
        ...

    async def records(self, ids: Sequence[tuple[int, str]]) -> dict[str, MessageRecord]:
        """Many messages with all their rows (for events that are told later)."""
        ...

    async def messages(self, account_id: int, asked: ListFilter) -> MessagePage:
        """Newest first (without attempts and events). At most ``limit``.

        Pages hold under inserts: what is new comes before the first page. A clock that was set back by more
        than a minute moves what was accepted meanwhile out of ranges of time.
        """
        ...

    async def messages_within(self, accounts: Sequence[int], asked: ListFilter) -> MessagePage:
        """As :meth:`messages`, of all these accounts in one list. No message of another one is read in vain for it
        but those between two of theirs, so it costs a look at an index for each account, and what it gives.
        """
        ...

    async def owner_within(self, accounts: Sequence[int], message_id: str) -> int | None:
        """Which of these accounts has the message; None where none has."""
        ...

    async def scheduled(
        self, account_id: int, *, after: tuple[int, str], before_us: int, limit: int
    ) -> list[MessageRecord]:
        """Messages that wait for their date, soonest first, after (due_us, id) and due before then (exclusive)."""
        ...

    async def logged(self, account_id: int, message_id: str) -> list[LoggedEvent]:
        """Events of one message that no column tells, in order."""
        ...

    # --- configuration --------------------------------------------------------------------------
    async def config_version(self) -> int:
        """Counts every change of accounts, keys, endpoints and opt-outs by any process."""
        ...

    async def accounts(self) -> list[Account]: ...

    async def ensure_account(self, name: str, now_us: int) -> Account:
        """The account of that name, made when there is none."""
        ...

    async def ensure_connectors(self, names: Sequence[str]) -> dict[str, int]:
        """The number of each connector name, made where there is none (from 1)."""
        ...

    async def keys(self) -> list[ApiKey]: ...

    async def add_key(self, key: ApiKey) -> ApiKey:
        """Keeps a new key (``id`` is given by the store)."""
        ...

    async def revoke_key(self, prefix: str, now_us: int) -> bool:
        """Revokes the key with this readable prefix; False when there is none."""
        ...

    async def rotate_key(self, prefix: str, fresh: ApiKey, until_us: int) -> ApiKey | None:
        """Keeps ``fresh`` and ends the key with this prefix at ``until_us``, or earlier if it ends earlier: both or
        neither. None when there is no such key, or it is revoked."""
        ...

    async def restrict_key(self, prefix: str, addresses: Sequence[str]) -> bool:
        """Sets the ranges from which a key may be used; False when there is none."""
        ...

    async def note_key_uses(self, prefixes: Iterable[str], at_us: int) -> None:
        """Keeps when keys were used last. No change of the configuration: nobody reads keys anew for it."""
        ...

    async def endpoints(self, account_id: int | None = None) -> list[Endpoint]:
        """Endpoints that are not deleted, their secrets opened. Raises ``SecretLocked``."""
        ...

    async def webhooks_of(
        self, accounts: Sequence[int], *, after: tuple[int, str] = (0, ""), limit: int
    ) -> list[Endpoint]:
        """Webhooks of these accounts, not deleted ones, by (``created_us``, id) behind ``after``; without secrets."""
        ...

    async def seal(self, *, every: bool = False) -> int:
        """Seals secrets that stand in clear, with ``every`` also those under another key than the present one.

        Gives how many endpoints it changed. Each of its steps stands by itself: it may be ended anywhere
        and called again. Nothing is sealed while a server runs that could not open it.
        """
        ...

    async def sealed_under(self) -> Mapping[str, int]:
        """Key id ("": in clear) → secrets of endpoints, deleted ones too."""
        ...

    async def add_opt_outs(self, rows: Iterable[OptOut], told: OptOutTrail | None = None) -> int:
        """Adds them; gives how many are new. These are counted with them (``delivery.counting``).

        ``told`` is asked for the entries of the trail that are written with them, for the new ones alone: in pieces,
        where there are many.
        """
        ...

    async def remove_opt_outs(self, pairs: Iterable[tuple[int, str]], told: OptOutTrail | None = None) -> int:
        """Removes them; gives how many there were. ``told`` as in :meth:`add_opt_outs`."""
        ...

    async def first_opt_outs(self, accounts: Sequence[int], limit: int) -> list[OptOut]:
        """The first of all opt-outs of these accounts, by (account, recipient)."""
        ...

    async def opt_outs(self, account_id: int, after: str | None, limit: int) -> list[OptOut]:
        """In order of recipient."""
        ...

    # --- retention and care ---------------------------------------------------------------------
    async def purge(self, kind: str, before_us: int, limit: int) -> int:
        """Deletes up to ``limit`` rows of what ended before then; gives how many, 0 when done.

        ``kind``: ``contents`` (of ended messages), ``records`` (ended messages with their segments,
        attempts, correlations, logged events), ``outbox`` (rows that every endpoint and the counter
        have passed), ``orphans``, ``claims`` (expired), ``references``, ``dead_letters``,
        ``publishable`` (tokens for browsers that have expired, used or not).
        """
        ...

    async def crowded_dead_letters(self, most: int) -> dict[str, int]:
        """How many dead letters more than ``most`` an endpoint has, of each that has more."""
        ...

    async def drop_dead_letters(self, endpoint_id: str, limit: int) -> int:
        """Deletes up to ``limit`` dead letters of an endpoint, those that died first; gives how many."""
        ...

    async def check(self) -> list[StoreCheck]:
        """Looks the store over: integrity, schema, rows without their message."""
        ...

    async def backup(self, path: str) -> None:
        """Writes a consistent copy while everything goes on."""
        ...

    async def depth(self) -> Mapping[str, int]:
        """Figures for metrics: ``waiting``, ``outbox_rows``, ``pending_deliveries``, ``dead_letters``,
        ``write_queue``."""
        ...
