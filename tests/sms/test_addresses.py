"""Kinds of address, ours and those that peers send."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.sms import Address, AddressKind, BadAddress, from_wire, normalise, sender, sender_kind, to_wire, ton_npi

E164, SHORT, ALPHA, UNKNOWN = AddressKind.E164, AddressKind.SHORT_CODE, AddressKind.ALPHANUMERIC, AddressKind.UNKNOWN

SENDERS = [
    ("+4915123456789", E164, "+4915123456789", (1, 1, "4915123456789")),
    ("004915123456789", E164, "+4915123456789", (1, 1, "4915123456789")),
    ("4915123456789", E164, "+4915123456789", (1, 1, "4915123456789")),
    (" +4915123456789 ", E164, "+4915123456789", (1, 1, "4915123456789")),
    ("123", SHORT, "123", (3, 0, "123")),
    ("12345678", SHORT, "12345678", (3, 0, "12345678")),
    ("00123", SHORT, "00123", (3, 0, "00123")),
    ("Heliograph", ALPHA, "Heliograph", (5, 0, "Heliograph")),
    ("A", ALPHA, "A", (5, 0, "A")),
    ("Grüße@2 £", ALPHA, "Grüße@2 £", (5, 0, "Grüße@2 £")),
    ("Elevenchars", ALPHA, "Elevenchars", (5, 0, "Elevenchars")),
]


@pytest.mark.parametrize(("text", "kind", "value", "wire"), SENDERS)
def test_a_sender_has_a_kind_and_goes_to_the_wire_and_back(
    text: str, kind: AddressKind, value: str, wire: tuple[int, int, str]
) -> None:
    address = sender(text)
    assert address == Address(kind, value)
    assert sender_kind(text) == kind
    assert to_wire(address) == wire
    assert ton_npi(kind) == wire[:2]
    assert from_wire(*wire) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "+", "+12", "+1234567890123456", "12", "0151234567", "1234567890123456", "Twelve chars"),
        *("Elevenchar€", "ж", "!?-", "1 2 3 4", "Line\nfeed", "A\rB", "A\0", "A`", "+49 Hello"),
    ],
)
def test_what_no_message_can_come_from_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        sender(text)


@pytest.mark.parametrize(
    ("ton", "npi", "text", "kind", "value"),
    [
        (1, 1, "+4915123456789", E164, "+4915123456789"),
        (1, 1, "004915123456789", E164, "+4915123456789"),
        (0, 0, "4915123456789", E164, "+4915123456789"),
        (0, 1, "4915123456789", E164, "+4915123456789"),
        (1, 1, "29022222", E164, "+29022222"),
        (2, 1, "15123456789", UNKNOWN, "15123456789"),
        (0, 0, "015123456789", UNKNOWN, "015123456789"),
        (0, 0, "12345", SHORT, "12345"),
        (3, 0, "12345", SHORT, "12345"),
        (6, 0, "12345", SHORT, "12345"),
        (5, 0, "12345", ALPHA, "12345"),
        (0, 0, "ACME", ALPHA, "ACME"),
        (1, 1, "*100#", ALPHA, "*100#"),
        (0, 0, "", UNKNOWN, ""),
        (0, 0, "12", UNKNOWN, "12"),
    ],
)
def test_what_a_peer_sends_has_a_kind(ton: int, npi: int, text: str, kind: AddressKind, value: str) -> None:
    assert from_wire(ton, npi, text) == Address(kind, value)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=25))
def test_any_text_is_a_sender_or_refused(text: str) -> None:
    from_wire(1, 1, text)
    assert normalise(normalise(text)) == normalise(text)
    try:
        address = sender(text)
    except BadAddress:
        return
    assert sender(address.value) == address
    assert len(to_wire(address)[2]) <= 15
