"""Everything that can be said of an SMPP connector. Each field's documentation is in its metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo

from heliograph.errors import ConfigFault
from heliograph.model import AddressKind, State
from heliograph.rules.errorcodes import ERROR_CODES
from heliograph.rules.idcodec import ID_CODECS
from heliograph.rules.retry import parse_overrides
from heliograph.smpp.constants import VERSION_3_4, VERSION_5_0
from heliograph.sms import Alphabet

__all__ = ["RECEIPT_STATES", "SmppSettings", "tlv_octets", "tlv_table"]

RECEIPT_STATES: Final = {
    state.word: state
    for state in (State.SENT, State.DELIVERED, State.UNDELIVERED, State.EXPIRED, State.REJECTED, State.UNKNOWN)
}
"""What an operator may say that a word of a receipt means."""

_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "version": ("3.4", "5.0"),
    "bind": ("transceiver", "transmitter", "receiver", "pair"),
    "concatenation": ("udh8", "udh16", "sar", "payload"),
    "default_alphabet": tuple(alphabet.value for alphabet in Alphabet),
    "flash_style": ("general", "class"),
    "id_codec": tuple(ID_CODECS),
    "receipt_unknown": ("sent", "undelivered", "unknown"),
    "receipt_errors": ("own", "gsm_map"),
}
_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "port": (1, 65535),
    "links": (1, 64),
    "window": (1, 10_000),
    "segments_per_second": (0, 1_000_000),
    "interface_version": (0, 255),
    "connect_timeout_s": (1, 300),
    "reconnect_min_s": (0.01, 3600),
    "reconnect_max_s": (0.01, 3600),
    "enquire_link_s": (0, 3600),
    "enquire_timeout_s": (1, 600),
    "response_timeout_s": (1, 3600),
    "registered_delivery": (0, 31),
    "esm_mode": (0, 3),
    "protocol_id": (0, 255),
    "ucs2_data_coding": (0, 255),
    "gsm7_data_coding": (0, 255),
    "binary_data_coding": (0, 255),
    "validity_max_s": (0, 8_640_000),
}
_SIZES: Final[Mapping[str, int]] = {
    "system_id": 64,
    "password": 64,
    "system_type": 64,
    "address_range": 64,
    "service_type": 5,
}
"""Octets at most: the texts of a bind may be longer than the book allows, as many carriers issue them."""


def _of(default: Any, doc: str) -> Any:
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata={"doc": doc})
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, kw_only=True, slots=True)
class SmppSettings:
    """One way to one carrier. :meth:`faults` says what is wrong with it."""

    name: str = field(metadata={"doc": "Its name, for ever: messages and receipts are kept under it."})
    host: str = field(metadata={"doc": "Host name or address of the carrier's SMSC."})
    port: int = _of(2775, "TCP port; 3550 is registered for SMPP over TLS.")
    system_id: str = field(metadata={"doc": "Who we are to the carrier."})
    password: str = field(default="", repr=False, metadata={"doc": "The password of the bind."})
    system_type: str = _of("", "The kind of client, where the carrier asks for one.")
    bind: str = _of("transceiver", "transceiver, transmitter, receiver, or pair (a transmitter and a receiver).")
    links: int = _of(1, "Connections at the same time; with pair, of each direction.")
    window: int = _of(10, "Unanswered submissions allowed on each link.")
    segments_per_second: float = _of(0.0, "Most segments that may leave in a second over all links; 0 is no limit.")
    version: str = _of("3.4", "SMPP version that is spoken: 3.4, or 5.0, whose congestion_state slows the pace down.")
    interface_version: int = _of(0, "What the bind says instead, where a carrier insists on it; 0 is 0x34 or 0x50.")
    address_range: str = _of("", "Numbers that the bind asks to receive for; most carriers want it empty.")
    connect_timeout_s: float = _of(10.0, "Seconds to connect and bind before another try.")
    reconnect_min_s: float = _of(1.0, "Seconds before a lost link is opened again; they double with each failure.")
    reconnect_max_s: float = _of(60.0, "The most seconds between two tries.")
    enquire_link_s: float = _of(30.0, "Seconds of silence after which the link is probed; 0 probes never.")
    enquire_timeout_s: float = _of(15.0, "Seconds to wait for the answer to a probe; two misses end the link.")
    response_timeout_s: float = _of(60.0, "Seconds to wait for a response; then the outcome is unknown.")
    tls: bool = _of(False, "Whether the connection is TLS from its first octet.")
    tls_ca: str = _of("", "File of certificates that the carrier's must lead to; empty is the system's.")
    tls_cert: str = _of("", "File of our certificate, where the carrier asks for one.")
    tls_key: str = _of("", "File of its key, where that is not in the same file.")
    tls_server_name: str = _of("", "Name that the carrier's certificate must have; empty is host.")
    tls_verify: bool = _of(True, "Whether the carrier's certificate is checked. Without it anybody can pose as it.")
    service_type: str = _of("", "service_type of every submission, at most 5 characters.")
    source_ton_npi: Mapping[str, tuple[int, int]] = _of(
        {}, "TON and NPI of senders by their kind (e164, short_code, alphanumeric) where the usual ones do not fit."
    )
    dest_ton_npi: tuple[int, int] = _of((1, 1), "TON and NPI of recipients.")
    plus_sign: bool = _of(False, "Whether international numbers are written with a plus.")
    concatenation: str = _of(
        "udh8", "How long messages are cut: udh8, udh16, sar (TLVs), or payload (whole, the carrier cuts)."
    )
    default_alphabet: str = _of(
        "gsm7", "What the carrier means by data_coding 0: gsm7, gsm7_packed, latin1, ascii or utf8."
    )
    gsm7_data_coding: int = _of(0, "data_coding of texts in GSM 7-bit.")
    ucs2_data_coding: int = _of(8, "data_coding of texts in UCS-2.")
    binary_data_coding: int = _of(4, "data_coding of binary messages.")
    national_tables: bool = _of(
        False, "Whether the carrier takes texts in national language tables; accounts must allow them, too."
    )
    flash_style: str = _of("general", "data_coding of flash messages: general (0x10, 0x18) or class (0xF0).")
    esm_mode: int = _of(0, "Messaging mode in esm_class: 0 is the carrier's own, 3 store and forward.")
    protocol_id: int = _of(0, "protocol_id of every submission.")
    priority_flags: tuple[int, int, int] = _of((0, 0, 0), "priority_flag of otp, transactional, promotional.")
    send_validity: bool = _of(True, "Whether the carrier is told what is left of a message's validity.")
    validity_max_s: int = _of(0, "The longest validity that the carrier takes, in seconds; 0 is no limit.")
    registered_delivery: int = _of(1, "registered_delivery of segments whose receipt is wanted.")
    tlvs: Mapping[str, str] = _of(
        {}, 'TLVs of every submission by tag ("0x1400"); a text, or octets as "hex:00ff". For registration ids.'
    )
    statuses: Mapping[str, str] = _of(
        {}, 'What statuses of this carrier mean: "0x401" = "never", "later:30" or "elsewhere", with our error code.'
    )
    id_codec: str = _of("auto", "How ids in receipts differ from those in responses: " + ", ".join(ID_CODECS) + ".")
    receipt_by_tlv: bool = _of(True, "Whether receipted_message_id makes a receipt where esm_class does not say so.")
    receipt_accepted: str = _of("sent", "What ACCEPTD means: sent, or delivered where handsets report nothing better.")
    receipt_unknown: str = _of("sent", "What UNKNOWN means: sent (go on waiting), undelivered or unknown.")
    receipt_stats: Mapping[str, str] = _of({}, "Words of this carrier's receipts and the states that they mean.")
    receipt_errors: str = _of("own", "What err numbers mean: own (nothing by themselves), or gsm_map.")
    receipt_error_codes: Mapping[str, str] = _of({}, "err of this carrier's receipts and our error codes for them.")
    time_zone: str = _of("", "Zone of the times in receipts (such as Europe/Berlin); empty leaves them as they are.")
    assign_recent_writer: bool = _of(
        False, "Whether replies to a shared sender belong to the account that last wrote from it to that handset."
    )

    @property
    def bind_version(self) -> int:
        """interface_version of the bind."""
        return self.interface_version or (VERSION_5_0 if self.version == "5.0" else VERSION_3_4)

    @property
    def reference_octets(self) -> int:
        """1 or 2: the size of concatenation references."""
        return 1 if self.concatenation == "udh8" else 2

    def faults(self, where: str = "") -> list[ConfigFault]:
        """Everything wrong with these settings; nothing for good ones."""
        prefix = f"{where}." if where else ""
        return [ConfigFault(prefix + key, what, remedy) for key, what, remedy in self._faults()]

    def _faults(self) -> Iterator[tuple[str, str, str]]:
        for key in ("name", "host", "system_id"):
            if not getattr(self, key):
                yield key, "is missing", "every SMPP connector has one"
        for key, allowed in _CHOICES.items():
            if getattr(self, key) not in allowed:
                yield key, f"{getattr(self, key)!r} is unknown", "one of " + ", ".join(allowed)
        for key, (least, most) in _RANGES.items():
            if not least <= getattr(self, key) <= most:
                yield key, f"{getattr(self, key)} is out of range", f"{least:g} to {most:g}"
        for key, size in _SIZES.items():
            if len(getattr(self, key)) > size:
                yield key, "is too long", f"at most {size} characters"
        yield from self._faults_of_tables()

    def _faults_of_tables(self) -> Iterator[tuple[str, str, str]]:
        kinds = {kind.name.lower() for kind in AddressKind}
        for kind in set(self.source_ton_npi) - kinds:
            yield "source_ton_npi", f"{kind!r} is no kind of sender", "one of " + ", ".join(sorted(kinds))
        pairs = [
            ("dest_ton_npi", self.dest_ton_npi),
            *(("source_ton_npi", one) for one in self.source_ton_npi.values()),
        ]
        for key, ton_npi in pairs:
            if len(ton_npi) != 2 or not all(0 <= number <= 255 for number in ton_npi):
                yield key, f"{list(ton_npi)} is no TON and NPI", "two numbers, such as [1, 1]"
        if len(self.priority_flags) != 3 or not all(0 <= flag <= 4 for flag in self.priority_flags):
            yield "priority_flags", "are not three numbers of 0 to 4", "of otp, transactional, promotional"
        if self.national_tables and self.default_alphabet not in ("gsm7", "gsm7_packed"):
            yield "national_tables", f"cannot be said in {self.default_alphabet}", "leave it out, or gsm7"
        if self.receipt_accepted not in ("sent", "delivered"):
            yield "receipt_accepted", f"{self.receipt_accepted!r} is unknown", "sent or delivered"
        for word, state in self.receipt_stats.items():
            if state not in RECEIPT_STATES:
                yield "receipt_stats", f"{word} = {state!r} is no state", "one of " + ", ".join(RECEIPT_STATES)
        for err, code in self.receipt_error_codes.items():
            if code not in ERROR_CODES:
                yield "receipt_error_codes", f"{err} = {code!r} is no error code", "see docs/reference/errors.md"
        for key, read in (("statuses", parse_overrides), ("tlvs", tlv_table), ("time_zone", _zone_table)):
            try:
                read(getattr(self, key))
            except ValueError as error:
                yield key, str(error), ""


def tlv_octets(value: str) -> bytes:
    """Octets of a TLV as an operator writes it. Raises ``ValueError``."""
    if value.startswith("hex:"):
        return bytes.fromhex(value[4:])
    return value.encode("latin-1")


def tlv_table(table: Mapping[str, str]) -> dict[int, bytes]:
    """Tags and octets of constant TLVs. Raises ``ValueError`` with a sentence."""
    found = {}
    for tag, value in table.items():
        try:
            number, octets = int(tag, 0), tlv_octets(value)
        except ValueError:
            raise ValueError(f"{tag} = {value!r} is no TLV: write a tag such as 0x1400, and a text or hex:") from None
        if not 0 < number <= 0xFFFF or len(octets) > 0xFFFF:
            raise ValueError(f"{tag} is out of range")
        found[number] = octets
    return found


def _zone_table(name: str) -> None:
    """Raises ``ValueError`` unless the zone exists."""
    if name:
        try:
            ZoneInfo(name)
        except (KeyError, OSError, ValueError):
            raise ValueError(f"there is no time zone {name!r}") from None
