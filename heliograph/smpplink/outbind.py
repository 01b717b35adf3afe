"""Outbind: an SMSC dials us and asks us to bind to it as receiver. Off unless somebody calls `listen_for_outbind`.

Whoever can reach the port could pose as the carrier and feed us messages, so both its address and the secret that it
shows must be the agreed ones. Source: SMPP 3.4 §4.1.7.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import ssl
from collections.abc import Callable, Sequence

import msgspec

from heliograph.smpp.events import Bound
from heliograph.smpp.pdus import Outbind
from heliograph.smpplink.client import ClientLink
from heliograph.smpplink.wire import Turn, Wire

__all__ = ["OutbindSettings", "listen_for_outbind"]

_log = logging.getLogger("heliograph.smpplink")


class OutbindSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an SMSC must show. ``repr`` does not show the secret."""

    system_id: str
    password: str
    networks: tuple[str, ...]
    """Addresses or networks (CIDR) that it may come from."""

    def __repr__(self) -> str:
        return f"OutbindSettings({self.system_id} from {', '.join(self.networks)})"


class _Dialled:
    """Owns a connection until its outbind is accepted, then hands each call on to the link."""

    def __init__(self, settings: OutbindSettings, link: ClientLink) -> None:
        self._settings = settings
        self._candidate = link
        self._link: ClientLink | None = None

    def opened(self, wire: Wire) -> None:
        if not _allowed(wire.peer, self._settings.networks):
            wire.close("not an address that may outbind")

    def turn(self, wire: Wire, turn: Turn) -> None:
        if self._link is not None:
            self._link.turn(wire, turn)
            return
        for request in turn.requests:
            if isinstance(request.pdu, Outbind) and self._link is None:
                self._outbind(wire, request.pdu)

    def _outbind(self, wire: Wire, outbind: Outbind) -> None:
        settings = self._settings
        known = hmac.compare_digest(outbind.system_id.encode(), settings.system_id.encode())
        if not hmac.compare_digest(outbind.password.encode(), settings.password.encode()) or not known:
            wire.close("an outbind with the wrong secret")
            return
        self._link = self._candidate
        self._link.opened(wire)

    def bound(self, wire: Wire, bound: Bound) -> None:
        if self._link is not None:
            self._link.bound(wire, bound)

    def bind_refused(self, wire: Wire, status: int) -> None:
        if self._link is not None:
            self._link.bind_refused(wire, status)

    def ended(self, wire: Wire, lost: list[object], reason: str) -> None:
        if self._link is not None:
            self._link.ended(wire, lost, reason)
        else:
            _log.warning("SMPP outbind from %s came to nothing: %s", wire.peer, reason)


def _allowed(peer: str, networks: Sequence[str]) -> bool:
    try:
        address = ipaddress.ip_address(peer.rpartition(":")[0])
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network, strict=False) for network in networks)


async def listen_for_outbind(
    host: str,
    port: int,
    settings: OutbindSettings,
    new_link: Callable[[], ClientLink],
    *,
    tls: ssl.SSLContext | None = None,
) -> asyncio.Server:
    """Listen for SMSCs that dial us.

    Each connection takes a link from ``new_link`` (settings with ``BindMode.RECEIVER``; it is not to be ``run``). Once
    the outbind is accepted it binds on that very connection, and tells its listener as any other link does. Raises
    OSError.
    """

    def new_wire() -> Wire:
        link = new_link()
        return link.new_wire(_Dialled(settings, link))

    return await asyncio.get_running_loop().create_server(new_wire, host, port, ssl=tls)
