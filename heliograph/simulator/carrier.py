"""A virtual carrier: an SMPP server with handsets behind it, which behaves as well or as badly as it is told."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random
from types import TracebackType
from typing import Any, Final

from heliograph.simulator.chance import Chance
from heliograph.simulator.clients import Client, Switchboard
from heliograph.simulator.climate import Climate
from heliograph.simulator.deliveries import Deliveries
from heliograph.simulator.handsets import HandsetMessage, Handsets
from heliograph.simulator.log import CarrierLog, Fact
from heliograph.simulator.mischief import MISBEHAVIOURS, Meddler, Mischief
from heliograph.simulator.outgoing import Outgoing, in_order, receipt_pdu, reply_pdus
from heliograph.simulator.presence import Presence
from heliograph.simulator.rules import Owners
from heliograph.simulator.settings import FIXED, CarrierSettings
from heliograph.simulator.submits import Submits, wording
from heliograph.simulator.timetable import Timetable
from heliograph.simulator.weather import Weather
from heliograph.smpp import constants as c
from heliograph.smpp.events import Request, Response
from heliograph.smpp.pdus import Bind, DataSm, SubmitSm
from heliograph.smpp.session import Timers
from heliograph.smpplink.server import Server, serve
from heliograph.smpplink.settings import ServerSettings

__all__ = ["VirtualCarrier"]

_UNANSWERED_MAX: Final = 50_000
"""Submits of one client that may wait for their latency; above it nothing more is read from it."""
_REFUSED: Final = {
    c.QUERY_SM: c.ESME_RQUERYFAIL,
    c.CANCEL_SM: c.ESME_RCANCELFAIL,
    c.REPLACE_SM: c.ESME_RREPLACEFAIL,
}
"""What this carrier does not offer, and how it says so; anything else is an invalid command to it."""


class VirtualCarrier:
    """An SMSC on a port of its own.

        async with VirtualCarrier(latency_ms=20) as carrier:
            connect_to(carrier.port)
            [message] = await carrier.received(1)
            carrier.reply(message.to, message.sender, "thank you")

    Settings come as one value, or by name, which wins. Everything happens on the running loop.
    """

    def __init__(self, settings: CarrierSettings | None = None, **changes: Any) -> None:
        settings = replace(settings if settings is not None else CarrierSettings(), **changes)
        self.settings = settings
        self.port = settings.port
        self.log = CarrierLog(settings.log, keep=settings.keep_facts)
        self.handsets = Handsets(settings.keep_messages)
        self.mischief = Mischief(settings.seed)
        self.owners = Owners(settings.seed)
        self._order = Random(f"{settings.seed} order")
        self._board = Switchboard(self.log, receipts_first=settings.receipts.before_response)
        self._deliveries = Deliveries(
            self._board, self.log, other_bind=settings.receipts.bind == "other", again=self._again_later
        )
        self._numbers = itertools.count(1)
        self._references = itertools.count(settings.seed)
        self._server: Server | None = None
        self._presence = Presence(self._open, self._close)
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    # --- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen. Raises ``OSError`` when the port is in use."""
        self._loop = asyncio.get_running_loop()
        self._timetable = Timetable(self._loop, self._end_turn)
        self._chance = Chance(self.settings, self._loop.time())
        self._submits = Submits(
            self.settings,
            self._chance,
            self.log,
            self.handsets,
            self._board,
            self._deliveries,
            self._timetable,
            self.mischief,
            self._read,
        )
        if self.settings.misbehaviour:
            self.misbehave(self.settings.misbehaviour, self.settings.misbehaviour_share)
        await self.up()
        self._climate = Climate(self.settings, self._timetable, self._weather_changed)
        self._climate.look()

    async def stop(self) -> None:
        """Cut every connection and close the log."""
        self._timetable.stop()
        await self.down()
        self.log.close()

    async def __aenter__(self) -> VirtualCarrier:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def up(self) -> None:
        """Listen (again), on the same port as before. In an outage of its settings it stays away until that is over."""
        await self._presence.by_hand(True)

    async def down(self) -> None:
        """Refuse connections and cut those that are there. Receipts and replies wait for the next bind."""
        await self._presence.by_hand(False)

    @property
    def is_up(self) -> bool:
        """Whether clients can connect."""
        return self._server is not None

    async def _open(self) -> None:
        settings = self.settings
        self._server = await serve(
            settings.host,
            self.port,
            lambda: Client(self, next(self._numbers)),
            settings=ServerSettings(
                system_id=settings.name,
                interface_version=c.VERSION_5_0 if settings.congestion >= 0 else c.VERSION_3_4,
                window=settings.window,
                unanswered_max=_UNANSWERED_MAX,
                timers=Timers(enquire_link_s=60),
            ),
            between=lambda wire: Meddler(wire, self.mischief),
        )
        self.port = self._server.port

    async def _close(self) -> None:
        if self._server is not None:
            self.drop_links()
            await self._server.close(0)
            self._server = None

    def drop_links(self) -> None:
        """Cut every connection without a word. Clients may come back at once."""
        if self._server is not None:
            for link in tuple(self._server.links):
                link.close("dropped")

    # --- what a test or a person does ------------------------------------------------------------------------------

    @property
    def messages(self) -> list[HandsetMessage]:
        """The newest messages of all handsets, oldest first."""
        return list(self.handsets.messages)

    @property
    def binds(self) -> int:
        """How many clients are bound now."""
        return len(self._board.clients)

    @property
    def unfinished(self) -> int:
        """Receipts and replies that nobody has answered for good yet."""
        return self._deliveries.unfinished

    def change(self, **changes: Any) -> None:
        """Go on with other settings: any but ``FIXED``. Raises ``ConfigError`` where they make no sense, ``ValueError``
        for those that cannot change; then nothing has changed."""
        if fixed := FIXED & set(changes):
            raise ValueError(f"{', '.join(sorted(fixed))} cannot be changed while a carrier runs")
        self.settings = replace(self.settings, **changes)
        if "misbehaviour" in changes or "misbehaviour_share" in changes:
            self.misbehave(self.settings.misbehaviour or None, self.settings.misbehaviour_share)
        self._climate.change(self.settings)
        self._settle(self._climate.settings)

    def _weather_changed(self, before: Weather, now: Weather) -> None:
        if before.misbehaviour != now.misbehaviour:
            self.misbehave(now.misbehaviour or self.settings.misbehaviour or None, self.settings.misbehaviour_share)
        self._presence.by_weather(not now.down)
        self._settle(self._climate.settings)

    def _settle(self, settings: CarrierSettings) -> None:
        self._chance.change(settings, self._loop.time())
        self._submits.change(settings)
        self._board.receipts_first = settings.receipts.before_response
        self._deliveries.other_bind = settings.receipts.bind == "other"

    def misbehave(self, kind: str | None, share: float = 1.0) -> None:
        """Go wrong in one of ``MISBEHAVIOURS`` from now on, in this share of the cases; None: behave.

        Raises ``KeyError`` for a kind that nobody knows.
        """
        self.mischief.begin(None if kind is None else MISBEHAVIOURS[kind], share, self._loop.time())

    def reply(self, handset: str, to: str, text: str) -> None:
        """The handset writes to a number; long texts go in parts.

        Leaves over any bind that receives, or waits for one. Raises what encoding a text raises.
        """
        self._write_to(handset, to, text)
        self._end_turn()

    def receipt(self, id: str, stat: str, *, to: str, sender: str) -> None:
        """Send a receipt for any id, as it stands: a second one, a contradiction, one for nothing.

        ``to`` and ``sender`` are those of the message that it tells of.
        """
        submit = SubmitSm(
            source_addr=sender.removeprefix("+"),
            dest_addr_ton=c.TON_INTERNATIONAL,
            dest_addr_npi=c.NPI_ISDN,
            destination_addr=to.removeprefix("+"),
        )
        at = time.time()
        receipt = Outgoing("receipt", receipt_pdu(submit, id, stat, at, at, 0), to=to, sender=sender, id=id, stat=stat)
        self._deliveries.begin(receipt)
        self._deliveries.give(receipt)
        self._end_turn()

    def hasten(self, by_s: float) -> None:
        """Let so many seconds pass for what it still has to do: answers, receipts and replies come sooner."""
        self._timetable.hasten(by_s)

    async def received(self, count: int, timeout_s: float | None = 10.0) -> list[HandsetMessage]:
        """Wait until handsets have had ``count`` whole messages since the start; gives those that they remember.

        Raises ``TimeoutError``; ``timeout_s`` None waits for ever.
        """
        await self._until(lambda: self.handsets.count >= count, timeout_s, f"{count} messages")
        return self.messages

    async def bound(self, count: int = 1, timeout_s: float = 10.0) -> None:
        """Wait until so many clients are bound. Raises ``TimeoutError``."""
        await self._until(lambda: self.binds >= count, timeout_s, f"{count} binds")

    async def settled(self, timeout_s: float = 10.0) -> None:
        """Wait until every receipt and reply has been answered for good. Raises ``TimeoutError``."""
        await self._until(lambda: not self._deliveries.unfinished, timeout_s, "answers to receipts and replies")

    async def _until(self, true: Callable[[], bool], timeout_s: float | None, what: str) -> None:
        if true():
            return
        waiter = (true, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter[1]
        except TimeoutError:
            have = f"{self.handsets.count} messages, {self.binds} binds, {self._deliveries.unfinished} not answered"
            raise TimeoutError(f"no {what} within {timeout_s:g} s: there are {have}") from None
        finally:
            self._waiters.remove(waiter)

    # --- what clients do -------------------------------------------------------------------------------------------

    def asked_to_bind(self, client: Client, bind: Bind) -> int:
        """Part of ``clients.Carrier``."""
        status = c.ESME_ROK
        if bind.system_id != self.settings.system_id:
            status = c.ESME_RINVSYSID
        elif bind.password != self.settings.password:
            status = c.ESME_RINVPASWD
        if not status:
            status = self.mischief.bind_status()
        self.log.add(Fact(fact="bind", at=time.time(), link=client.number, sender=bind.system_id, status=status))
        if not status:
            self._board.clients[client.number] = client
            # The session is bound once this answer is written, so what waits for it comes behind.
            self._loop.call_soon(self._bound)
        return status

    def _bound(self) -> None:
        self._deliveries.bound()
        self._end_turn()

    def asked(self, client: Client, requests: list[Request]) -> None:
        """Part of ``clients.Carrier``."""
        now, at = self._loop.time(), time.time()
        take = self._submits.take
        drop_after = self.settings.drop_after
        for request in requests:
            pdu = request.pdu
            if isinstance(pdu, SubmitSm | DataSm):
                take(client, pdu, request.sequence_number, now, at)
                if client.submits == drop_after and client.link is not None:
                    client.link.close("drop_after")
                    break
            else:
                status = _REFUSED.get(pdu.command_id, c.ESME_RINVCMDID)
                if pdu.command_id in c.BROADCASTS and client.speaks_5_0:
                    status = c.ESME_RPROHIBITED  # it knows the command, and there are no cells behind it
                self._board.answer(client, request.sequence_number, status)
        self._end_turn()

    def answered(self, client: Client, responses: list[Response]) -> None:
        """Part of ``clients.Carrier``."""
        self._deliveries.answered(client, responses)
        self._end_turn()

    def unanswered(self, client: Client, contexts: list[object]) -> None:
        """Part of ``clients.Carrier``."""
        for context in contexts:
            self._deliveries.again(context)
        self._end_turn()

    def gone(self, client: Client, lost: list[object], reason: str) -> None:
        """Part of ``clients.Carrier``."""
        self._board.clients.pop(client.number, None)
        self.log.add(Fact(fact="lost", at=time.time(), link=client.number, text=reason))
        waiting = [*lost, *client.waiting]
        client.waiting.clear()
        self._deliveries.give_all(waiting)
        self._end_turn()

    # --- inside ----------------------------------------------------------------------------------------------------

    def _read(self, message: HandsetMessage) -> None:
        """A handset has a whole message."""
        text, digest = wording(message.text, message.octets, self.settings.log_texts)
        self.log.add(
            Fact(
                fact="message",
                at=message.at,
                to=message.to,
                sender=message.sender,
                id=message.ids[0],
                text=text,
                hash=digest,
            )
        )
        rules = self.settings.rules
        answer = self.owners.answer(message, rules) if rules else None
        if answer is not None:
            text, wait_s = answer
            if wait_s > 0:
                self._timetable.do_at(self._loop.time() + wait_s, self._write_to, message.to, message.sender, text)
            else:
                self._write_to(message.to, message.sender, text)
        elif self.settings.reply_text and not rules:
            self._write_to(message.to, message.sender, self.settings.reply_text)

    def _write_to(self, handset: str, to: str, text: str) -> None:
        pdus = reply_pdus(handset, to, text, next(self._references), self.settings.long_replies)
        said, digest = wording(text, text.encode(), self.settings.log_texts)
        for number, pdu in in_order(list(enumerate(pdus, 1)), self.settings.reply_order, self._order):
            part = f"{number}/{len(pdus)}" if len(pdus) > 1 else ""
            outgoing = Outgoing("mo", pdu, to=to, sender=handset, text=said, hash=digest, part=part)
            self._deliveries.begin(outgoing)
            self._deliveries.give(outgoing)

    def _again_later(self, give: Callable[..., None], outgoing: Outgoing) -> None:
        self._timetable.do_at(self._loop.time() + self.settings.redeliver_ms / 1000, give, outgoing)

    def _end_turn(self) -> None:
        self._board.write()
        for true, future in self._waiters:
            if not future.done() and true():
                future.set_result(None)
