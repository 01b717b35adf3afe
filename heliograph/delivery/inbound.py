"""Inbound: short messages from handsets become messages of the account that owns the number.

Parts of a long message wait in the store until their set is complete; what never completes is
delivered as far as it came, marked ``partial``. A carrier is answered after the commit, never before.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from heliograph import sms
from heliograph.contracts import (
    Acceptance,
    Changes,
    Claim,
    Clock,
    Connector,
    InboundPart,
    InboundShort,
    NewMessage,
    Store,
)
from heliograph.delivery.directory import Directory
from heliograph.delivery.errands import Errands
from heliograph.errors import StoreError
from heliograph.model import (
    AddressKind,
    Content,
    ContentKind,
    Direction,
    Encoding,
    IdSource,
    Live,
    Message,
    Progress,
    State,
)
from heliograph.rules.lifecycle import fact_of
from heliograph.telemetry import journal
from heliograph.telemetry.metrics import Metrics

__all__ = ["UNASSIGNED", "Inbound"]

_log = logging.getLogger("heliograph.delivery")

UNASSIGNED = 0
"""The account of what belongs to nobody: only the operator sees it."""

_SEEN_AGAIN_US = 600 * 1_000_000
"""A carrier that sends a long message again does so within ten minutes."""

_WRITER_US = 7 * 86_400 * 1_000_000
"""How long a reply to a shared sender belongs to who wrote last."""

_KINDS = {
    sms.AddressKind.E164: AddressKind.E164,
    sms.AddressKind.SHORT_CODE: AddressKind.SHORT_CODE,
    sms.AddressKind.ALPHANUMERIC: AddressKind.ALPHANUMERIC,
    sms.AddressKind.UNKNOWN: AddressKind.SHORT_CODE,
}
_UCS2 = 8
_DECODED = -1
"""In place of a part's ``data_coding``: its octets are UTF-8 already."""

_SetKey = tuple[int, str, str, int, int, int]


class Inbound:
    """The room between handsets and accounts."""

    def __init__(self, store: Store, directory: Directory, ids: IdSource, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._directory = directory
        self._ids = ids
        self._clock = clock
        self._metrics = metrics
        self._errands = Errands()
        self._sets = asyncio.Lock()

    def inbound(self, connector: Connector, shorts: Sequence[InboundShort]) -> None:
        """A connector's short messages of one turn."""
        self._errands.start(self._keep(connector, shorts))

    async def _keep(self, connector: Connector, shorts: Sequence[InboundShort]) -> None:
        handles = [short.handle for short in shorts]
        whole = [short for short in shorts if short.concat is None]
        parts = [short for short in shorts if short.concat is not None]
        try:
            if whole:
                await self._keep_whole(connector, whole)
            if parts:
                async with self._sets:  # two parts of one set must see each other
                    await self._keep_parts(connector, parts)
        except StoreError as error:
            _log.warning("%d inbound messages were not kept, the carrier will send them again: %s", len(shorts), error)
            connector.acknowledge(handles, kept=False)
            return
        connector.acknowledge(handles, kept=True)

    async def _keep_whole(self, connector: Connector, shorts: Sequence[InboundShort]) -> None:
        changes = Changes()
        for short in shorts:
            account_id = await self._owner(connector, short.recipient, short.sender)
            octets, kind = _content_of(short)
            content = Content(kind=kind, octets=octets, udh_octets=len(short.udh) if kind == ContentKind.DATA else 0)
            self._add(changes, account_id, connector.id, short.sender, short.recipient, content, 1, None)
        await self._store.commit(changes)

    async def _keep_parts(self, connector: Connector, shorts: Sequence[InboundShort]) -> None:
        now_us = self._clock.now_us()
        arrived = [_part_of(connector.id, short, now_us) for short in shorts]
        sets: dict[_SetKey, dict[int, InboundPart]] = defaultdict(dict)
        for part in await self._store.parts(list({part.set_key for part in arrived})):
            sets[part.set_key][part.number] = part
        for part in arrived:
            sets[part.set_key].setdefault(part.number, part)
        changes = Changes()
        for key, parts in sets.items():
            if len(parts) == key[5]:
                await self._add_set(changes, list(parts.values()), None, assign=connector.assigns_recent_writer)
            else:
                changes.parts.extend(part for part in arrived if part.set_key == key)
        await self._store.commit(changes)

    async def give_up_parts(self, older_than_s: float, limit: int = 100) -> int:
        """Sets that stay incomplete are delivered as far as they came (``rescue`` calls this)."""
        async with self._sets:
            stale = await self._store.stale_parts(self._clock.now_us() - int(older_than_s * 1e6), limit)
            sets: dict[_SetKey, list[InboundPart]] = defaultdict(list)
            for part in stale:
                sets[part.set_key].append(part)
            changes = Changes()
            for parts in sets.values():
                await self._add_set(changes, parts, "partial", assign=True)
            if sets:
                await self._store.commit(changes)
        return len(sets)

    async def _add_set(self, changes: Changes, parts: Sequence[InboundPart], mark: str | None, *, assign: bool) -> None:
        """A long message from its parts; the same set within ten minutes is the carrier's repetition."""
        ordered = sorted(parts, key=lambda part: part.number)
        first = ordered[0]
        account_id = await self._owner_of(first.connector_id, first.recipient, first.sender, assign=assign)
        content = _join(ordered)
        digest = hashlib.sha256(repr(first.set_key).encode() + content.octets)
        now_us = self._clock.now_us()
        claim = Claim(
            account_id=account_id,
            scope="inbound",
            key=digest.hexdigest(),
            body_hash=digest.digest(),
            created_us=now_us,
            expires_us=now_us + _SEEN_AGAIN_US,
        )
        changes.parts_done.append(first.set_key)
        self._add(
            changes, account_id, first.connector_id, first.sender, first.recipient, content, first.total, claim, mark
        )

    def _add(
        self,
        changes: Changes,
        account_id: int,
        connector_id: int,
        sender: str,
        recipient: str,
        content: Content,
        segments: int,
        claim: Claim | None,
        mark: str | None = None,
    ) -> None:
        now_us = self._clock.now_us()
        message = Message(
            id=self._ids.take(1, now_us)[0],
            account_id=account_id,
            direction=Direction.IN,
            sender=sender,
            sender_kind=_kind(sender),
            recipient=recipient,
            recipient_kind=_kind(recipient),
            encoding=Encoding.BINARY if content.kind == ContentKind.DATA else Encoding.UCS2,
            segments=segments,
            accepted_us=now_us,
            expires_us=now_us,
            receipt_wanted=False,
            entrance="carrier",
            tags=None if mark is None else msgspec.json.encode([mark]).decode(),
        )
        progress = Progress(state=State.RECEIVED, connector_id=connector_id, ended_us=now_us)
        changes.acceptances.append(Acceptance([NewMessage(message, progress, content)], claim))
        changes.facts.append(fact_of(message, 1, State.RECEIVED, now_us, connector_id))
        changes.lives.append(Live(message, progress, content=content))
        self._metrics.received(assigned=account_id != UNASSIGNED)
        if account_id == UNASSIGNED:
            journal.inbound_unassigned(message.id, sender, recipient, str(connector_id))

    async def _owner(self, connector: Connector, number: str, handset: str) -> int:
        return await self._owner_of(connector.id, number, handset, assign=connector.assigns_recent_writer)

    async def _owner_of(self, connector_id: int, number: str, handset: str, *, assign: bool) -> int:
        """Who owns the number; failing that who wrote last from it, where the connector allows; failing that nobody."""
        owner = self._directory.owner(number, connector_id)
        if owner is None and assign:
            owner = await self._store.recent_writer(number, handset, self._clock.now_us() - _WRITER_US)
        return UNASSIGNED if owner is None else owner

    async def drain(self, timeout_s: float) -> None:
        """Waits for what is being kept."""
        await self._errands.drain(timeout_s)


def _kind(address: str) -> int:
    if address.startswith("+"):
        return AddressKind.E164
    try:
        return _KINDS[sms.sender_kind(address)]
    except sms.BadAddress:
        return AddressKind.SHORT_CODE


def _content_of(short: InboundShort) -> tuple[bytes, int]:
    if short.text is None:
        return short.udh + short.octets, ContentKind.DATA
    return short.text.encode(errors="replace"), ContentKind.TEXT


def _part_of(connector_id: int, short: InboundShort, now_us: int) -> InboundPart:
    if short.concat is None:
        raise ValueError("not a part of a long message")
    reference, reference_octets, total, number = short.concat
    octets, _ = _content_of(short)
    raw = short.text is None or short.data_coding == _UCS2
    return InboundPart(
        connector_id=connector_id,
        sender=short.sender,
        recipient=short.recipient,
        reference=reference,
        reference_octets=reference_octets,
        total=total,
        number=number,
        arrived_us=now_us,
        data_coding=short.data_coding if raw else _DECODED,
        octets=short.octets if raw else octets,
    )


def _join(parts: Sequence[InboundPart]) -> Content:
    """What the parts say together. UTF-16 is joined before it is decoded: a pair may be cut between parts."""
    octets = b"".join(part.octets for part in parts)
    codings = {part.data_coding for part in parts}
    if codings == {_UCS2}:
        return Content(octets=(sms.decode(octets, _UCS2).text or "").encode(errors="replace"))
    if codings == {_DECODED}:
        return Content(octets=octets)
    if codings == {_UCS2, _DECODED}:
        texts = (part.octets if part.data_coding == _DECODED else _join([part]).octets for part in parts)
        return Content(octets=b"".join(texts))
    return Content(kind=ContentKind.DATA, octets=octets)
