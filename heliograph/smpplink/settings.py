"""What a link needs to know. Units stand in the names."""

from __future__ import annotations

import ssl
from enum import Enum

import msgspec

from heliograph.smpp import constants as c
from heliograph.smpp.pdus import Bind, BindReceiver, BindTransceiver, BindTransmitter
from heliograph.smpp.session import Timers

__all__ = ["BindMode", "LinkSettings", "ServerSettings", "TlsSettings", "bind_pdu", "client_context"]


class BindMode(Enum):
    """What a client binds as."""

    TRANSMITTER = "transmitter"
    RECEIVER = "receiver"
    TRANSCEIVER = "transceiver"

    @property
    def transmits(self) -> bool:
        """Whether submissions may go over such a bind."""
        return self is not BindMode.RECEIVER


_BINDS: dict[BindMode, type[Bind]] = {
    BindMode.TRANSMITTER: BindTransmitter,
    BindMode.RECEIVER: BindReceiver,
    BindMode.TRANSCEIVER: BindTransceiver,
}


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """TLS of a client link, 1.2 or newer. There is no start-TLS in SMPP: the port is one or the other."""

    server_name: str = ""
    """For SNI and the check of the certificate; empty: the host of the link."""
    ca_file: str = ""
    """Empty: the system's authorities."""
    certificate_file: str = ""
    """A client certificate (PEM, with its chain), where the carrier asks for one."""
    key_file: str = ""
    """Its key; empty: in the certificate's file."""
    verify: bool = True
    """False trusts anybody; for tests and for carriers with a private network only."""


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One link of a client to an SMSC. ``repr`` does not show the password."""

    host: str
    port: int = 2775
    system_id: str
    password: str = ""
    system_type: str = ""
    bind: BindMode = BindMode.TRANSCEIVER
    interface_version: int = c.VERSION_3_4
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""
    window: int = 10
    """Requests that may be unanswered; 1 to 10 is what carriers allow when they say nothing."""
    timers: Timers = Timers()
    tls: TlsSettings | None = None
    connect_timeout_s: float = 10
    reconnect_min_s: float = 1
    reconnect_max_s: float = 60
    refused_wait_s: float = 60
    """The least wait after the peer refused our credentials: more tries would only lock the account."""
    stable_s: float = 10
    """A bind that held this long starts the back-off anew."""
    write_stuck_s: float = 30
    """How long the peer may take none of our octets before the link is given up."""
    unanswered_max: int = 1000
    """Deliveries not yet acknowledged, above which nothing more is read from the peer."""
    reads_receipts: bool = False
    """Tell ordinary receipts as `smpp.plain.PlainReceipt`, not as the deliver_sm that they are."""

    def __repr__(self) -> str:
        return f"LinkSettings({self.system_id}@{self.host}:{self.port} {self.bind.value})"


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One port that clients bind to."""

    system_id: str = "heliograph"
    interface_version: int = c.VERSION_3_4
    window: int = 10
    """Deliveries to one client that may be unanswered."""
    unanswered_max: int = 100
    """Requests of one client not yet answered, above which nothing more is read from it: back-pressure, no errors."""
    timers: Timers = Timers(enquire_link_s=60)
    write_stuck_s: float = 30


def bind_pdu(settings: LinkSettings) -> Bind:
    """The bind that these settings ask for."""
    return _BINDS[settings.bind](
        settings.system_id,
        settings.password,
        settings.system_type,
        settings.interface_version,
        settings.addr_ton,
        settings.addr_npi,
        settings.address_range,
    )


def client_context(tls: TlsSettings) -> ssl.SSLContext:
    """The TLS context of a client link. Raises OSError (ssl.SSLError) when a file cannot be read."""
    context = ssl.create_default_context(cafile=tls.ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.certificate_file:
        context.load_cert_chain(tls.certificate_file, tls.key_file or None)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
