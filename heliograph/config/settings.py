"""Every setting of the platform, with what it means. The reference page is made from here.

Connectors' own settings live with each connector (``heliograph.connectors.KINDS``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from heliograph.config.fields import setting
from heliograph.config.issuers import IssuerSettings

__all__ = [
    "MIN_RECORDS_DAYS",
    "AccountSettings",
    "Config",
    "ConnectorConfig",
    "HttpSettings",
    "IssuerSettings",
    "LimitSettings",
    "LogSettings",
    "NumberSettings",
    "OAuthSettings",
    "RetentionSettings",
    "RouteSettings",
    "SecuritySettings",
    "StoreSettings",
    "WebhookSettings",
]

MIN_RECORDS_DAYS: Final = 17
"""The longest validity (7 days), 72 h for its receipt, and 7 days for what comes later still."""


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    """The HTTP API."""

    listen: str = setting("127.0.0.1:8080", "Address and port to listen on; `[::1]:8080` for IPv6, port 0 for any.")
    tls_certificate: str | None = setting(
        None,
        "File with the server's certificate and those of its authorities (PEM). With it the server speaks HTTPS alone; "
        "a file that is replaced holds within seconds.",
    )
    tls_key: str | None = setting(None, "File with the certificate's key (PEM); without it: in the certificate's file.")
    allow_plain_http: bool = setting(
        False, "Whether HTTP without TLS may listen outside loopback: say so only behind a proxy that speaks TLS."
    )
    connections: int = setting(10_000, "Connections held open at once; further ones are closed.", min=1)
    header_timeout_s: float = setting(10.0, "Time for a request's headers to arrive.", min=0.1)
    body_timeout_s: float = setting(30.0, "Time for a request's body to arrive.", min=0.1)
    write_timeout_s: float = setting(30.0, "Time for a client to take an answer that waits for it.", min=0.1)
    idle_timeout_s: float = setting(75.0, "Time that a connection may wait between requests.", min=0.1)

    @property
    def host(self) -> str:
        """The address alone, without brackets."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine reaches it. A name is none of loopback, but ``localhost``."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """Where messages are kept."""

    url: str = setting(
        "sqlite:///heliograph.db",
        "`sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://user:password@host/database`.",
        secret=True,
    )

    @property
    def file(self) -> Path | None:
        """The file of an embedded store; None for one that is a server's."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)[1:]) if parts.scheme == "sqlite" else None


@dataclass(frozen=True, kw_only=True)
class SecuritySettings:
    """The master keys under which the store keeps secrets that must be usable again."""

    master_key: str | None = setting(
        None,
        "32 random octets in base64 (`openssl rand -base64 32`), best as `file:PATH` or `env:NAME`; without "
        "it `serve` makes one beside a SQLite database, as `heliograph.db.key`; with PostgreSQL it must be set.",
        secret=True,
    )
    other_master_keys: tuple[str, ...] = setting(
        (), "Further keys that open what was sealed before `heliograph store rekey`, and seal nothing.", secret=True
    )


@dataclass(frozen=True, kw_only=True)
class OAuthSettings:
    """Access tokens that are given for keys (OAuth 2.0 client credentials)."""

    issuer: str | None = setting(
        None,
        "The address of this API as its clients write it, such as `https://sms.example.com`: who issues tokens, and "
        "whom they are for. Without it: the address that is listened on. All nodes need the same.",
    )
    token_lifetime_s: int = setting(3_600, "How long a token holds.", min=60, max=86_400)


@dataclass(frozen=True, kw_only=True)
class WebhookSettings:
    """How customers' webhooks are called."""

    allow_private_addresses: bool = setting(
        False, "Whether webhooks may point to loopback and private networks. Leave it off where customers set them."
    )
    timeout_s: float = setting(15.0, "Time for an endpoint to answer.", min=0.1, max=300)
    concurrency: int = setting(
        32,
        "Requests to one endpoint at once, at most: it begins with a quarter and gets more as it takes them.",
        min=1,
        max=1000,
    )
    dead_letters: int = setting(
        100_000,
        "Dead letters kept of one webhook, for 30 days; above it the oldest are dropped.",
        min=1,
        max=10_000_000,
    )
    operator: str | None = setting(
        None, "The account whose webhooks hear when webhooks of any account fail (`webhook.failing`) or recover."
    )


@dataclass(frozen=True, kw_only=True)
class RetentionSettings:
    """How long what has ended is kept. Waiting messages are never deleted."""

    contents_days: int = setting(30, "Texts and data of messages.", min=1)
    records_days: int = setting(
        90,
        "Messages with segments, attempts and the correlation of receipts "
        "(at least the longest validity, 72 h and 7 days).",
        min=MIN_RECORDS_DAYS,
    )
    events_days: int = setting(7, "Events in the outbox, for replays (webhooks are tried for 28 hours).", min=2)
    orphans_days: int = setting(30, "Receipts that found no message.", min=1)
    audit_days: int = setting(730, "Entries of the audit log.", min=30)


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """Bounds of bodies and queues. What is over a bound is refused with an answer that says so."""

    body_octets: int = setting(65_536, "Largest body of a request.", min=1_024)
    batch_body_octets: int = setting(8_388_608, "Largest body of a batch.", min=1_024)
    batch_messages: int = setting(10_000, "Messages in one batch.", min=1, max=100_000)
    lane_messages: int = setting(
        40_000, "Messages of one connector that wait in memory; more of them wait in the store.", min=100
    )
    store_queue_messages: int = setting(
        50_000, "Messages that may wait to be written; more are refused with 503.", min=1_000
    )


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """The journal, on standard error."""

    format: str = setting(
        "auto", "`console` for people, `json` for machines, `auto` by terminal.", choices=("auto", "console", "json")
    )
    level: str = setting("info", "The least that is told.", choices=("debug", "info", "warning", "error"))
    whole_numbers: bool = setting(False, "Whether telephone numbers are told whole instead of masked.")


@dataclass(frozen=True, kw_only=True)
class AccountSettings:
    """An account's own settings."""

    name: str
    recipients: str = setting(
        "valid",
        "`valid` refuses numbers that no numbering plan knows; `possible` accepts them with a warning.",
        choices=("valid", "possible"),
    )
    default_region: str | None = setting(
        None, "ISO 3166 code of the region in which numbers without `+` are read, such as `DE`; without it: worldwide."
    )
    quiet_hours: str | None = setting(
        None,
        "Hours in which no handset is written to by its own clock, such as `21:00-08:00`: what is accepted then waits "
        "for their end. A message with a `deliver_within` of its own goes by that.",
    )
    quiet_types: tuple[str, ...] = setting(
        ("promotional",), "The types of messages that keep to the quiet hours: `otp`, `transactional`, `promotional`."
    )
    time_zone: str = setting(
        "Etc/UTC", "Time zone of the quiet hours where a number tells none, such as `Europe/Berlin`."
    )
    smart_encoding: bool = setting(
        True,
        "Whether typographic quotes, dashes, spaces and other look-alikes are replaced by GSM-7 characters where the "
        "whole text then is GSM-7; a message can say otherwise.",
    )
    national_tables: bool = setting(
        False,
        "Whether texts may leave in the national language tables of GSM-7 where that saves segments; the connectors of "
        "the route must take them, too.",
    )

    @property
    def words(self) -> dict[str, Any]:
        """Every setting by its name, as the store keeps them."""
        said = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "name"}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


@dataclass(frozen=True, kw_only=True)
class RouteSettings:
    """Which connectors carry which recipients. The longest prefix wins."""

    name: str = setting(doc="Name of the route; messages keep it as the reason of their way.")
    prefixes: tuple[str, ...] = setting(("",), 'Beginnings of the number, digits without `+`; `""` is every number.')
    connectors: tuple[str, ...] = setting(doc="Names of connectors, tried in this order.")
    accounts: tuple[str, ...] = setting((), "Names of the accounts that it is for; none means all.")


@dataclass(frozen=True, kw_only=True)
class NumberSettings:
    """A long number or short code that people reply to."""

    number: str = setting(doc="The long number (with or without `+`) or short code.")
    account: str = setting(doc="Name of the account that gets what people send to it.")
    connectors: tuple[str, ...] = setting((), "Names of connectors on which it is reached; none means any.")


@dataclass(frozen=True, kw_only=True)
class ConnectorConfig:
    """A connector as the file declares it. ``settings`` is the dataclass of its kind."""

    name: str
    kind: str
    settings: Any = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole configuration: every value checked, every name known."""

    http: HttpSettings = HttpSettings()
    store: StoreSettings = StoreSettings()
    security: SecuritySettings = SecuritySettings()
    oauth: OAuthSettings = OAuthSettings()
    webhooks: WebhookSettings = WebhookSettings()
    retention: RetentionSettings = RetentionSettings()
    limits: LimitSettings = LimitSettings()
    log: LogSettings = LogSettings()
    accounts: Mapping[str, AccountSettings] = field(default_factory=dict)
    connectors: tuple[ConnectorConfig, ...] = ()
    routes: tuple[RouteSettings, ...] = ()
    numbers: tuple[NumberSettings, ...] = ()
    issuers: tuple[IssuerSettings, ...] = ()
    source: Path | None = None
    """The file that it was read from."""
